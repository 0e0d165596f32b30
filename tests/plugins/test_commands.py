"""Plugins on the command line (`--plugin`), in the editor, in a run folder and in pytest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec import plugins
from archspec.cli import run
from archspec.data.registry import DATASETS
from archspec.language.loss import LOSSES
from archspec.ops import OPS
from tests.plugins.helpers import DOORS, STRIPES, forgotten, install, op_module, spec


def test_a_file_may_be_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_ops.py").write_text("print('hello')\n" + op_module("my_op"), encoding="utf-8")
    (folder / "net.yaml").write_text(spec("my_op"), encoding="utf-8")
    assert run(["validate", "net.yaml", "--json", "--plugin", "./my_ops.py"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)  # what a plugin prints does not mix with the results
    assert err == "hello\n"
    assert plugins.named_options() == [f"--plugin={folder / 'my_ops.py'}"]


@pytest.mark.parametrize(
    ("argument", "text", "reason"),
    [
        ("no_such_module", "", "names the module `no_such_module`, which does not exist"),
        ("my_ops", "", "to load the file, write `--plugin ./my_ops.py`"),
        ("./no.py", "", "raises FileNotFoundError"),
        ("./my_ops.py", "x = 1", "registers no op, data set or loss"),
        ("./my_ops.py", "1 / 0", "raises ZeroDivisionError: division by zero (my_ops.py, line 1)"),
        ("./my_ops.py", op_module("relu"), "the op `relu` is built into archspec"),
        ("my ops", "", "is not the name of a module"),
        ("./json.py", "", "another module `json` is loaded already"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], argument: str, text: str, reason: str
) -> None:
    (folder / "my_ops.py").write_text(text, encoding="utf-8")
    assert run(["validate", "lenet", "--plugin", argument]) == 1
    err = capsys.readouterr().err
    assert "error[SPEC028]" in err
    assert reason in " ".join(err.split())


def test_an_exception_in_a_plugin_s_code_is_not_archspec_s(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my_ops.py").write_text(op_module("my_op").replace("return (x,)", "return x.shape[9]"), encoding="utf-8")
    (folder / "net.yaml").write_text(spec("my_op"), encoding="utf-8")
    assert run(["validate", "net.yaml", "--plugin", "./my_ops.py"]) == 70
    assert f"this is a bug in the plugin {folder / 'my_ops.py'}, not in your spec" in capsys.readouterr().err


def test_the_named_plugin_comes_before_an_installed_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(folder, "one", "1", {"one_ops": op_module("same_op")}, ops="x = one_ops:SameOp")
    (folder / "mine.py").write_text(op_module("same_op"), encoding="utf-8")
    (folder / "net.yaml").write_text(spec("same_op"), encoding="utf-8")
    assert run(["validate", "net.yaml", "--plugin", "./mine.py"]) == 0
    assert OPS["same_op"].__module__ == "mine"


def test_the_schema_and_the_list_know_plugins(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert "op.gated_channels" in schema["definitions"]
    assert "focal" in json.dumps(schema)
    assert run(["list", "gated_channels"]) == 0
    assert "of the plugin archspec-example 1.2.0" in capsys.readouterr().out


def test_the_editor_completes_and_explains_what_plugins_add(installed: Path) -> None:
    from archspec.lsp.completion import complete
    from archspec.lsp.hover import hover
    from tests.lsp.helpers import marked

    complete(*marked("archspec: 1\ninput: [1, 8, 8]\nstages:\n  a: [re¦]\n"))  # caches the schema without plugins
    for door in DOORS:
        door.discover()
    for old, new, name in (("gated_channels: {sharpness: 2.0}", "gated¦", "gated_channels"),
                           ("sharpness: 2.0", "¦", "sharpness"), ("data: stripes", "data: ¦", "stripes"),
                           ("gamma: 1.5", "¦", "gamma")):
        assert name in [item.label for item in complete(*marked(STRIPES.replace(old, new)))], name
    shown = hover(*marked(STRIPES.replace("gated_channels", "gated¦_channels")))
    assert shown is not None
    assert "Multiply each channel by the sigmoid" in shown.text


def test_a_run_records_its_plugins_and_names_them_where_they_are_missing(
    installed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "stripes.yaml", "--run-dir", "run", "--threads", "1"]) == 0
    about = json.loads((installed / "run" / "environment.json").read_text(encoding="utf-8"))
    assert about["plugins"] == [{
        "name": "archspec-example", "version": "1.2.0", "argument": None,
        "uses": ["op gated_channels", "data set stripes", "loss focal"],
    }]
    assert run(["evaluate", "run"]) == 0
    capsys.readouterr()
    (installed / "archspec_example-1.2.0.dist-info" / "entry_points.txt").write_text("", encoding="utf-8")
    with forgotten():
        for name in ("gated_channels", "stripes", "focal"):
            for door in (OPS, DATASETS, LOSSES):
                door.pop(name, None)
        for command in (["evaluate", "run"], ["train", "--resume", "run"], ["diagnose", "run"]):
            assert run(command) == 1
            err = " ".join(capsys.readouterr().err.split())
            assert "error[RUN365]: the run in run uses the op `gated_channels` of the plugin archspec-example 1.2.0, " \
                   "which is missing here" in err
            assert "`pip install archspec-example==1.2.0`" in err


def test_pytest_takes_a_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (folder / "my_ops.py").write_text(op_module("my_op"), encoding="utf-8")
    (folder / "net.yaml").write_text(spec("my_op"), encoding="utf-8")
    arguments = ["-q", "-p", "no:cacheprovider", "net.yaml", "--rootdir", str(folder), "--archspec-plugin"]
    assert pytest.main([*arguments, "./my_ops.py"]) == pytest.ExitCode.OK
    assert pytest.main([*arguments, "no_such_module"]) == pytest.ExitCode.USAGE_ERROR
