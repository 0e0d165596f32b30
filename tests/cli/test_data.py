"""`archspec data check`: what is in a data set, and everything that is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from archspec.data.registry import DATASETS
from tests.cli.conftest import Cli
from tests.data.helpers import TinyIdx, write_folder


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "pets", {"train": {"ant": 2, "bee": 1}, "test": {"ant": 1, "bee": 1}})
    return Path("pets")


def check(cli: Cli, *arguments: object) -> object:
    return cli("data", "check", *arguments, "--workers", 1)


def test_a_sound_folder(cli: Cli, pets: Path) -> None:
    done = check(cli, "folder:pets")
    assert done.code == 0
    assert done.out.splitlines() == [
        "train: 3 images of 2 classes in pets/train", "  ant 2, bee 1",
        "  PNG 3; height×width 7×6 to 9×8 (3 sizes)",
        "test: 2 images of 2 classes in pets/test", "  ant 1, bee 1", "  PNG 2; height×width 7×9 to 8×10 (2 sizes)",
        "5 images: all of them can be used",
    ]


def test_every_broken_file_of_both_splits_is_named(cli: Cli, pets: Path) -> None:
    """Damage behind the header, too, which a run would find in the middle of an epoch."""
    for name in ("train/ant/000.png", "train/bee/000.png", "test/ant/000.png"):
        (pets / name).write_bytes((pets / name).read_bytes()[:-40])
    (pets / "test/bee/Gone.PNG").symlink_to("Nowhere/B.png")
    done = check(cli, "folder:pets")
    assert done.code == 1
    errors = [line for line in done.err.splitlines() if line.startswith("error[")]
    assert [line.split()[1] for line in errors] == [
        "pets/train/ant/000.png", "pets/train/bee/000.png", "pets/test/ant/000.png", "pets/test/bee/Gone.PNG",
    ]
    assert errors[-1].endswith("is a link to Nowhere/B.png, which does not exist")
    assert done.out.splitlines()[-1] == "4 problems: this data set cannot be trained on as it is"
    data = json.loads(check(cli, "folder:pets", "--json").out)
    assert (data["format"], data["usable"]) == (1, False)
    assert [problem["code"] for problem in data["problems"]] == ["RUN307", "RUN307", "RUN307", "RUN305"]
    assert data["splits"][0]["classes"] == {"ant": 2, "bee": 1}


def test_a_validation_set_is_checked_too(cli: Cli, pets: Path) -> None:
    write_folder(pets, {"val": {"ant": 1, "bee": 1}})
    (pets / "val/bee/000.png").write_bytes(b"")
    done = check(cli, "folder:pets")
    assert "validation: 2 images of 2 classes in pets/val" in done.out
    assert done.err.count("error[RUN307]: pets/val/bee/000.png") == 1


def test_what_a_user_may_not_expect_is_a_note(cli: Cli, pets: Path) -> None:
    shutil.rmtree(pets / "test/bee")
    frames = [Image.new("L", (4, 4), level) for level in (10, 20)]
    frames[0].save(pets / "train/ant/a.gif", save_all=True, append_images=frames[1:])
    lines = check(cli, "folder:pets").out.splitlines()
    assert "  note: 1 image of pets/train with several frames: only the first frame is used" in lines
    assert "  note: pets/test has no image of the class bee: its accuracy is not known" in lines
    assert "  ant 1, bee 0" in lines


def test_channels_make_colour_an_error(cli: Cli, pets: Path) -> None:
    assert check(cli, "folder:pets", "--channels", 1).err.count("error[RUN303]") == 5
    assert check(cli, "folder:pets", "--channels", 3).code == 0


def test_a_missing_test_set_is_told_beside_the_images(cli: Cli, pets: Path) -> None:
    shutil.rmtree(pets / "test")
    done = check(cli, "folder:pets")
    assert "error[RUN306]: pets has no folder test or val" in done.err
    assert done.out.startswith("train: 3 images")


@pytest.mark.parametrize(("name", "code", "hint"), [
    ("pets", "RUN304", "did you mean `folder:pets`?"), ("folder:pets/train", "RUN306", "did you mean `folder:pets`?"),
    ("folder:~nobody-of-that-name/pets", "RUN306", "a folder that exists"),
    ("pets/train", "RUN304", "did you mean `folder:pets`?"), ("folder:nowhere", "RUN306", "a folder that exists"),
])
def test_a_wrong_name_is_answered_with_the_right_one(cli: Cli, pets: Path, name: str, code: str, hint: str) -> None:
    done = check(cli, name)
    assert done.code == 1
    assert done.err.count("error[") == 1
    assert f"error[{code}]" in done.err
    assert hint in done.err


def test_a_known_data_set_is_compared_with_its_checksums(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TinyIdx()
    monkeypatch.setitem(DATASETS, "fashion-mnist", tiny.info)
    folder = tiny.write(tmp_path / "fashion-mnist", packed=False)
    assert check(cli, "fashion-mnist", "--data-root", tmp_path).out.splitlines()[-1] == "18 images: all of them can be used"
    for path in folder.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert check(cli, "fashion-mnist", "--data-root", tmp_path).err.count("error[RUN302]") == 2


def test_without_a_command_it_shows_them(cli: Cli) -> None:
    done = cli("data")
    assert done.code == 2
    assert "check" in done.err
