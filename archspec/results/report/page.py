"""The report page: data, style and script in one HTML file; see `archspec.page`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from archspec.page import page_html
from archspec.results.record import RunRecord
from archspec.results.report.curves import LEAST_POINTS, MOST_POINTS
from archspec.results.report.data import page_data

MOST_BYTES: Final = 400_000
SCRIPTS: Final = (  # in this order, as one script
    "data.js", "filter.js", "measures.js", "curves.js", "table.js", "settings.js", "parallel.js", "cost.js", "facts.js",
    "main.js",
)
_PARTS: Final = Path(__file__).with_name("parts")


def report_html(
    records: Sequence[RunRecord], *, title: str, measure: str = "test_accuracy", reload_s: int = 0
) -> str:
    """The HTML of the page. Curves have as many points as MOST_BYTES allows, but at least LEAST_POINTS."""
    points = MOST_POINTS
    while True:
        text = render(page_data(records, title=title, measure=measure, points=points, reload_s=reload_s))
        if len(text) <= MOST_BYTES or points <= LEAST_POINTS:  # ASCII, so characters are bytes
            return text
        points = max(LEAST_POINTS, min(points - 1, points - round((len(text) - MOST_BYTES) / (9 * len(records)))))


def render(data: Mapping[str, Any]) -> str:
    """The HTML of a page with this data, in ASCII."""
    return page_html(_PARTS, SCRIPTS, data)
