"""Several independent mistakes at once, one of them in the syntax: found in one run, with nothing that follows."""

from __future__ import annotations

import copy
import random
import re
from collections import Counter
from collections.abc import Callable

import archspec
from archspec.diagnostics import Diagnostic
from archspec.source import dump, read
from tests.helpers import assert_form
from tests.lower.test_mutations import EXPECTATIONS, MISTAKES, WHOLE

TEXTS = 60
Broken = tuple[list[str], int]  # the lines, and the one that was broken


# -- one slip of the syntax each; None where the line has no place for it ------------------------------------------


def a_tab(line: str, _: random.Random) -> str | None:
    return "\t" + line.lstrip() if line.startswith(" ") else None


def no_colon(line: str, _: random.Random) -> str | None:
    return re.sub(r"^(\s*(?:- )?\w+): (?=\S)", r"\1 ", line) if re.match(r"\s*(- )?\w+: \S", line) else None


def no_space(line: str, _: random.Random) -> str | None:
    return re.sub(r"^(\s*(?:- )?\w+): (?=\w)", r"\1:", line) if re.match(r"\s*(- )?\w+: \w", line) else None


def no_braces(line: str, _: random.Random) -> str | None:
    return re.sub(r": \{(\w+: [^{}]+)\}$", r": \1", line) if re.search(r": \{\w+: [^{}]+\}$", line) else None


def a_quote(line: str, rng: random.Random) -> str | None:
    places = [m.end() for m in re.finditer(r": (?=\w)", line)]
    at = rng.choice(places) if places else 0
    return line[:at] + rng.choice("\"'") + line[at:] if places else None


def an_open_bracket(line: str, rng: random.Random) -> str | None:
    places = [k for k, c in enumerate(line) if c in "]}"]
    at = rng.choice(places) if places else 0
    return line[:at] + line[at + 1 :] if places else None


def a_closing_bracket(line: str, _: random.Random) -> str | None:
    return line + "]" if line.endswith(("]", "}")) else None


def the_wrong_bracket(line: str, rng: random.Random) -> str | None:
    places = [k for k, c in enumerate(line) if c in "]}"]
    at = rng.choice(places) if places else 0
    return line[:at] + {"]": "}", "}": "]"}[line[at]] + line[at + 1 :] if places else None


def a_space_more(line: str, rng: random.Random) -> str | None:
    return " " + line if line.startswith("  ") else None


def a_space_less(line: str, _: random.Random) -> str | None:
    return line[1:] if line.startswith("  ") else None


def a_backtick(line: str, _: random.Random) -> str | None:
    return re.sub(r": (?=\w)", ": `", line, count=1) if re.search(r": \w", line) else None


def an_alias(line: str, _: random.Random) -> str | None:
    return re.sub(r": (?=\w)", ": *", line, count=1) if re.search(r": \w", line) else None


def no_comma(line: str, rng: random.Random) -> str | None:
    places = [m.start() for m in re.finditer(r", (?=\w+:)", line)]
    at = rng.choice(places) if places else 0
    return line[:at] + line[at + 1 :] if places else None


SLIPS: list[Callable[[str, random.Random], str | None]] = [
    a_tab, no_colon, no_space, no_braces, a_quote, an_open_bracket, a_closing_bracket, the_wrong_bracket, a_space_more,
    a_space_less, a_backtick, an_alias, no_comma,
]


def semantic(rng: random.Random) -> tuple[str, list[Diagnostic]] | None:
    """A shipped spec with two or three mistakes that do not hide each other, and what is told of them."""
    data = copy.deepcopy(read(rng.choice(WHOLE)).data)
    for section in ("expect", "description"):
        data.pop(section, None)
    for mistake in sorted(rng.sample(MISTAKES, rng.choice([2, 3])), key=lambda m: m.__name__ == "a_section"):
        mistake(data, rng)
    text = dump(data)
    found = [d for d in archspec.check(text) if d.code not in EXPECTATIONS and d.span]
    return (text, found) if found else None


def slip(text: str, diagnostics: list[Diagnostic], rng: random.Random) -> tuple[str, int, str] | None:
    """The text with one line broken that no mistake lies near, the line's number from 1, and the slip's name."""
    lines = text.split("\n")
    near = {d.span.line + k for d in diagnostics if d.span for k in (-1, 0, 1)}
    way = rng.choice(SLIPS)
    places = [k for k, line in enumerate(lines) if k + 1 not in near and way(line, random.Random(0)) not in (None, line)]
    if not places:
        return None
    k = rng.choice(places)
    broken = way(lines[k], rng)
    if broken is None:
        return None
    return "\n".join([*lines[:k], broken, *lines[k + 1 :]]), k + 1, way.__name__


def rates(count: int = TEXTS, seed: int = 0, show: bool = False) -> tuple[float, float, Counter[str]]:
    """(share of planted mistakes that are told, false ones a text, slips that were told wrongly)."""
    rng = random.Random(seed)
    planted = seen = false = texts = 0
    worst: Counter[str] = Counter()
    while texts < count:
        made = semantic(rng)
        broken = made and slip(*made, rng)
        if not made or not broken:
            continue
        text, line, name = broken
        found = archspec.check(text)
        if not any(d.code.startswith(("SPEC00", "SPEC01")) for d in found) and name in ("a_space_more", "a_space_less"):
            continue  # it still is YAML
        texts += 1
        for diagnostic in found:
            assert_form(diagnostic)
        wanted = {(d.code, d.span.line) for d in made[1] if d.span}
        places = {(d.code, d.span.line) for d in found if d.span}
        reach = 60 if name in ("a_space_more", "a_space_less") else 1  # lines below may be what fits nothing
        at_slip = {t for t in places if abs(t[1] - line) <= (reach if t[0] == "SPEC002" else 1) and t not in wanted}
        others = [d for d in found if not d.span or ((d.code, d.span.line) not in wanted | at_slip and d.code not in EXPECTATIONS)]
        extra = len(others)
        planted += len(wanted) + 1
        seen += len(wanted & places) + bool(at_slip)
        false += extra
        if show and (extra or len(wanted & places) < len(wanted) or not at_slip):
            print("=" * 20, name, line, "missed", wanted - places, "slip", at_slip)
            print("\n".join(text.split("\n")[max(0, line - 4) : line + 3]))
            print(*map(str, found if not at_slip else others), sep="\n")
        worst[name] += extra + len(wanted - places) + (not at_slip)
    return seen / planted, false / texts, worst


def test_nine_of_ten_mistakes_are_told_beside_a_broken_line() -> None:
    share, false, worst = rates()
    assert share >= 0.9, (share, worst)
    assert false <= 0.1, (false, worst)
