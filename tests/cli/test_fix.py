"""`validate --fix`, `--diff`, `--output-format`, and standard input."""

from __future__ import annotations

import io
import json
import os
import stat
from pathlib import Path

import pytest

from archspec.cli import fixing, run
from archspec.diagnostics.codes import CODES

from .conftest import BAD, GOOD, Cli

TYPO = GOOD.replace("conv2d:", "conv2:").replace("out_channels", "out_chanels")
UNSAFE = GOOD.replace("[flatten, linear: 10]", "[flatten, relu: 3, linear: 10]")


def put(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_safe_fixes_are_made_until_none_is_left(cli: Cli, folder: Path) -> None:
    spec = put(folder / "typo.yaml", TYPO)  # that the field is wrong shows when the op is known
    done = cli("validate", "typo.yaml", "--fix")
    assert (done.code, done.out, done.err) == (0, "1 spec valid\n2 fixes in 1 file made\n", "")
    assert spec.read_text() == GOOD
    assert cli("validate", "typo.yaml", "--fix").out == "1 spec valid\n"


def test_unsafe_fixes_are_made_on_demand(cli: Cli, folder: Path) -> None:
    spec = put(folder / "unsafe.yaml", UNSAFE)
    done = cli("validate", "unsafe.yaml", "--fix")
    assert (done.code, done.out) == (1, "1 error in 1 of 1 spec\navailable: 1 fix with `--unsafe-fixes`\n")
    assert spec.read_text() == UNSAFE
    assert cli("validate", "unsafe.yaml", "--fix", "--unsafe-fixes").code == 0
    assert spec.read_text() == UNSAFE.replace("relu: 3", "relu")


def test_what_cannot_be_fixed_remains_and_is_told(cli: Cli, folder: Path) -> None:
    put(folder / "both.yaml", BAD.replace("conv2d", "conv2"))
    done = cli("validate", "both.yaml", "--fix")
    assert (done.code, done.out) == (1, "1 error in 1 of 1 spec\n1 fix in 1 file made\n")
    assert "error[SPEC012]" in done.err
    assert "error[SPEC020]" not in done.err
    assert (folder / "both.yaml").read_text() == BAD


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_keeps_its_line_ends_its_mark_its_comments_and_its_mode(
    cli: Cli, folder: Path, newline: str, mark: str
) -> None:
    text = mark + ("# über allem\n" + TYPO.replace("conv2:", "  conv2:") + "# the end").replace("\n", newline)
    spec = put(folder / "typo.yaml", text)
    spec.chmod(0o640)
    assert cli("validate", "typo.yaml", "--fix").code == 0
    assert spec.read_bytes() == text.replace("conv2", "conv2d").replace("chanels", "channels").encode()
    assert stat.S_IMODE(spec.stat().st_mode) == 0o640
    assert sorted(os.listdir(folder)) == ["bad.yaml", "good.yaml", "typo.yaml"]


def test_a_diff_shows_and_writes_nothing(cli: Cli, folder: Path) -> None:
    spec = put(folder / "typo.yaml", TYPO)
    done = cli("validate", ".", "--diff")
    assert spec.read_text() == TYPO
    assert done.code == 1
    assert done.out.splitlines()[:2] == ["--- typo.yaml", "+++ typo.yaml"]
    assert [row for row in done.out.splitlines() if row[:1] in "+-"][2:] == [
        "-  conv: {conv2: {out_chanels: 4, kernel_size: 3}}", "+  conv: {conv2d: {out_channels: 4, kernel_size: 3}}",
    ]
    assert done.err.endswith("2 fixes in 1 file not written\n")
    assert cli("validate", "good.yaml", "--diff").code == 0
    assert cli("validate", "typo.yaml", "--fix", "--diff").code == 1
    assert spec.read_text() == TYPO


def test_only_files_that_are_named_are_written(cli: Cli, folder: Path) -> None:
    library = put(folder / "lib.yaml", "archspec: 1\nblocks:\n  wide: {params: {n: int}, body: [liner: $n]}\n")
    put(folder / "user.yaml", GOOD.replace("archspec: 1", "archspec: 1\nuse: lib.yaml").replace("linear: 10", "wide: 10"))
    before = library.read_text()
    assert cli("validate", "user.yaml", "--fix").code == 1
    assert library.read_text() == before
    assert cli("validate", "user.yaml", "./lib.yaml", "--fix").code == 0  # one fix, though both files show the mistake
    assert library.read_text() == before.replace("liner", "linear")


def test_a_link_is_not_written_to(cli: Cli, folder: Path) -> None:
    target = put(folder / "target.txt", TYPO)
    (folder / "link.yaml").symlink_to(target)
    done = cli("validate", "link.yaml", "--fix")
    assert done.code == 1
    assert "link.yaml is a link: fixes are not written to it" in done.err
    assert target.read_text() == TYPO
    assert (folder / "link.yaml").is_symlink()


def test_a_file_that_changed_meanwhile_is_left_alone(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = put(folder / "typo.yaml", TYPO)
    passes = fixing.Fixer.passes

    def and_edited(*arguments: object) -> None:
        passes(*arguments)  # type: ignore[arg-type]
        put(spec, TYPO + "# edited\n")

    monkeypatch.setattr(fixing.Fixer, "passes", and_edited)
    done = cli("validate", "typo.yaml", "--fix")
    assert (done.code, done.out) == (1, "1 error\n")  # nothing was made, and no spec is wrong
    assert "typo.yaml cannot be written: " in done.err
    assert spec.read_text() == TYPO + "# edited\n"


def test_of_two_files_one_of_which_cannot_be_written_the_other_counts(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.yaml", "two.yaml"):
        put(folder / name, TYPO)

    def replace(path: Path, content: bytes) -> None:
        if path.name == "one.yaml":
            raise OSError(30, "Read-only file system")
        path.write_bytes(content)

    monkeypatch.setattr(fixing, "replace_content", replace)
    done = cli("validate", "one.yaml", "two.yaml", "--fix")
    assert (done.code, done.out) == (1, "1 error\n2 fixes in 1 file made\n")
    put(folder / "two.yaml", TYPO)
    found = json.loads(cli("validate", "one.yaml", "two.yaml", "--fix", "--json").out)
    assert found["fixed"] == {"two.yaml": 2}
    assert [d["message"] for d in found["failed"]] == ["one.yaml cannot be written: read-only file system"]


def test_a_sweep_file_is_fixed(cli: Cli, folder: Path) -> None:
    sweep = put(folder / "s.yaml", "archspec-sweep: 1\nspec: lenet_relu\ngird: {train.lr: [0.1, 0.2]}\n")
    assert cli("validate", "s.yaml", "--fix").code == 0
    assert "\ngrid:" in sweep.read_text()


@pytest.mark.parametrize(("wrong", "right"), [
    ("spec: lenet_relu\nserach: {trails: 3, spaces: {train.lr: {log_uniform: [0.01, 0.1]}}, sampler: randm}",
     "spec: lenet_relu\nsearch: {trials: 3, space: {train.lr: {log_uniform: [0.01, 0.1]}}, sampler: random}"),
    ("variants: [{spce: lenet_relu}]\ngrid: {train.lr: [0.1, 0.1, 0.2]}", "variants: [{spec: lenet_relu}]\ngrid: {train.lr: [0.1, 0.2]}"),
    ("spec: lenet\ngrid: {vars.num_clases: [10, 11]}", "spec: lenet\ngrid: {vars.num_classes: [10, 11]}"),
    ("spec: lenet_relu\ngrid: {train.learning_rate: [0.1]}", None),
], ids=["search", "variants", "var", "another-name"])  # fmt: skip
def test_mistakes_of_sweeps(cli: Cli, folder: Path, wrong: str, right: str | None) -> None:
    sweep = put(folder / "s.yaml", f"archspec-sweep: 1\n{wrong}\n")
    cli("validate", "s.yaml", "--fix", "--unsafe-fixes")
    assert sweep.read_text() == f"archspec-sweep: 1\n{right or wrong}\n"


def test_several_files_are_fixed_in_one_run(cli: Cli, folder: Path) -> None:
    for name in ("a", "b", "c"):
        put(folder / f"{name}.yaml", TYPO)
    (folder / "bad.yaml").unlink()
    assert cli("validate", ".", "--fix").out == "4 specs valid\n6 fixes in 3 files made\n"


class Pipe:
    """Standard input that holds these bytes."""

    def __init__(self, text: str) -> None:
        self.buffer = io.BytesIO(text.encode())


@pytest.mark.parametrize("text", [TYPO, TYPO.replace("\n", "\r\n")], ids=["lf", "crlf"])
def test_standard_input_is_checked_and_its_fixed_text_is_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], text: str
) -> None:
    monkeypatch.setattr("sys.stdin", Pipe(text))
    assert run(["validate", "-", "--fix"]) == 0
    printed = capsysbinary.readouterr()
    assert printed.out.decode() == text.replace("conv2", "conv2d").replace("chanels", "channels")
    assert printed.err.decode() == "1 spec valid\n2 fixes in 1 file made\n"


def test_standard_input_without_fixes(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Pipe(BAD))
    done = cli("validate", "-")
    assert (done.code, done.out) == (1, "1 error in 1 of 1 spec\n")
    assert "--> -:5:27" in done.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["-", "good.yaml"], "- cannot be combined"), (["good.yaml", "--unsafe-fixes"], "--unsafe-fixes needs"),
        (["good.yaml", "--fix", "--set", "vars.n=1"], "--set cannot be combined with --fix"),
        (["good.yaml", "--output-format", "xml"], "xml"),
    ],
    ids=["two-inputs", "unsafe-alone", "set", "format"],
)
def test_options_that_do_not_go_together(cli: Cli, folder: Path, arguments: list[str], part: str) -> None:
    done = cli("validate", *arguments)
    assert done.code == 2
    assert part in done.err


@pytest.mark.parametrize("fixes", [[], ["--fix"]], ids=["plain", "fix"])
def test_every_format_has_the_same_mistakes(cli: Cli, folder: Path, fixes: list[str]) -> None:
    data = json.loads(cli("validate", "bad.yaml", "--output-format", "json", *fixes).out)
    assert [d["code"] for d in data["specs"][0]["diagnostics"]] == ["SPEC012"]
    assert cli("validate", "bad.yaml", "--json", *fixes).out == json.dumps(data, indent=2) + "\n"
    log = json.loads(cli("validate", "bad.yaml", "--output-format", "sarif", *fixes).out)
    assert [r["ruleId"] for r in log["runs"][0]["results"]] == ["SPEC012"]
    done = cli("validate", "bad.yaml", "--output-format", "github", *fixes)
    assert done.out.startswith("::error title=archspec (SPEC012),file=bad.yaml,line=5,col=27,endLine=5,endColumn=30::")
    assert (done.code, done.err) == (1, "")
    assert ("fixed" in data) == bool(fixes)


@pytest.mark.parametrize("code", [
    code for code, page in CODES.items()
    if page.wrong.kind == "yaml" and code.startswith(("SPEC", "SHAPE", "SWEEP40")) and code not in ("SWEEP405", "SWEEP409")
])
def test_the_fixes_of_every_page_are_made(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What a wrong example's fix is about is gone, and nothing else is wrong."""
    monkeypatch.chdir(tmp_path)
    page = CODES[code].wrong
    for name, text in {**page.files, "example.yaml": page.text}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def found(*options: str) -> list[dict[str, object]]:
        data = json.loads(cli("validate", "example.yaml", "--json", *options).out)
        return [d for group in ("specs", "libraries", "sweeps") for one in data[group] for d in (*one["diagnostics"], *one["warnings"])]

    before = found()
    own = [d for d in before if d["fix"] and all(e["span"]["path"] == "example.yaml" for e in d["fix"]["edits"])]  # type: ignore[index]
    after = found("--fix", "--unsafe-fixes")
    assert len(after) == len(before) - len(own)
    assert ((tmp_path / "example.yaml").read_text(encoding="utf-8") == page.text) == (own == [])


def test_fixes_that_are_left_to_people_are_said(cli: Cli, folder: Path) -> None:
    """A fix inside a block that is called twice is not made for the shapes of one call."""
    (folder / "net.yaml").write_text(
        "archspec: 1\ninput: [4, 8, 8]\n"
        "blocks: {res: {params: {c: int}, body: [add: {main: [conv2d: {out_channels: $c, kernel_size: 1}], skip: []}]}}\n"
        "stages: {a: [res: 4, res: 8]}\n"
    )
    done = cli("validate", "net.yaml", "--fix", "--unsafe-fixes")
    assert done.out == (
        "1 error in 1 of 1 spec\n"
        "not made: 1 fix that would leave as many mistakes, or change a block for its other calls too\n"
    )


def test_files_whose_names_look_alike_are_left_alone(cli: Cli, folder: Path) -> None:
    """Each fix would be applied to the text of the other, too."""
    texts = {"a\x01.yaml": "# one line more\n" + TYPO, "a\x02.yaml": GOOD.replace("flatten", "flaten")}
    for name, text in texts.items():
        put(folder / name, text)
    (folder / "bad.yaml").unlink()
    assert cli("validate", ".", "--fix").code == 1
    assert {name: (folder / name).read_text() for name in texts} == texts
    assert cli("validate", "a\x01.yaml", "--fix").code == 0
    assert (folder / "a\x01.yaml").read_text() == "# one line more\n" + GOOD
