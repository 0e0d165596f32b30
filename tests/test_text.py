"""Figures, counts and commands as messages show them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from archspec.diagnostics import plural
from archspec.text import bytes_text, count_text, percent_text, shape_text, shell, sizes_text
from archspec.types import UNKNOWN

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.00 k"), (61_706, "61.71 k"), (999_994, "999.99 k"), (999_995, "1.00 M"),
        (11_689_512, "11.69 M"), (10**18, "1.00 E"), (10**30, "1000000.00 Y"),
    ],
)
def test_counts_are_in_si_units(number: int, text: str) -> None:
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (588, "588 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (1_048_575, "1.00 MiB"),
        (3 * 2**29, "1.50 GiB"), (7_326_742_000_000, "6.66 TiB"), (2**90, "1024.00 YiB"),
    ],
)
def test_sizes_are_in_binary_units(number: int, text: str) -> None:
    assert bytes_text(number) == text


def test_padded_counts_keep_the_place_of_the_unit() -> None:
    assert count_text(156, pad=True) == "156  "
    assert count_text(1560, pad=True) == "1.56 k"


def test_percent_and_plural() -> None:
    assert (percent_text(1, 8), percent_text(0, 0)) == ("12.5 %", "0.0 %")
    assert (plural(1, "spec"), plural(0, "spec"), plural(2, "error")) == ("1 spec", "0 specs", "2 errors")
    assert [plural(2, noun) for noun in ("library", "process", "fix", "batch", "epoch")] == [
        "2 libraries", "2 processes", "2 fixes", "2 batches", "2 epochs",
    ]


@pytest.mark.parametrize("word", ["plain/path-1.yaml", "my run", "it's", 'a "b"', "$HOME", "a;b", "*", "", "`x`", "é"])
def test_a_shell_takes_a_command_as_it_was_meant(word: str) -> None:
    assert shlex.split(shell("archspec", "train", "--resume", word)) == ["archspec", "train", "--resume", word]


def test_a_plain_command_is_shown_plainly() -> None:
    assert shell("archspec", "train", "--resume", Path("runs/lenet-1")) == "archspec train --resume runs/lenet-1"
    assert shell("archspec", "validate", Path("-x.yaml"), "--fix") == "archspec validate ./-x.yaml --fix"


def test_a_shape_and_sizes() -> None:
    assert (shape_text((64, UNKNOWN, 14)), shape_text([10]), shape_text(())) == ("(64, ?, 14)", "(10)", "()")
    assert (sizes_text((3, 3)), sizes_text([7])) == ("3×3", "7")


OWN = {
    "units": r"[KMGT]iB[\"'},)](?=[\s\S]*/ 2\*\*)|/ (?:MiB|GiB)\b",
    "plural": r"""(['"])e?s\1 (?:\*|if) |else (['"])e?s\2""",
    "shape_text": r"""["']\(["'{].*join\(.*["'}]\)["']""",
    "sizes_text": r"""["']×["']\.join""",
}


@pytest.mark.parametrize("what", OWN)
def test_no_other_module_formats_them_itself(what: str) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "archspec").rglob("*.py")}
    assert {name for name, text in texts.items() if re.search(OWN[what], text)} <= {"text.py", "wording.py"}
    assert re.search(OWN[what], EXAMPLES[what])


EXAMPLES = {
    "units": 'f"{value / MiB:.0f} MiB"', "plural": """f"{n} epoch{'s' * (n != 1)}\"""",
    "shape_text": """"(" + ", ".join(map(str, shape)) + ")\"""", "sizes_text": '"×".join(map(str, sizes))',
}
