"""Ops, data sets and losses of other people: entry points, decorators, `--plugin`, and every way in which they fail."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec import plugins
from archspec.cli import run
from archspec.data.registry import DATASETS
from archspec.language.loss import LOSSES
from archspec.ops import OP_DOOR, OPS
from tests.plugins import DOORS, EXAMPLE, STRIPES, forgotten, install, op_module


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    with forgotten():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def installed(folder: Path) -> Path:
    """The example plugin, as if it were installed."""
    sys.path.insert(0, str(EXAMPLE))
    install(
        folder, "archspec-example", "1.2.0", {}, ops="gated_channels = archspec_example.gated_channels:GatedChannels",
        datasets="stripes = archspec_example.stripes:Stripes", losses="focal = archspec_example.focal:Focal",
    )
    (folder / "stripes.yaml").write_text(STRIPES, encoding="utf-8")
    return folder


def spec(layer: str) -> str:
    return f"archspec: 1\ninput: [3, 8, 8]\nstages:\n  a: [{layer}]\n"


def mistakes(source: Any) -> list[str]:
    return [f"{d.code} {d.message}" for d in archspec.check(source)]


# -- cold start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lenet", "resnet18", "googlenet_aux"])
def test_a_valid_spec_reads_no_installed_metadata(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("installed packages were searched")

    monkeypatch.setattr(importlib.metadata, "entry_points", refuse)
    monkeypatch.setattr(importlib.metadata, "distributions", refuse)
    assert run(["validate", name]) == 0
    assert run(["profile", name, "--static"]) == 0


def test_packages_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **which: asked.append(which) or ())
    for _ in range(3):
        assert mistakes(spec("reluu"))
    assert asked == [{"group": "archspec.ops"}]


# -- entry points ------------------------------------------------------------------------------------------------------


def test_an_installed_op_data_set_and_loss_are_found_by_their_names(installed: Path) -> None:
    loaded = archspec.load("stripes.yaml")
    assert archspec.check("stripes.yaml") == ()
    assert loaded.report.params == 334
    assert loaded.recipe().to_data()["loss"] == {"focal": {"gamma": 1.5}}
    assert loaded.graph.label
    assert {"gated_channels"} <= OPS.keys()
    assert "stripes" in DATASETS
    assert "focal" in LOSSES


def test_a_spec_of_a_plugin_round_trips(installed: Path) -> None:
    loaded = archspec.load("stripes.yaml")
    again = archspec.load(loaded.resolved_yaml())
    assert again.data == loaded.data
    assert again.recipe() == loaded.recipe()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("gated_chanels", "gated_channels"), ("channel_gate", "gated_channels")],
)
def test_hints_know_the_names_of_plugins(installed: Path, wrong: str, right: str) -> None:
    (mistake,) = archspec.check(STRIPES.replace("gated_channels", wrong))
    assert mistake.code == "SPEC020"
    assert right in (mistake.hint or "")
    assert mistake.fix is not None
    assert mistake.fix.edits[0].text == right


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("sharpness: 2.0", "sharpnes: 2.0", "SPEC010", "sharpnes"),
        ("sharpness: 2.0", "sharpness: 0", "SPEC012", "sharpness"),
        ("gamma: 1.5", "gamma: -1", "SPEC060", "`loss.focal.gamma` must be at least 0.0, got -1"),
        ("gamma: 1.5", "gama: 1", "SPEC060", "`loss.focal` has no field `gama`"),
        ("focal", "fokal", "SPEC060", "got fokal"),
        ("data: stripes", "data: stripe", "RUN304", "no data set is named `stripe`"),
        ("linear: 2", "linear: 1", "RUN303", "stripes has 2 classes"),
    ],
)
def test_mistakes_in_what_plugins_add_are_reported_at_their_place(
    installed: Path, old: str, new: str, code: str, message: str
) -> None:
    text = STRIPES.replace(old, new).replace("expect: {output: [2], params: 334}\n", "")
    (mistake,) = archspec.check(text)
    assert (mistake.code, message in mistake.message) == (code, True), mistake
    assert mistake.span is not None


def test_a_loss_of_a_plugin_for_one_output_of_several(installed: Path) -> None:
    recipe = archspec.load(STRIPES.replace("{focal: {gamma: 1.5}}", "{head: focal}")).recipe()
    assert recipe.loss["head"].kind == "focal"
    assert type(recipe).model_validate(recipe.to_data()) == recipe


def test_an_entry_point_may_refer_to_a_module_with_several_ops(folder: Path) -> None:
    install(folder, "two", "1", {"two_ops": op_module("first_op") + op_module("second_op")}, ops="all = two_ops")
    assert mistakes(spec("first_op, second_op")) == []
    assert str(OP_DOOR.plugin("second_op")) == "two 1"


def test_a_broken_plugin_is_named_and_the_others_work(folder: Path) -> None:
    install(folder, "broken", "2.0", {"broken_ops": "import sys\n1 / 0\n"}, ops="bad = broken_ops:Bad")
    install(folder, "whole", "1.0", {"whole_ops": op_module("whole_op")}, ops="good = whole_ops:WholeOp")
    assert mistakes(spec("whole_op")) == []
    (mistake,) = archspec.check(spec("bad_op"))
    assert mistake.notes == ("the plugin broken 2.0 cannot be used: its entry point `bad = broken_ops:Bad` raises "
                             "ZeroDivisionError: division by zero (broken_ops.py, line 2)",)


@pytest.mark.parametrize(
    ("text", "entry", "reason"),
    [
        ("", "bad = no_such_module:Bad", "names the module `no_such_module`, which does not exist"),
        ("", "bad = bad_ops:Bad", "refers to nothing: module 'bad_ops' has no attribute 'Bad'"),
        ("class Bad: pass", "bad = bad_ops:Bad", "is refused: `Bad` is not a subclass of archspec.ops.Op or Merge"),
        ("Bad = 3", "bad = bad_ops:Bad", "is refused: `3` is not a subclass of archspec.ops.Op or Merge"),
        ("from archspec.ops import Op as Bad", "bad = bad_ops:Bad", "is refused: the class `Op` needs a name"),
        (op_module("bad").replace("    def build(self, x):\n        return nn.Identity()\n", ""), "bad = bad_ops:Bad",
         "is refused: the op `bad` does not define `build`"),
        (op_module("repeat"), "bad = bad_ops", "is refused: `repeat` cannot be the name of an op"),
        (op_module("relu"), "bad = bad_ops", "is refused: the op `relu` is built into archspec: choose another name"),
        ("raise SystemExit(3)", "bad = bad_ops", "raises SystemExit: 3 (bad_ops.py, line 1)"),
        ("import no_such_library", "bad = bad_ops", "raises ModuleNotFoundError: No module named 'no_such_library'"),
        ("def f(:", "bad = bad_ops", "raises SyntaxError"),
    ],
)
def test_every_way_in_which_an_installed_op_cannot_be_used(folder: Path, text: str, entry: str, reason: str) -> None:
    before = dict(OPS)
    install(folder, "bad", "1", {"bad_ops": text}, ops=entry)
    (mistake,) = archspec.check(spec("bad_op"))
    assert len(mistake.notes) == 1
    assert f"`{entry}` {reason}" in mistake.notes[0]
    assert before == OPS


def test_two_installed_plugins_with_one_name(folder: Path) -> None:
    for name in ("one", "two"):
        install(folder, name, "1", {f"{name}_ops": op_module("same_op")}, ops=f"x = {name}_ops:SameOp")
    (mistake,) = archspec.check(spec("same_op"))
    assert mistake.code == "SPEC020"  # nobody knows which one is meant
    assert "the op `same_op` is also in the plugin one 1" in mistake.notes[0]
    assert mistake.notes[0].startswith("the plugin two 1 cannot be used")


def test_a_block_with_the_name_of_a_plugin_s_op(installed: Path) -> None:
    archspec.load("stripes.yaml")
    text = "archspec: 1\ninput: [3, 8, 8]\nblocks:\n  gated_channels: [relu]\nstages:\n  a: gated_channels\n"
    assert mistakes(text)[0] == \
        "SPEC027 block `gated_channels` shadows the op of that name in the plugin archspec-example 1.2.0"


# -- decorators --------------------------------------------------------------------------------------------------------


def test_a_class_may_be_defined_again_as_in_a_notebook() -> None:
    scope: dict[str, Any] = {"__name__": "__main__"}
    for _ in range(2):
        exec(op_module("cell_op"), scope)
    assert OPS["cell_op"] is scope["CellOp"]
    assert mistakes(spec("cell_op")) == []


def test_two_modules_with_one_name_raise() -> None:
    exec(op_module("same_op"), {"__name__": "one"})
    with pytest.raises(ValueError, match="the op `same_op` is also in the plugin one"):
        exec(op_module("same_op"), {"__name__": "two"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "mnist"}, "the data set `mnist` is built into archspec"),
        ({"name": "folder:x"}, "`folder:x` cannot be the name"),
        ({"classes": ()}, "needs a shape"),
        ({"shape": (1, 8)}, "needs a shape"),
    ],
)
def test_data_sets_that_are_refused(change: dict[str, Any], reason: str) -> None:
    known = {"name": "mine", "shape": (1, 8, 8), "classes": ("a", "b"), "train_size": 4, "test_size": 2}
    body = {**known, **change, "read": lambda self, split, root: None}
    with pytest.raises(ValueError, match=reason):
        archspec.register_dataset(type("Mine", (archspec.ImageDataset,), body))


def test_an_incomplete_data_set_is_refused() -> None:
    with pytest.raises(ValueError, match="`Mine` does not define `shape`, `classes`, `train_size`, `test_size`, `read`"):
        archspec.register_dataset(type("Mine", (archspec.ImageDataset,), {"name": "mine"}))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"kind": "mse", "__annotations__": {"kind": str}, "metrics": ("mae", "r2"), "compute": lambda self, outputs, targets: outputs.mean()}, "`mse` is built in"),
        ({"kind": "mine", "__annotations__": {"kind": str}, "metrics": ("mae", "r2")}, "does not define `compute`"),
        ({"kind": "mine", "__annotations__": {"kind": str}, "metrics": ("speed",), "compute": lambda self, outputs, targets: outputs.mean()}, "needs metrics"),
        ({"kind": "mine", "__annotations__": {"kind": str}, "compute": lambda self, outputs, targets: outputs.mean()}, "needs metrics"),
        ({"metrics": ("mae", "r2"), "compute": lambda self, outputs, targets: outputs.mean()}, "needs a name"),
    ],
)
def test_losses_that_are_refused(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        archspec.register_loss(type("Mine", (archspec.OwnLoss,), {"__module__": __name__, **body}))


@pytest.mark.parametrize(
    ("read", "message"),
    [
        ("return images.float(), labels", "has images (4, 1, 8, 8) of float32"),
        ("return images[:3], labels", "has images (3, 1, 8, 8) of uint8, its description says (4, 1, 8, 8)"),
        ("return images, labels + 1", "has labels from 1 to 2, it has 2 classes"),
        ("return images, labels[:2]", "has labels (2) of int64, expected 4 integers"),
        ("return images", "is not a tuple"),
        ("return 'x', labels", "has a str where a tensor is expected"),
        ("open('/no/such/file')", "cannot be read: FileNotFoundError"),
    ],
)
def test_what_a_data_set_reads_is_checked(read: str, message: str) -> None:
    from archspec.data.load import load

    text = f'''
import archspec, torch
@archspec.register_dataset
class Mine(archspec.ImageDataset):
    name, shape, classes, train_size, test_size = "mine", (1, 8, 8), ("a", "b"), 4, 2
    def read(self, split, root):
        images, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
        {read}
'''
    exec(text, {"__name__": "mine"})
    with pytest.raises(archspec.SpecError) as caught:
        load("mine", "train")
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "RUN302"
    assert message in mistake.message
    assert mistake.hint == "correct `read` in the plugin mine"


# -- the command line --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("kind", sorted(LOSSES))
def test_a_table_has_the_targets_of_every_loss(kind: str) -> None:
    from archspec.data.table import _TARGETS

    assert LOSSES[kind].metrics[0] in _TARGETS  # those of plugins are among them, see `register_loss`


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


def test_pytest_takes_a_plugin(folder: Path) -> None:
    (folder / "my_ops.py").write_text(op_module("my_op"), encoding="utf-8")
    (folder / "net.yaml").write_text(spec("my_op"), encoding="utf-8")
    arguments = ["-q", "-p", "no:cacheprovider", "net.yaml", "--rootdir", str(folder), "--archspec-plugin"]
    assert pytest.main([*arguments, "./my_ops.py"]) == pytest.ExitCode.OK
    assert pytest.main([*arguments, "no_such_module"]) == pytest.ExitCode.USAGE_ERROR
