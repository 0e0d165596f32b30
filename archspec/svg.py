"""Parts of SVG pictures: measuring, cutting, wrapping and escaping text, light and dark colours, round ticks.

No font is needed: text widths are estimates for a wide sans-serif font, so text fits with any font.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from html import escape
from math import ceil, floor, isclose, log10
from typing import Final, Literal

SIZE: Final = 12.0  # pixels, the default font size
LINE: Final = 1.35  # height of a line, in font sizes
_WIDE: Final = 1.0  # widths, in font sizes
_AMBIGUOUS: Final = 0.8  # as wide as Latin, or as Chinese, depending on the font
_USUAL: Final = 0.64
_CAPITAL: Final = 0.74
_OWN: Final = {  # characters with an unusual width
    character: width
    for width, characters in ((0.36, "ijlI|!.,:;'` "), (0.46, "ftr()[]{}-/\\\""), (1.0, "mwMW@%"))
    for character in characters
}
_ATTACHED: Final = ("Mn", "Me", "Cf")  # categories of characters that are drawn onto the one before
_EMOJI: Final = "\N{VARIATION SELECTOR-16}"  # makes the character before it wide
_JOINERS: Final = ("\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}")
_HANGUL_TAIL: Final = range(0x1160, 0x1200)  # vowels and finals of a syllable that is written in parts

# class → its declarations in light and in dark
Style = dict[str, tuple[str, str]]
Theme = Literal["auto", "light", "dark"]
COLOURS: Final[Style] = {
    "page": ("fill:#fff", "fill:#0d1117"),
    "ink": ("fill:#1f2328", "fill:#e6edf3"),
    "faint": ("fill:#59636e", "fill:#9198a1"),
    "grid": ("stroke:#d8dee4;fill:none", "stroke:#30363d;fill:none"),
    "axis": ("stroke:#818b98;fill:none", "stroke:#656c76;fill:none"),
}


def text_width(text: str, size: float = SIZE) -> float:
    """The estimated width of a line of text, in pixels."""
    return size * sum(map(_em, text))


def _em(character: str) -> float:
    if character == _EMOJI:
        return _WIDE - _USUAL
    if unicodedata.category(character) in _ATTACHED or ord(character) in _HANGUL_TAIL:
        return 0.0
    if character.isascii():
        return _OWN.get(character, _CAPITAL if character.isupper() else _USUAL)
    breadth = unicodedata.east_asian_width(character)
    return _WIDE if breadth in "WF" else _AMBIGUOUS if breadth == "A" else _CAPITAL


def cut(text: str, width: float, size: float = SIZE) -> str:
    """The text, cut with an `…` if it does not fit; a character keeps its accents."""
    if text_width(text, size) <= width:
        return text
    kept, room = "", width - text_width("…", size)
    for cluster in _clusters(text):
        room -= text_width(cluster, size)
        if room < 0:
            break
        kept += cluster
    return kept.rstrip() + "…"


def _clusters(text: str) -> Iterator[str]:
    """Characters, each with its accents and joined characters."""
    current = ""
    for character in text:
        if current and _em(character) > 0 and character != _EMOJI and not current.endswith(_JOINERS[0]):
            yield current
            current = ""
        current += character
    if current:
        yield current


def wrap_lines(text: str, width: float, size: float = SIZE) -> list[str]:
    """The text in lines no wider than `width`, broken at spaces, and inside a word only if it is wider than a line."""
    lines, current = [], ""
    for word in text.split():
        longer = f"{current} {word}" if current else word
        if text_width(longer, size) <= width:
            current = longer
            continue
        if current:
            lines.append(current)
        *whole, current = _pieces(word, width, size)
        lines += whole
    return [*lines, current] if current or not lines else lines


def _pieces(word: str, width: float, size: float) -> list[str]:
    pieces = [""]
    for cluster in _clusters(word):
        if pieces[-1] and text_width(pieces[-1] + cluster, size) > width:
            pieces.append("")
        pieces[-1] += cluster
    return pieces


def svg_text(text: str, *, lines: bool = False) -> str:
    """Text escaped for SVG, without characters that XML forbids or that change the writing direction.

    lines: it may have line breaks.
    """
    kept = (*_JOINERS, "\n") if lines else _JOINERS
    plain = (c if c.isprintable() or c in kept else "\N{REPLACEMENT CHARACTER}" for c in text)
    return escape("".join(plain))


def box(x: float, y: float, width: float, height: float, style: str, *, corner: float = 0.0) -> str:
    """A rectangle. corner: the radius of its corners."""
    rounded = f' rx="{corner:g}"' if corner else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"{rounded} class="{style}"/>'


def label(
    x: float, y: float, text: str, *, size: float = SIZE, anchor: str = "start", style: str = "ink", bold: bool = False,
    turned: bool = False,
) -> str:
    """A line of text. anchor: whether its baseline starts, ends or is centred at (x, y). turned: it runs upwards."""
    place = f'transform="translate({x:g} {y:g}) rotate(-90)"' if turned else f'x="{x:g}" y="{y:g}"'
    more = (f' text-anchor="{anchor}"' if anchor != "start" else "") + (' font-weight="bold"' if bold else "")
    more += f' font-size="{size:g}"' if size != SIZE else ""
    return f'<text {place} class="{style}"{more}>{svg_text(text)}</text>'


def line_of_words(
    x: float, y: float, words: Iterable[tuple[str, str]], *, size: float, space: float, style: str,
    anchor: str = "start",
) -> str:
    """A line of words that differ in look: pairs of a text and a class, which may be empty, `space` pixels apart."""
    spans = []
    for k, (text, own) in enumerate(words):
        look, gap = f' class="{own}"' if own else "", f' dx="{space:g}"' if k else ""
        spans.append(f"<tspan{look}{gap}>{svg_text(text)}</tspan>")
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:g}" y="{y:g}" class="{style}"{side} font-size="{size:g}">{"".join(spans)}</text>'


def paragraph(
    x: float, y: float, text: str, width: float, *, size: float = SIZE, style: str = "ink", bold: bool = False
) -> tuple[list[str], float]:
    """Lines of text from y downwards; and the y below them."""
    room = width / 1.1 if bold else width
    parts = []
    for line in wrap_lines(text, room, size):
        parts.append(label(x, round(y + size, 1), line, size=size, style=style, bold=bold))
        y += size * LINE
    return parts, y


def picture(
    width: float, height: float, parts: Iterable[str], title: str, *, styles: Style, shown: float | None = None,
    theme: Theme = "auto",
) -> str:
    """A complete SVG with a background.

    title: for screen readers. styles: its CSS classes. shown: the width to show it at, by default `width`; it shrinks
    if there is less room. theme: light, dark, or auto: as the viewer prefers.
    """
    scale = 1.0 if shown is None else shown / width
    light, dark = ("".join(f".{name}{{{rules[k]}}}" for name, rules in (COLOURS | styles).items()) for k in (0, 1))
    rules = {"light": light, "dark": dark, "auto": f"{light}@media(prefers-color-scheme:dark){{{dark}}}"}[theme]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width * scale:g}" '
        f'height="{height * scale:g}" style="max-width:100%;height:auto" font-family="sans-serif" '
        f'font-size="{SIZE:g}" role="img">',
        f"<title>{svg_text(title)}</title>",
        f"<style>{rules}</style>",
        box(0, 0, width, height, "page"),
        *parts,
        "</svg>",
        "",
    ])


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten that enclose [low, high]: at most `most` of them, or two."""
    if not high - low > max(1e-300, 1e-9 * max(abs(low), abs(high))):  # ticks would have the same digits
        margin = abs(low) / 10 if abs(low) > 1e-9 else 1.0
        low, high = low - margin, high + margin
    power = floor(log10((high - low) / max(1, most - 1)))
    steps = (factor * 10.0**exponent for exponent in range(power, power + 3) for factor in (1, 2, 5))
    for step in steps:
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        if last - first < most:
            break
    return [0.0 if k == 0 else float(f"{k * step:.12g}") for k in range(first, last + 1)]


def number_text(value: float) -> str:
    """The number of a tick as text: `0.5`, `20`, `1e-5`, `3e12`."""
    if value == 0 or 1e-3 <= abs(value) < 1e6 or isclose(abs(value), 1e-3):
        return f"{value:.6g}"
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"
