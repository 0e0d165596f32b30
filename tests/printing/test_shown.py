"""Results as plain text and as HTML for a notebook."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import archspec
from archspec.language.shipped import shipped_specs
from archspec.printing.html import STYLE
from archspec.printing.plain import UNLIMITED, plain_text
from archspec.printing.shown import Shown
from archspec.results.compare import compare
from archspec.results.record import RunRecord
from archspec.train.summary import EpochResult
from tests.cli.conftest import Cli, cli, python  # noqa: F401 (a fixture)

TAGS = {"div", "style", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "pre", "span", "img"}
HOSTILE = "<script>alert(1)</script>&\"'<img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Tags, attributes and text of a piece of HTML; the tags must be balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th", "pre"):
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def words(text: str) -> list[str]:
    """The words, without the lines of tables."""
    return re.sub(r"[─\s]+", " ", text).split()


def check(shown: object) -> Page:
    """The HTML has only tags without effect, and every word of the text."""
    html, text = shown._repr_html_(), str(shown)  # type: ignore[attr-defined]
    whole = plain_text(shown.show, UNLIMITED) if isinstance(shown, Shown) else text  # nothing is cut at 80 columns
    page = Page(html)
    assert page.tags <= TAGS and page.attributes <= {"class", "alt", "src"} and html.count("<style>") == 1
    assert sorted(words(page.text)) == sorted(words(whole))
    assert all(line == line.rstrip() for line in text.split("\n"))
    return page


def record(**changes: object) -> RunRecord:
    epochs = tuple(EpochResult(k, 2 / k, 0.5 + k / 50, 2.1 / k, 0.5 + k / 60, 1000.0, 1.5) for k in range(1, 16))
    given = {"path": Path("runs/one"), "network": "lenet", "status": "finished", "started": "", "seed": 3, "digest": "x",
             "settings": {"train.epochs": 15, "train.lr": 0.1}, "epochs": epochs, "criterion": "accuracy", "test": {"loss": 0.14, "accuracy": 0.75},
             "findings": (), "params": 1, "macs": 1, "device": "cpu", "environment": {}}
    return RunRecord(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*shipped_specs()][::2])
def test_a_report_is_within_80_columns_and_small(name: str) -> None:
    report = archspec.load(name).report
    text = str(report)
    assert max(map(len, text.split("\n"))) <= 80 and len(report._repr_html_()) < 16_000 and len(repr(report)) < 120
    check(report)


@pytest.mark.parametrize("name", ["lenet", "resnet152", "zoo/siamese", "zoo/googlenet_aux"])
def test_a_report_prints_what_the_command_line_prints(name: str, cli: Cli) -> None:  # noqa: F811
    assert words(str(archspec.analyze(name, batch_size=3))) == words(cli("profile", name, "--static", "--batch-size", "3").out)
    assert str(archspec.load(name)) == str(archspec.analyze(name))


def test_mistakes_print_as_validate_prints_them(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    path = tmp_path / "bad.yaml"
    path.write_text("archspec: 1\ninput: [1, 8, 8]\nstages: {a: relux, b: {linear: x}}\n", encoding="utf-8")
    found = archspec.check(path)
    assert isinstance(found, tuple) and len(found) == 2 and found[0].code == "SPEC020"
    result = cli("validate", path)
    assert str(found) == result.err.rstrip("\n") + "\n\n2 errors" and "2 errors in 1 of 1 spec" in result.out
    page = check(found)
    assert "    |" not in page.text and "^^^^^" in page.text
    assert archspec.check("lenet") == () and str(archspec.check("lenet")) == "valid" and not archspec.check("lenet")


def test_what_comes_from_files_is_escaped() -> None:
    text = f"archspec: 1\ndescription: |\n  {HOSTILE}\ninput: [1, 8, 8]\nstages: {{a: relu}}\n"
    assert HOSTILE.split(maxsplit=1)[0] in check(archspec.load(text).report).text
    assert "<script>" in check(archspec.check(f"archspec: 1\ninput: [1, 8, 8]\nstages: {{a: 'x{HOSTILE.replace(chr(39), '')}'}}\n")).text
    found = check(record(network=HOSTILE, reason="\x1b[31m" + HOSTILE))
    assert "script" not in found.tags and "\x1b" not in found.text and "\x1b" not in str(record(reason="\x1b[31m"))
    check(replace(archspec.diff("lenet", "lenet"), after="\x1b" + HOSTILE))


@pytest.mark.parametrize("name", ["[/x]", "[bold]net", ":smile:"])
def test_a_name_is_neither_markup_nor_emoji(name: str) -> None:
    found = compare([record(network="net"), record(network=name, digest="other", settings={"train.lr": name})])
    assert name in str(found) and name in check(found).text


def test_a_run_has_its_last_epochs_the_best_and_curves() -> None:
    run = record()
    page = check(run)
    assert "img" in page.tags and run._repr_html_().count("data:image/svg+xml;base64,") == 1
    assert [line.split()[0] for line in str(run).split("\n") if re.match(r" *\d+ ", line)] == [str(k) for k in range(4, 16)]
    assert "test: loss 0.1400, accuracy 0.7500" in str(run) and str(run).startswith("lenet: finished, 15 of 15 epochs, seed 3\n")
    early = record(epochs=(replace(run.epochs[0], evaluated_accuracy=0.99), *run.epochs[1:]))
    assert str(early).split("\n")[4].split()[0] == "1"  # the best one stays
    assert "img" not in check(record(epochs=run.epochs[:1])).tags and "unfinished: 0 of 15 epochs" in str(record(epochs=(), status="unfinished"))


def test_a_comparison_prints_its_table() -> None:
    runs = [record(digest=name, settings={"train.lr": lr}, test={"loss": 1 - lr, "accuracy": lr}) for name, lr in (("a", 0.1), ("b", 0.5))]
    found = compare(runs, "test_accuracy")
    assert "best by test acc: lr 0.5: 0.5000 (1 seed)" in str(found)
    check(found)
    assert str(compare([], "test_accuracy")) == "no trial has a result yet"


def test_ipython_prints_the_text() -> None:
    seen: list[str] = []

    class Printer:
        text = staticmethod(seen.append)

    for shown in (archspec.analyze("lenet"), archspec.check("lenet"), archspec.diff("lenet", "lenet")):
        shown._repr_pretty_(Printer(), False)
        assert seen.pop() == str(shown)


def test_rich_is_imported_only_to_show() -> None:
    done = python("import sys, archspec; r = archspec.analyze('lenet'); c = archspec.check('lenet'); str(c); assert not {'rich', 'torch'} & sys.modules.keys(); "
                  "str(r); r._repr_html_(); assert 'rich' in sys.modules and 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_colours_suit_a_light_and_a_dark_page() -> None:
    """Contrast of at least 3:1 (WCAG, for what is not the text itself) with white and with a dark page."""
    colours = re.findall(r"color:#([0-9a-f]{6})", STYLE)
    assert len(colours) == 4 and "background:#" not in STYLE
    for colour in colours:
        for page in ("ffffff", "1e1e1e"):
            light, dark = sorted((_luminance(colour), _luminance(page)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 3, (colour, page)


def _luminance(colour: str) -> float:
    parts = [int(colour[k:k + 2], 16) / 255 for k in (0, 2, 4)]
    return sum(w * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for w, p in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def test_the_names_of_the_largest_ops_are_whole_in_80_columns():
    """They differ at their ends, so a long one goes on in the next line."""
    text = str(archspec.load("zoo/swin_t").report)
    assert max(map(len, text.splitlines())) <= 80
    most = text[text.index("most "):]
    assert "…" not in most and most.count("\n") > 4
