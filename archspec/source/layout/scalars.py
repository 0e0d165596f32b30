"""How a scalar is written: in double quotes if it needs quotes, otherwise plain."""

from __future__ import annotations

import json
import re
from typing import Final

from archspec.source.dump import may_be_bare
from archspec.source.layout.read import content_indent
from archspec.source.layout.tree import Scalar

# YAML 1.1 reads these as booleans; their quotes are kept for other tools
_OLD_WORD: Final = re.compile(r"y|yes|n|no|on|off", re.IGNORECASE)
_RISKY: Final = re.compile(r"[-?:](?=\s|$)")  # the start of a text that is plain only inside brackets


def one_line(scalar: Scalar) -> str | None:
    """The scalar on one line. None for a block scalar, and for a text with line breaks."""
    if scalar.style in ("|", ">"):
        return None
    if not scalar.style:
        return _plain(scalar)
    if may_be_bare(scalar.value) and not _OLD_WORD.fullmatch(scalar.value):
        return scalar.value
    if "\n" in scalar.source:
        return None if "\n" in scalar.value and "\\" not in scalar.source else _quoted(scalar.value)
    if scalar.style == "'" and not set(scalar.value) & set('"\\'):
        return _quoted(scalar.value)
    return scalar.source


def key_text(key: Scalar) -> str:
    """The text of a key, which is always on one line."""
    return one_line(key) or _quoted(key.value)


def folded(scalar: Scalar) -> list[str]:
    """The lines of a scalar, broken as in the source, without indentation."""
    return [line.strip() for line in scalar.source.split("\n")]


def block_text(scalar: Scalar) -> tuple[str, str, list[str]]:
    """(header, comment after it, lines without indentation) of a block scalar. An indentation indicator becomes 2."""
    header, *lines = scalar.source.split("\n")
    mark, _, comment = header.partition("#")
    depth = content_indent(lines, scalar.value)
    first = next((line[depth:] for line in lines if line.strip()), "")
    kept = re.sub(r"[0-9]", "", mark.strip())
    if first.startswith(" "):
        kept = f"{kept[0]}2{kept[1:]}"
    return kept, f"#{comment}".rstrip() if comment else "", [line[depth:] for line in lines]


def _plain(scalar: Scalar) -> str | None:
    if "\n" in scalar.value:
        return None
    return _quoted(scalar.value) if _RISKY.match(scalar.value) else scalar.value


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
