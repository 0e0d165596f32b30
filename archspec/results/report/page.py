"""The report page: data, style and script in one HTML file.

Nothing from a spec or a run can become markup or script: the data is JSON without `<`, the script only writes text
nodes, and the content security policy only allows this script and style, by their digests, and no requests.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Final

from archspec.results.record import RunRecord
from archspec.results.report.curves import LEAST_POINTS, MOST_POINTS
from archspec.results.report.data import page_data

MOST_BYTES: Final = 400_000
SCRIPTS: Final = (  # in this order, as one script
    "base.js", "data.js", "filter.js", "chart.js", "curves.js", "table.js", "settings.js", "parallel.js", "cost.js",
    "facts.js", "main.js",
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
    style = _part("page.css")
    script = '"use strict";(() => {\n' + "".join(_part(name) for name in SCRIPTS) + "})();\n"
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    parts = {"policy": policy, "title": escape(str(data["title"])), "style": style, "script": script,
             "data": to_script_json(data)}
    pieces = []
    for piece in _part("page.html").split("{{"):
        name, found, rest = piece.partition("}}")
        pieces.append(parts[name] + rest if found else piece)
    return "".join(pieces).encode("ascii", "xmlcharrefreplace").decode()


def to_script_json(data: Any) -> str:
    """JSON for a script element: ASCII, without a `<` that could end the element."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c")


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _part(name: str) -> str:
    """The text of a part without comments and indentation, because it is most of a page with few runs."""
    lines = (line.strip() for line in (_PARTS / name).read_text(encoding="utf-8").splitlines())
    return "".join(line + "\n" for line in lines if line and not line.startswith("//"))
