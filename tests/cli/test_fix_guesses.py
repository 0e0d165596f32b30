"""`--fix` does not guess: equally similar names, blocks with several calls, and `expect` of a changed network."""

from __future__ import annotations

from pathlib import Path

import pytest

import archspec
from archspec.cli import fixing
from archspec.cli.block_calls import calls_of_blocks
from archspec.diagnostics import nearest

from .conftest import ROOT, Cli

UNET = (ROOT / "specs" / "zoo" / "unet.yaml").read_text(encoding="utf-8")
HEAD = "archspec: 1\ninput: [3, 8, 8]\n"
NAMES = "stages: {enc1: relu, enc2: relu, enc3: relu, a: {add: {x: [], y: {from: encl}}}}\n"
PARTS = ("stages: {conv1: {conv2d: {out_channels: 2, kernel_size: 3}}, conv2: {conv2d: {out_channels: 2, kernel_size: 3}}, "
         "head: [flatten, linear: 10]}\ntrain: {data: cifar10, lr: 0.1, freeze: [conv1, conv3]}\n")


@pytest.mark.parametrize(("name", "rivals", "sure"), [
    ("encl", ("enc1", "enc2", "enc3"), False), ("enc9", ("enc1", "enc2", "enc3"), False), ("haed", (), True),
    ("head2", (), False), ("TAIL", ("Tail", "tail"), False), ("head", (), True),
])
def test_the_rivals_of_a_similar_name(name: str, rivals: tuple[str, ...], sure: bool) -> None:
    found = nearest(name, ["enc3", "enc1", "enc2", "head", "Tail", "tail"])
    assert found is not None
    assert (found.rivals, found.sure) == (rivals, sure)


@pytest.mark.parametrize(("text", "hint"), [
    (NAMES, "similar names: `enc1`, `enc2`, `enc3`"), (PARTS, "a similar name exists: `conv2`"),
    ("stages: {enc1: relu, enc2: relu}\noutputs: [encl]\n", "similar names: `enc1`, `enc2`"),
    ("stages: {enc1: relu, enc2: relu}\noutputs: [enc1, enc3]\n", "a similar name exists: `enc2`"),
    ("vars: {width1: 1, width2: 2}\nstages: {a: [flatten, linear: $(width1 + width2 + width3)]}\n", "similar names: `width1`, `width2`"),
    ("blocks: {b: {params: {wide1: int, wide2: int}, body: [linear: $(wide1 + wide2)]}}\nstages: {a: {b: {wide3: 1, wide1: 2}}}\n", "a similar name exists: `wide2`"),
], ids=["from", "freeze", "outputs", "listed-output", "expression", "param"])
def test_a_guess_is_not_a_safe_fix(cli: Cli, folder: Path, text: str, hint: str) -> None:
    spec = folder / "guess.yaml"
    spec.write_text(HEAD + text)
    done = cli("validate", "guess.yaml", "--fix")
    assert (done.code, spec.read_text()) == (1, HEAD + text)
    assert f"hint: {hint}\n" in done.err


@pytest.mark.parametrize(("right", "wrong"), [
    ("from: enc1}", "from: encl}"), ("from: enc1}", "from: enc3}"), ("size: 2, stride: 2}", "size: 2, stride: 4}"),
], ids=["name", "level", "stride"])
def test_unsafe_fixes_leave_a_shared_block_and_expect(cli: Cli, folder: Path, right: str, wrong: str) -> None:
    """The block `up` has four calls: an edit for one of them would be an edit of all."""
    text = UNET.replace(right, wrong)
    (folder / "net.yaml").write_text(text)
    done = cli("validate", "net.yaml", "--fix", "--unsafe-fixes")
    assert (done.code, (folder / "net.yaml").read_text()) == (1, text)
    assert "1 error in 1 of 1 spec" in done.out


def test_expect_is_not_rewritten_after_another_fix(cli: Cli, folder: Path) -> None:
    text = HEAD + "stages: {a: [flatten, linear: {out_features: 4}]}\nexpect: {a: [5]}\n"
    (folder / "net.yaml").write_text(text.replace("flatten", "flaten"))
    assert cli("validate", "net.yaml", "--fix", "--unsafe-fixes").code == 1
    assert (folder / "net.yaml").read_text() == text
    assert cli("validate", "net.yaml", "--fix", "--unsafe-fixes").code == 0  # nothing else is left to change
    assert (folder / "net.yaml").read_text() == text.replace("[5]", "[4]")


def test_a_round_without_progress_is_taken_back(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "stages: {a: [flatten, relu: 3]}\n"
    (folder / "net.yaml").write_text(text)
    monkeypatch.setattr(fixing, "_weight", lambda found: (1, 0))
    assert cli("validate", "net.yaml", "--fix", "--unsafe-fixes").code == 1
    assert (folder / "net.yaml").read_text() == text


def test_calls_of_blocks() -> None:
    calls = calls_of_blocks(UNET)
    assert calls.calls == {"double_conv": 2, "up": 2}  # two or more
    once = calls_of_blocks("archspec: 1\nblocks:\n  one: [two: 1]\n  two: [relu]\nstages: {a: one, b: [{two: , repeat: 3}]}\n")
    assert once.calls == {"one": 1, "two": 2}
    assert [once.shared(line) for line in (2, 3, 4, 5)] == [False, False, True, False]


@pytest.mark.parametrize("name", ["lenet_relu", "textcnn"])
def test_the_hint_at_a_shipped_base_works(cli: Cli, folder: Path, name: str) -> None:
    (folder / "mine.yaml").write_text(f"archspec: 1\nextends: {name}.yaml\n")
    (found,) = archspec.check("mine.yaml")
    assert found.hint is not None
    command, target = found.hint.split("`")[1].split(" > ")
    (folder / target).write_text(cli(*command.split()[1:]).out)
    assert archspec.check("mine.yaml") == ()


def test_a_similar_file_comes_before_a_shipped_name(folder: Path) -> None:
    (folder / "textcnn.yaml").write_text(HEAD)
    with pytest.raises(archspec.SpecError, match=r"a similar name exists: `textcnn\.yaml`"):
        archspec.build("txtcnn.yaml")


def test_one_misspelt_key_of_an_input_is_one_mistake() -> None:
    text = "archspec: 1\ninput: {t: {shape: [8], dtype: int64, belw: 9}}\nstages: {a: {embedding: 4}}\n"
    assert [d.code for d in archspec.check(text)] == ["SPEC010"]
    assert [d.code for d in archspec.check(text.replace("shape", "shpe").replace("belw", "below"))] == ["SPEC010"]


@pytest.mark.parametrize("op", ["sub", "div", "add", "mul"])
def test_vectors_that_disagree_have_a_hint_that_works(op: str) -> None:
    a, b = ("a", "b") if op in ("sub", "div") else ("x", "y")
    text = HEAD + f"stages: {{h: [flatten, {{{op}: {{{a}: {{linear: 128}}, {b}: {{linear: 64}}}}}}]}}\n"
    (found,) = archspec.check(text)
    assert found.hint == f"end `{b}` with `linear: 128`"
    assert found.fix is not None
    from archspec.diagnostics.edits import edited

    assert archspec.check(edited(text, found.fix.edits)) == ()
