"""The doctor: watches a run at little cost, explains why a network does not learn, and tries changes that may help."""

from archspec.train.doctor.finding import Evidence, Finding, Trial, findings_text
from archspec.train.doctor.patient import Patient
from archspec.train.doctor.watch import Doctor

__all__ = ["Doctor", "Evidence", "Finding", "Patient", "Trial", "findings_text"]
