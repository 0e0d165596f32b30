"""`archspec explain`, `init`, `schema` and `completion`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import archspec as package
from archspec.diagnostics.codes import CODES, parse
from archspec.language.schema import json_schema
from archspec.ops import OPS
from archspec.sweep.schema import sweep_schema

from .conftest import Cli, archspec

# -- explain -------------------------------------------------------------------------------------------------


def test_explain_lists_every_code(cli: Cli) -> None:
    out = cli("explain").out
    assert re.findall(r"^  ([A-Z]+\d+) ", out, re.MULTILINE) == sorted(
        CODES, key=lambda code: (["SPEC", "SHAPE", "BUILD", "RUN", "SWEEP"].index(code.rstrip("0123456789")), code)
    )
    assert f"{len(CODES)} codes" in out


@pytest.mark.parametrize("code", CODES)
def test_explain_shows_meaning_and_both_examples(cli: Cli, code: str) -> None:
    explanation = CODES[code]
    out = cli("explain", code.lower()).out
    assert out.startswith(f"{code}: {explanation.title}\n")
    words = " ".join(out.split())
    for text in (explanation.meaning, explanation.wrong.text, explanation.right.text):
        assert " ".join(text.split()) in words.replace(" $ ", " ")


def test_explain_an_unknown_code(cli: Cli) -> None:
    done = cli("explain", "SHAPE11")
    assert (done.code, done.out) == (2, "")
    assert "similar names: SHAPE101, SHAPE110, SHAPE111, SHAPE112" in done.err


@pytest.mark.parametrize(
    ("code", "meant"), [("101", "codes: SHAPE101"), ("nosuch", "`archspec explain` lists them"), ("999", "`archspec explain` lists them")]
)
def test_what_may_be_meant_by_an_unknown_code(cli: Cli, code: str, meant: str) -> None:
    assert f"no diagnostic has the code '{code}'; {meant}\n" in cli("explain", code).err


@pytest.mark.parametrize(("file", "meant"), [("net", "net.yaml"), ("net.txt", "net.yaml"), ("net.v2", "net.v2.yaml")])
def test_init_names_the_file_that_may_be_meant(cli: Cli, folder: Path, file: str, meant: str) -> None:
    done = cli("init", file)
    assert done.code == 2 and f"{file!r} does not end in .yaml; write {meant}\n" in done.err
    assert cli("init", meant).code == 0


def test_explain_json(cli: Cli) -> None:
    assert [entry["code"] for entry in json.loads(cli("explain", "--json").out)["codes"]] == list(CODES)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("# t\n\nm\n\n## Wrong\n\n```yaml\na\n```\n", id="no-right"),
        pytest.param("# t\n\nm\n\n## Wrong\n\nx\n\n## Right\n\ny\n", id="no-block"),
    ],
)
def test_an_explanation_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SPEC999"):
        parse("SPEC999", text)


# -- init ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["digits", "fashion-mnist", "mnist"])
def test_init_writes_a_spec_that_is_valid_and_can_be_trained(cli: Cli, tmp_path: Path, data: str) -> None:
    path = tmp_path / "net.yaml"
    done = cli("init", path, "--data", data)
    assert (done.code, done.err) == (0, "")
    loaded = package.load(path)
    assert (loaded.name, loaded.report.output_shape) == ("net", (10,))
    assert loaded.recipe().data == data
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")
    assert cli("validate", tmp_path).out == "1 spec valid\n"


def test_each_next_step_that_init_names_is_a_command(cli: Cli, tmp_path: Path) -> None:
    steps = re.findall(r"^  archspec (\w+)", cli("init", tmp_path / "net.yaml").out, re.MULTILINE)
    assert steps == ["validate", "profile", "train"]


def test_each_next_step_works_whatever_the_name_of_the_file(cli: Cli, folder: Path) -> None:
    for name in ("-x.yaml", "a b.yaml", "it's.yaml"):
        done = cli("init", "--", name)
        steps = [shlex.split(line)[1:] for line in done.out.splitlines()[1:]]
        assert cli(*steps[0]).code == 0 and cli(*steps[1]).code == 0
    message = cli("init", "--", "-y").err
    assert cli("init", *shlex.split(re.search("write (.*)", message)[1])).code == 0


def test_init_s_spec_can_be_widened(tmp_path: Path, cli: Cli) -> None:
    cli("init", tmp_path / "net.yaml")
    assert package.load(tmp_path / "net.yaml", sets=["vars.width=32"]).report.shapes["body"] == (64, 7, 7)


def test_init_does_not_overwrite(cli: Cli, folder: Path) -> None:
    before = (folder / "bad.yaml").read_bytes()
    done = cli("init", "bad.yaml")
    assert (done.code, done.out) == (1, "")
    assert "already exists" in done.err
    assert (folder / "bad.yaml").read_bytes() == before


def test_init_wants_a_yaml_file_in_a_folder_that_is_there(cli: Cli, folder: Path) -> None:
    assert cli("init", "net.txt").code == 2
    assert cli("init", "nowhere/net.yaml").err.startswith("error: no such file or directory: nowhere")
    assert not (folder / "net.txt").exists()


# -- schema --------------------------------------------------------------------------------------------------


def test_schema_prints_the_schema(cli: Cli) -> None:
    assert json.loads(cli("schema").out) == json.loads(json.dumps(json_schema()))
    assert json.loads(cli("schema", "--sweep").out) == json.loads(json.dumps(sweep_schema()))


# -- completion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_ARCHSPEC_COMPLETE={shell}_complete" in done.out


def completed(*words: str) -> list[str]:
    done = archspec(
        _ARCHSPEC_COMPLETE="bash_complete", COMP_WORDS=" ".join(("archspec", *words)), COMP_CWORD=str(len(words)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line.startswith("plain,")]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["val"], ["validate"]),
        (["validate", "resnet1"], ["resnet152", "resnet18", "resnet18_96"]),
        (["profile", "zoo/un"], ["zoo/unet"]),
        (["explain", "shape10"], [code for code in sorted(CODES) if code.startswith("SHAPE10")]),
        (["list", "ops", "conv"], sorted(name for name in OPS if name.startswith("conv"))),
        (["list", "blocks", "in"], ["inception"]),
        (["profile", "lenet", "--bat"], ["--batch-size"]),
    ],
    ids=" ".join,
)
def test_completion(words: list[str], found: list[str]) -> None:
    assert sorted(completed(*words)) == found
