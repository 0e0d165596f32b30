"""Definitions, uses and new names, over all files that share them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archspec
from archspec.diagnostics.edits import edited
from archspec.lsp.definition import CannotRename, definition, references, rename
from archspec.lsp.project import path_of, unit_of
from archspec.lsp.snapshot import snapshot
from archspec.lsp.text import Spot

from .helpers import PAIR, SPEC, at

DEFINED = {
    # where the cursor is: (text, offset, n-th) → line, column of the definition
    "a var as a value": (("$width", 2, 0), (4, 8)),
    "a var in an expression": (("(2 * width", 7, 0), (4, 8)),
    "a var in a recipe": (("* width)}", 3, 0), (4, 8)),
    "a param": (("$channels", 3, 0), (7, 14)),
    "a param that is a layer": (("$act", 2, 0), (7, 29)),
    "a block": (("[conv:", 2, 0), (6, 3)),
    "a block in a merge": (("main: [conv", 8, 0), (6, 3)),
    "a stage in expect": (("{stem:", 2, 0), (12, 3)),
    "a layer": (("from: first", 7, 0), (14, 40)),
    "itself": (("width: 8", 0, 0), (4, 8)),
    "its end": (("width: 8", 5, 0), (4, 8)),
}


@pytest.mark.parametrize("name", DEFINED)
def test_definition(name: str) -> None:
    (needle, offset, nth), place = DEFINED[name]
    assert [(s.line, s.column) for s in definition(*at(needle, offset, nth=nth))] == [place]


def test_inputs_and_outputs() -> None:
    assert [(s.line, s.column) for s in definition(*at("from: left", 7, PAIR))] == [(2, 9)]
    assert [(s.line, s.column) for s in definition(*at("b: training", 0, PAIR))] == [(5, 3)]
    assert [s.line for s in references(*at("left:", 1, PAIR))] == [2, 4, 4]
    renamed = edited(PAIR, tuple(rename(*at("left:", 1, PAIR), "first")))
    renamed = edited(renamed, tuple(rename(*at("head: always", 1, renamed), "logits")))
    assert "{first: [1" in renamed and "from: first" in renamed and "input.first.width" in renamed
    assert archspec.check(renamed) == archspec.check(PAIR) == ()
    with pytest.raises(CannotRename, match="a stage `a` already exists"):
        rename(*at("left:", 1, PAIR), "a")


def test_a_field_that_names_a_value() -> None:
    """`memory` of attention names a stage or layer as `from` does."""
    text = "archspec: 1\ninput: [6, 8]\nstages:\n  enc: [linear: 8]\n  dec: [multi_head_attention: {num_heads: 2, memory: enc}]\n"
    assert [(s.line, s.column) for s in definition(*at("memory: enc", 9, text))] == [(4, 3)]
    renamed = edited(text, tuple(rename(*at("enc:", 1, text), "encoder")))
    assert "memory: encoder}" in renamed and archspec.check(renamed) == ()


@pytest.mark.parametrize("needle", ["relu", "flatten", "[1, 28", "output: [10]", "archspec"])
def test_what_has_no_definition(needle: str) -> None:
    assert definition(*at(needle, 1)) == []


def test_a_block_of_the_standard_library() -> None:
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {a: [residual: 4]}\n"
    (span,) = definition(*at("residual", 1, text))
    assert Path(span.path).is_file() and Path(span.path).name == "residual.yaml"
    with pytest.raises(CannotRename, match="belongs to the standard library"):
        rename(*at("residual", 1, text), "other")


BASE = """\
archspec: 1
input: [1, 8, 8]
vars: {width: 4, kind: wide}
use: lib.yaml
blocks:
  wide: {linear: $width}
stages:
  a: [shared: 2, flatten, $kind]
  b: {linear: $(width + 1)}
"""
VARIANT = """\
archspec: 1
extends: base.yaml
vars: {width: 8}
stages:
  b: {linear: $width}
expect: {a: [8], b: [8]}
"""
LIBRARY = """\
archspec: 1
vars: {width: 3}
blocks:
  shared:
    params: {channels: int}
    body: [conv2d: {out_channels: $channels, kernel_size: $width, padding: 1}]
"""
OTHER = """\
archspec: 1
input: [1, 8, 8]
vars: {width: 9}
use: lib.yaml
stages: {a: [shared: $width]}
"""
FILES = {"base.yaml": BASE, "variant.yaml": VARIANT, "lib.yaml": LIBRARY, "other.yaml": OTHER}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def renamed(folder: Path, name: str, needle: str, new: str) -> set[str]:
    """Rename in all files; which of them changed. All stay valid, with the same figures."""
    known = {n: snapshot(folder / n, (folder / n).read_text()) for n in FILES}
    before = {n: archspec.load(folder / n).report.to_json() for n in FILES if n != "lib.yaml"}
    text = FILES[name]
    spot = Spot(text[: text.index(needle)].count("\n"), len(text[: text.index(needle)].rpartition("\n")[2]))
    others = [one for n, one in known.items() if n != name and one.files & known[name].files]
    changed = set()
    for path in {path_of(edit.span.path) for edit in rename(known[name], spot, new, others)}:
        edits = [e for e in rename(known[name], spot, new, others) if path_of(e.span.path) == path]
        path.write_text(edited(path.read_text(), edits))
        changed.add(path.name)
    assert all(archspec.check(folder / n) == () for n in before)
    after = {n: archspec.load(folder / n).report.to_json() for n in before}
    for n in before:
        assert after[n]["totals"] == before[n]["totals"]
    return changed


@pytest.mark.parametrize(("name", "needle", "changed"), [
    ("base.yaml", "width: 4", {"base.yaml", "variant.yaml"}),
    ("variant.yaml", "width: 8", {"base.yaml", "variant.yaml"}),
    ("lib.yaml", "width: 3", {"lib.yaml"}),
    ("other.yaml", "width: 9", {"other.yaml"}),
    ("base.yaml", "wide: {", {"base.yaml"}),
    ("lib.yaml", "shared:", {"lib.yaml", "base.yaml", "other.yaml"}),
    ("other.yaml", "shared:", {"lib.yaml", "base.yaml", "other.yaml"}),
    ("lib.yaml", "channels:", {"lib.yaml"}),
    ("variant.yaml", "b: [8]", {"base.yaml", "variant.yaml"}),
    ("base.yaml", "kind: wide", {"base.yaml"}),
])
def test_a_rename_reaches_every_file_that_shares_the_name(
    folder: Path, name: str, needle: str, changed: set[str]
) -> None:
    assert renamed(folder, name, needle, "fresh") == changed
    assert sum(path.read_text().count("fresh") for path in folder.iterdir()) >= 2


SPACE = """\
archspec-sweep: 1
variants: [{spec: base.yaml, set: {vars.width: 5}}, {spec: variant.yaml}]
grid: {vars.width: [1, 2], stages.b: [{linear: 2}]}
where: $(vars.width < 9 and params > 0)
"""


@pytest.mark.parametrize(("needle", "offset", "count"), [
    ("vars.width: 5", 6, 3), ("stages.b", 7, 1), ("vars.width <", 5, 3),
])
def test_a_sweep_names_what_its_specs_define(folder: Path, needle: str, offset: int, count: int) -> None:
    sweep = snapshot(folder / "sweep.yaml", SPACE)
    assert [d.code for d in sweep.diagnostics] == ["SPEC011"]  # the specs have no `train`, and all else is right
    before = SPACE[: SPACE.index(needle) + offset]
    spot = Spot(before.count("\n"), len(before.rpartition("\n")[2]))
    assert {Path(s.path).name for s in definition(sweep, spot)} == {"base.yaml", "variant.yaml"}
    edits = rename(sweep, spot, "fresh")
    own = edited(SPACE, [e for e in edits if path_of(e.span.path) == sweep.path])
    assert own.count("fresh") == count
    texts = {folder / n: edited(FILES[n], [e for e in edits if path_of(e.span.path) == folder / n]) for n in FILES}
    assert snapshot(sweep.path, own, others=texts).specs[0].diagnostics == ()
    for path, text in texts.items():
        path.write_text(text)
    assert [d.code for d in snapshot(sweep.path, own).diagnostics] == ["SPEC011"]


def test_a_rename_in_a_spec_reaches_the_sweeps(folder: Path) -> None:
    sweep, base = snapshot(folder / "sweep.yaml", SPACE), snapshot(folder / "base.yaml", BASE)
    edits = rename(base, Spot(2, 7), "fresh", [sweep])
    assert sum(path_of(e.span.path) == sweep.path for e in edits) == 3
    assert sum(path_of(e.span.path) == folder / "variant.yaml" for e in edits) == 2  # which only the sweep names here


def test_a_shipped_spec_is_not_changed(tmp_path: Path) -> None:
    sweep = snapshot(tmp_path / "sweep.yaml", "archspec-sweep: 1\nspec: lenet\nset: {vars.num_classes: 10}\n")
    (span,) = definition(sweep, Spot(2, 12))
    assert Path(span.path).name == "lenet.yaml"
    with pytest.raises(CannotRename, match="comes with archspec"):
        rename(sweep, Spot(2, 12), "fresh")


ROOT = Path(__file__).parents[2]
FAMILY = {path: path.read_text(encoding="utf-8") for path in [
    *(ROOT / "specs").glob("resnet*.yaml"), ROOT / "specs" / "zoo" / "unet.yaml",
]}


def test_every_name_of_shipped_specs_can_be_changed() -> None:
    """The networks stay the same, also those of files that share the name."""
    known = {path: snapshot(path, text) for path, text in FAMILY.items()}
    totals = {path: one.loaded.report.to_json()["totals"] for path, one in known.items()}
    for path in (ROOT / "specs" / "resnet18.yaml", ROOT / "specs" / "zoo" / "unet.yaml"):
        others = [one for other, one in known.items() if other != path]
        unit = unit_of(known[path])
        for one in [o for o in unit.occurrences if o.defines]:
            span = one.at.span()
            edits = rename(known[path], Spot(span.line - 1, span.column - 1), "fresh", others)
            texts = {p: edited(t, [e for e in edits if path_of(e.span.path) == p]) for p, t in FAMILY.items()}
            for changed in [p for p in FAMILY if texts[p] != FAMILY[p]]:
                again = snapshot(changed, texts[changed], others=texts)
                assert again.diagnostics == () and again.loaded.report.to_json()["totals"] == totals[changed]


def test_a_stage_is_renamed_in_recipes_too() -> None:
    text = """\
archspec: 1
input: [1, 28, 28]
stages:
  body: [flatten, {linear: 8, name: first}, relu]
  head: {linear: 10}
  aux: {linear: 10, from: body}
outputs: {head: always, aux: training}
train: {lr_scale: {body.first: 2}, loss: {head: cross_entropy, aux: {cross_entropy: {weight: 0.3}}}, recompute: body, freeze: [body.first]}
"""
    one = snapshot(Path("spec.yaml"), text)
    for name, line, count in (("body", 3, 5), ("head", 4, 3), ("aux", 5, 3)):
        edits = rename(one, Spot(line, 2), "fresh")
        assert len(edits) == count == len(re.findall(rf"\b{name}\b", text))
        assert edited(text, edits) == re.sub(rf"\b{name}\b", "fresh", text)


def test_a_loss_and_its_fields_name_no_stage() -> None:
    text = "archspec: 1\ninput: [4]\nstages:\n  mse: {linear: 10}\ntrain: {loss: {mse: {weight: 2}}}\n"
    assert edited(text, rename(snapshot(Path("spec.yaml"), text), Spot(3, 2), "fresh")) == text.replace("  mse:", "  fresh:")


def test_references(folder: Path) -> None:
    known = {n: snapshot(folder / n, text) for n, text in FILES.items()}
    spans = references(known["variant.yaml"], Spot(2, 8), [known["base.yaml"], known["other.yaml"]])
    assert [(Path(s.path).name, s.line, s.column) for s in spans] == [
        ("base.yaml", 3, 8), ("base.yaml", 6, 19), ("base.yaml", 9, 17), ("variant.yaml", 3, 8), ("variant.yaml", 5, 16),
    ]


def test_an_open_file_counts_and_not_the_disk(folder: Path) -> None:
    text = BASE.replace("width: 4", "\n  width: 4")
    one = snapshot(folder / "variant.yaml", VARIANT, others={(folder / "base.yaml").resolve(): text})
    assert [s.line for s in definition(one, Spot(2, 8))] == [3, 4]


@pytest.mark.parametrize(("needle", "new", "message"), [
    ("width: 8", "2x", "is not a name"), ("width: 8", "in", "special meaning"), ("width: 8", "double", "already"),
    ("conv:", "relu", "special meaning"), ("conv:", "residual", "already"), ("stem:", "body", "already"),
    ("stem:", "output", "special meaning"), ("stem:", "half", "special meaning"), ("act:", "channels", "already"),
    ("act:", "width", "already"), ("first}", "input", "special meaning"), ("relu", "x", "not on a block, var or stage"),
])
def test_a_name_that_cannot_be_taken(needle: str, new: str, message: str) -> None:
    with pytest.raises(CannotRename, match=message):
        rename(*at(needle, 0), new)


def test_a_broken_text_still_has_names() -> None:
    text = SPEC.replace("head: [flatten, linear: 10]", "head: [flatten, linear: 10")
    assert [(s.line, s.column) for s in definition(*at("$width", 2, text))] == [(4, 8)]


def test_a_quoted_name() -> None:
    text = SPEC.replace("width: 8", '"width": 8')
    edits = rename(*at("$width", 2, text), "w")
    assert archspec.check(edited(text, edits)) == () and '"w": 8' in edited(text, edits)
