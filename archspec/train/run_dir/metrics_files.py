"""The figures of a run as text: one line per epoch as JSON or CSV, and the summary."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from archspec.standard_json import json_text
from archspec.train.summary import EpochResult, Summary

LINES: Final = "metrics.jsonl"  # files in the run folder
TABLE: Final = "metrics.csv"
RESULT: Final = "summary.json"


def metrics_jsonl(rows: Sequence[EpochResult]) -> str:
    """One line per epoch, each a JSON object; a figure that is not finite is null."""
    return "".join(json_text(row.to_json(), ascii_only=True) + "\n" for row in rows)


def metrics_csv(rows: Sequence[EpochResult]) -> str:
    """The same as a CSV table with a header; an unknown figure is an empty cell."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, rows[0].to_json().keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row.to_json() for row in rows)
    return text.getvalue()


def summary_json(summary: Summary) -> str:
    """The results of a finished run, without its epochs and the doctor's findings, which have separate files."""
    data = {key: value for key, value in summary.to_json().items() if key not in ("epochs", "findings")}
    return json_text(data, indent=2, ascii_only=True) + "\n"
