"""The doctor: watches a run cheaply, and says in words why a network does not learn."""

from archspec.train.doctor.finding import Evidence, Finding, findings_text
from archspec.train.doctor.watch import Doctor

__all__ = ["Doctor", "Evidence", "Finding", "findings_text"]
