"""HTML pages of one file: data, style and script, and nothing else.

Nothing of the data can become markup or script: it is JSON without `<`, the scripts only write text nodes, and the
content security policy only allows this script and style, by their digests, and no requests.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Final

from archspec.svg import Theme

_SHARED: Final = Path(__file__).with_name("parts")
_SHARED_SCRIPTS: Final = ("base.js", "chart.js")


def page_html(
    folder: Path, scripts: Sequence[str], data: Mapping[str, Any], *, style: str = "", theme: Theme = "auto"
) -> str:
    """The HTML of a page with this data, in ASCII; its title is `data["title"]`.

    folder: holds `page.css` and the scripts, which follow those that all pages share, as one script. style: more CSS.
    theme: light, dark, or auto: as the reader prefers.
    """
    style = _part(_SHARED / "base.css") + style + _part(folder / "page.css")
    if theme != "auto":
        style = style.replace("(prefers-color-scheme: dark)", "all" if theme == "dark" else "not all")
        style = style.replace("color-scheme: light dark", f"color-scheme: {theme}")
    paths = [*(_SHARED / name for name in _SHARED_SCRIPTS), *(folder / name for name in scripts)]
    script = '"use strict";(() => {\n' + "".join(map(_part, paths)) + "})();\n"
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    parts = {"policy": policy, "title": escape(str(data["title"])), "style": style, "script": script,
             "data": to_script_json(data)}
    pieces = []
    for piece in _part(_SHARED / "page.html").split("{{"):
        name, found, rest = piece.partition("}}")
        pieces.append(parts[name] + rest if found else piece)
    return "".join(pieces).encode("ascii", "xmlcharrefreplace").decode()


def to_script_json(data: Any) -> str:
    """JSON for a script element: ASCII, without a `<` that could end the element."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", r"\u003c")


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _part(path: Path) -> str:
    """The text of a part without comments and indentation, because it is most of a page with little data."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "".join(line + "\n" for line in lines if line and not line.startswith("//"))
