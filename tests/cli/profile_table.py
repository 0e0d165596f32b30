"""The table that `archspec profile` prints, read back."""

from __future__ import annotations

import re

SCALE = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
FIGURE = r"(?:–|[\d.]+(?: (?:[kMGT]|B|[KMGT]iB))?)"
ROW = re.compile(
    rf"^ (?P<name>[│├└ ]*\S.*?)\s{{2,}}(?P<shape>[\d×]+)"
    rf"\s+(?P<p>{FIGURE})\s+(?P<m>{FIGURE})\s+(?P<a>{FIGURE})\s*$"
)


def value(text: str) -> float:
    number, _, unit = text.partition(" ")
    return 0.0 if number == "–" else float(number) * SCALE[unit]


def tolerance(text: str) -> float:
    """Half of the last printed digit."""
    number, _, unit = text.partition(" ")
    return 0.0 if number == "–" or "." not in number else 0.005 * SCALE[unit]


def rows_of(out: str) -> list[tuple[int, str, list[str]]]:
    """(level, name, figures) of each row of a printed table, the total last."""
    found = []
    for line in out.splitlines():
        if match := ROW.match(line):
            guide = re.match(r"[│├└ ]*", match["name"])
            assert guide is not None
            found.append((1 + len(guide[0]) // 2, match["name"][guide.end() :], [match[k] for k in "pma"]))
    return found


def totals_of(out: str) -> dict[str, int]:
    numbers = re.search(r"^([\d,]+) parameters .* and ([\d,]+) elements of buffers\n([\d,]+) MACs", out, re.MULTILINE)
    assert numbers is not None
    return dict(zip(("params", "buffers", "macs"), (int(n.replace(",", "")) for n in numbers.groups()), strict=True))
