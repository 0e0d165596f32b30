"""A run's figures as text: a line an epoch as JSON or CSV, and what the run came to."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Final

from archspec.train.summary import EpochResult, Summary

LINES: Final = "metrics.jsonl"  # these are in a run's folder
TABLE: Final = "metrics.csv"
RESULT: Final = "summary.json"


def metrics_jsonl(rows: Sequence[EpochResult]) -> str:
    """A JSON object a line for each epoch."""
    return "".join(json.dumps(row.to_json()) + "\n" for row in rows)


def metrics_csv(rows: Sequence[EpochResult]) -> str:
    """The same as a table with a head; what is not known is an empty cell."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0].to_json().keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.to_json() for row in rows)
    return text.getvalue()


def summary_json(summary: Summary) -> str:
    """What a finished run came to, apart from its epochs and the doctor's findings, which have files of their own."""
    data = {key: value for key, value in summary.to_json().items() if key not in ("epochs", "findings")}
    return json.dumps(data, indent=2) + "\n"
