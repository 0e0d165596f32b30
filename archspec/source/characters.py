"""Invisible characters and lookalikes, which YAML reads as parts of a name."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MEANT: Final = {
    **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # the full-width forms of ASCII
    **dict.fromkeys("‐‑‒–—―−﹘﹣", "-"), **dict.fromkeys("“”„‟″", '"'), **dict.fromkeys("‘’‚‛′", "'"),
    **dict.fromkeys("∶꞉︰﹕ː", ":"), **dict.fromkeys("、﹐‚", ","), **dict.fromkeys("⁄∕", "/"),
    **dict.fromkeys("∗⁎×", "*"), **dict.fromkeys("【〔［", "["), **dict.fromkeys("】〕］", "]"), "﹛": "{", "﹜": "}",
    "﹙": "(", "﹚": ")", "﹟": "#", "﹩": "$",
}  # fmt: skip
_LETTERS: Final = dict(zip(
    "аеорсухіјѕԁԛԝһАВЕКМНОРСТХοανΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxijsdqwhABEKMHOPCTXoavABEZHIKMNOPTYX", strict=True,
))  # Cyrillic and Greek letters among Latin ones
_WORD: Final = re.compile(r"[^\W\d_]+")
_START: Final = re.compile(r"[‐‑‒–—―−﹘﹣](?=[ \d])|[+-]?[０-９]|[“”„‟‘’‚‛［｛【]|.*[＄$]|[^“”‘’]*[：∶꞉﹕]")


def odd(text: str, *, strict: bool = True) -> dict[int, str]:
    """The positions of such characters in an unquoted text, and the character that each replaces.

    strict: for keys and names. Otherwise lookalikes are included only if one looks like YAML's syntax, such as a quote.
    """
    if text.isascii():
        return {}
    look = strict or bool(_START.match(text))
    found = {}
    for k, char in enumerate(text):
        if char.isascii():
            continue
        kind = unicodedata.category(char)
        if kind in ("Zs", "Cf"):
            found[k] = " " if kind == "Zs" else ""
        elif look and char in _MEANT:
            found[k] = _MEANT[char]
    for word in _WORD.finditer(text) if look else ():
        if any(c.isascii() for c in word[0]) and any(c in _LETTERS for c in word[0]):
            found.update({word.start() + k: _LETTERS[c] for k, c in enumerate(word[0]) if c in _LETTERS})
    return dict(sorted(found.items()))


def invisible(text: str) -> dict[int, str]:
    """`odd` for invisible characters only: other kinds of spaces, and characters without width."""
    return {k: meant for k, meant in odd(text, strict=False).items() if unicodedata.category(text[k]) in ("Zs", "Cf")}


def name_of(char: str) -> str:
    """`U+00A0 NO-BREAK SPACE`."""
    return f"U+{ord(char):04X} {unicodedata.name(char, 'without a name')}"


def explain(char: str, meant: str) -> tuple[str, str]:
    """The message and hint for such a character."""
    if not meant:
        return f"the character {name_of(char)} is invisible and not allowed here", "delete it"
    if meant == " ":
        return f"the character {name_of(char)} is not a space in YAML", "write a plain space"
    return f"the character {name_of(char)} looks like `{meant}`, but is not", f"write `{meant}`"
