"""`validate --data`: whether the data sets of a spec's recipes are there, without torch, training or a download."""

import subprocess
import sys

import pytest

from archspec.api import load
from archspec.data.present import check_present, check_recipes_present
from archspec.data.registry import DATASETS
from tests.data.helpers import TinyIdx, write_folder

SPEC = """
archspec: 1
input: [3, 8, 8]
stages: {{head: [flatten, linear: 2]}}
train: {{data: "{data}", lr: 0.1, batch_size: 4, epochs: 1}}
recipes:
  longer: {{epochs: 2}}
  other: {{data: "folder:nowhere"}}
"""


def spec(data):
    return load(SPEC.format(data=data))


def problems(data, root=None):
    loaded = spec(data)
    return [(d.code, d.message) for d in check_present(loaded.recipe(), loaded.graph, root)]


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "pets", {"train": {"ant": 2, "bee": 2}, "test": {"ant": 1, "bee": 1}})


def test_a_folder_that_can_be_used(root):
    assert problems(f"folder:{root}") == []


def test_what_is_wrong_with_both_splits_is_found(root):
    (root / "train/ant/000.png").write_bytes(b"")
    (root / "test/bee/000.png").write_bytes(b"")
    found = problems(f"folder:{root}")
    assert [code for code, _ in found] == ["RUN307", "RUN307"]
    assert found[1][1].startswith(f"{root}/test/bee/000.png (image 1) is not an image")


def test_more_classes_than_outputs(root):
    write_folder(root, {"train": {"cow": 1}})
    assert problems(f"folder:{root}") == [("RUN303", f"folder:{root} has 3 classes, the network has 2 outputs")]


def test_a_known_data_set_is_there_in_its_size(tmp_path, monkeypatch):
    tiny = TinyIdx()
    monkeypatch.setitem(DATASETS, "fashion-mnist", tiny.info)
    loaded = load(SPEC.format(data="fashion-mnist").replace("linear: 2", "linear: 3").replace("[3, 8, 8]", "[1, 5, 4]"))

    def found():
        return [(d.code, d.message) for d in check_present(loaded.recipe(), loaded.graph, tmp_path)]

    assert found() == [("RUN301", "fashion-mnist was not found")]
    folder = tiny.write(tmp_path / "fashion-mnist", packed=False)
    assert found() == []
    path = folder / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    assert found() == [("RUN302", f"{path} has 13 bytes, {path.name} has 14")]


def test_a_data_set_of_several_recipes_is_looked_at_once(root):
    (root / "train/ant/000.png").write_bytes(b"")
    loaded = spec(f"folder:{root}")
    found = list(check_recipes_present(loaded.recipes, loaded.graph))
    assert [(d.code, d.notes) for d in found] == [
        ("RUN307", ("needed by `train`",)), ("RUN306", ("needed by the recipe `other`",)),
    ]


def test_from_the_command_line_without_torch(root, tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC.format(data=f"folder:{root}"), encoding="utf-8")
    code = "import sys; from archspec.cli import run; code = run(sys.argv[1:]); assert 'torch' not in sys.modules; sys.exit(code)"

    def validate(*options):
        command = [sys.executable, "-c", code, "validate", str(path), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert validate().returncode == 0
    done = validate("--data")
    assert done.returncode == 1
    assert "error[RUN306]: there is no folder nowhere" in done.stderr
    assert "1 error in 1 of 1 spec" in done.stdout
