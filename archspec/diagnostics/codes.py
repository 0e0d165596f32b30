"""The explanation of each diagnostic code, with a wrong and a right example: `archspec explain`.

Each code has a Markdown file in `explanations/`: a title, the meaning, and a fenced block under `## Wrong` and
`## Right`. The block is a whole spec (`yaml`) or a command (`console`). A block with a file's name after `yaml` is a
further file that the example needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("explanations")
_BLOCK: Final = re.compile(r"^```(yaml|console|python) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A spec, or a command if there is no spec to show. `files`: further files beside it, name → text."""

    kind: str
    text: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The meaning of a code. `right` is `wrong`, corrected as `meaning` says."""

    code: str
    title: str
    meaning: str
    wrong: Example
    right: Example


def parse(code: str, text: str) -> Explanation:
    """Parse a file of `explanations/`. Raises ValueError if its form is wrong."""
    found = re.fullmatch(r"# (.+?)\n\n(.+?)\n\n## Wrong\n\n(.+?)\n## Right\n\n(.+)", text, re.DOTALL)
    if found is None:
        raise ValueError(f"{code}: not the form of an explanation")
    title, meaning, wrong, right = found.groups()
    return Explanation(code, title, meaning, _example(code, wrong), _example(code, right))


def _example(code: str, text: str) -> Example:
    main = None
    files = {}
    for kind, name, body in _BLOCK.findall(text):
        if name:
            files[name] = body
        else:
            main = (kind, body)
    if main is None:
        raise ValueError(f"{code}: an example has no block")
    return Example(*main, files)


CODES: Final[dict[str, Explanation]] = {
    path.stem: parse(path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.md"))
}
