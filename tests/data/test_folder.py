"""Folders of images: their layout, classes and order."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import torch
from torchvision.datasets import ImageFolder

from archspec.data.decode import decode
from archspec.data.folder import open_folder
from archspec.diagnostics import SpecError
from tests.data.helpers import write_folder, write_image

COUNTS = {"train": {"cat": 3, "ant": 1, "bee": 2}, "test": {"bee": 1, "cat": 2}}


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "pets", COUNTS)


def names(folder):
    return [f"{path.parent.name}/{path.stem}" for path, _ in folder.samples]


def test_classes_are_sorted_and_samples_go_round_them(root):
    folder = open_folder(root, "train", 3)
    assert folder.classes == ("ant", "bee", "cat")
    assert names(folder) == ["ant/000", "bee/000", "cat/000", "bee/001", "cat/001", "cat/002"]
    assert [label for _, label in folder.samples] == [0, 1, 2, 1, 2, 2]
    assert (folder.name, folder.source) == (f"folder:{root}", str(root / "train"))


def test_labels_of_the_test_split_are_those_of_train(root):
    """Which has a class more."""
    folder = open_folder(root, "test", 3)
    assert folder.classes == ("ant", "bee", "cat")
    assert [label for _, label in folder.samples] == [1, 2, 2]


def test_val_stands_for_test(root):
    (root / "test").rename(root / "val")
    assert open_folder(root, "test", 3).source == str(root / "val")


def test_an_item_is_the_image_in_its_own_size(root):
    folder = open_folder(root, "train", 3)
    for index, (path, label) in enumerate(folder.samples):
        image, found = folder[index]
        assert found == label
        assert torch.equal(image, torch.from_numpy(decode(path, 3)))
    assert len({folder[i][0].shape for i in range(len(folder))}) > 1
    assert len(folder) == 6


def test_the_head_has_every_class(root):
    assert names(open_folder(root, "train", 3).head(3)) == ["ant/000", "bee/000", "cat/000"]
    assert len(open_folder(root, "train", 3).head(None)) == 6
    with pytest.raises(ValueError, match="at least 1"):
        open_folder(root, "train", 3).head(0)


def test_other_files_are_left_out_and_counted(root):
    (root / "train/cat/Thumbs.db").touch()
    (root / "train/cat/.DS_Store").touch()  # hidden files are nobody's images
    (root / "train/README").touch()
    write_image(root / "train/cat/UPPER.PNG", 1)
    write_image(root / "train/stray.png", 1)
    folder = open_folder(root, "train", 3)
    assert len(folder) == 7
    assert folder.notices == (
        f"1 file in {root / 'train'} without an image extension is left out",
        f"1 image directly in {root / 'train'}, not in a class folder, is left out",
    )
    (root / "train/cat/b\nc.txt").touch()
    assert open_folder(root, "train", 3).notices[0].startswith("2 files in ")
    assert not any("left out" in notice for notice in open_folder(root, "test", 3).notices)


def test_folders_within_a_class_are_taken_in(root):
    """As torchvision's ImageFolder does."""
    write_image(root / "train/cat/2019/zoo/b.png", 1)
    write_image(root / "train/cat/2019/a.png", 1)
    write_image(root / "train/cat/.hidden/a.png", 1)
    (root / "train/cat/more.png").mkdir()  # a folder, whatever its name
    write_image(root / "train/cat/more.png/c.png", 1)
    (root / "elsewhere").mkdir()
    write_image(root / "elsewhere/d.png", 1)
    (root / "train/cat/out").symlink_to(root / "elsewhere")
    ours = [str(path) for path, label in open_folder(root, "train", 3).samples if label == 2]
    assert [path.partition("/cat/")[2] for path in ours] == [
        "000.png", "001.png", "002.png", "2019/a.png", "2019/zoo/b.png", "more.png/c.png", "out/d.png",
    ]
    theirs = ImageFolder(root / "train", is_valid_file=lambda path: "/." not in path)
    assert sorted(ours) == sorted(path for path, label in theirs.samples if label == 2)


def test_folders_may_be_very_deep(root):
    """Deeper than Python's stack."""
    here = os.getcwd()
    try:
        os.chdir(root / "train/cat")
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        write_image(Path("deep.png"), 1)
    finally:
        os.chdir(here)
    assert len(open_folder(root, "train", 3)) == 7
    subprocess.run(["rm", "-r", root / "train/cat"], check=True)  # which pytest's own cleaning could not


def test_a_link_to_a_folder_above_ends(root):
    (root / "train/cat/loop").symlink_to(root / "train")
    (root / "train/bee/self").symlink_to(".")
    with pytest.raises(SpecError) as caught:
        open_folder(root, "train", 3)
    assert [d.code for d in caught.value.diagnostics] == ["RUN306"] * 2  # all of them
    assert "bee/self is a link to a folder that contains it" in caught.value.diagnostics[0].message


def test_what_has_an_image_s_ending_is_listed_whatever_it_is(root):
    """So that it is named when it is looked at, not left out."""
    (root / "train/cat/gone.png").symlink_to("nowhere")
    (root / "train/cat/self.png").symlink_to("self.png")
    os.mkfifo(root / "train/cat/pipe.png")
    folder = open_folder(root, "train", 3)
    assert len(folder) == 9
    assert folder.notices == ()


@pytest.mark.parametrize("empty", [False, True])
def test_a_class_without_a_test_image_is_named(root, empty):
    (root / "test/ant").mkdir() if empty else remove(root / "test/cat")
    folder = open_folder(root, "test", 3)
    names = "class ant: its" if empty else "classes ant, cat: their"
    assert folder.notices == (f"{root / 'test'} has no image of the {names} accuracy is not known",)
    assert folder.classes == ("ant", "bee", "cat")


def remove(path):
    for entry in sorted(path.rglob("*"), reverse=True):
        entry.unlink() if entry.is_file() else entry.rmdir()
    path.rmdir()


@pytest.mark.parametrize(("change", "split", "message"), [
    pytest.param(remove, "train", "there is no folder {root}", id="nothing"),
    pytest.param(lambda root: remove(root / "train"), "test", "{root} has no folder train", id="no-train"),
    pytest.param(lambda root: remove(root / "test"), "test", "{root} has no folder test or val", id="no-test"),
    pytest.param(
        lambda root: [remove(root / "train" / name) for name in COUNTS["train"]], "train",
        "{root}/train has no folder for a class", id="no-class",
    ),
    pytest.param(lambda root: (root / "train/dog").mkdir(), "train", "{root}/train/dog has no image", id="no-image"),
    pytest.param(
        lambda root: write_image(root / "test/dog/a.png", 1), "test",
        "{root}/test has classes that {root}/train does not have: dog", id="another-class",
    ),
])
def test_a_wrong_layout_is_an_error(root, diagnostic, change, split, message):
    change(root)
    found = diagnostic(open_folder, root, split, 3)
    assert (found.code, found.message) == ("RUN306", message.format(root=root))


def test_all_classes_without_an_image_are_named_at_once(root):
    for name in ("dog", "eel"):
        (root / "train" / name).mkdir()
    with pytest.raises(SpecError) as caught:
        open_folder(root, "train", 3)
    assert [d.message for d in caught.value.diagnostics] == [f"{root}/train/{name} has no image" for name in ("dog", "eel")]


@pytest.mark.parametrize("inner", ["train", "test", "train/cat", "train/cat/old"])
def test_a_folder_within_is_answered_with_the_one_that_is_meant(root, diagnostic, inner):
    (root / inner).mkdir(exist_ok=True)
    found = diagnostic(open_folder, root / inner, "train", 3)
    assert found.message == f"{root / inner} has no folder train"
    assert found.hint == f"did you mean `folder:{root}`?"


def test_so_is_a_folder_around_it(tmp_path, root, diagnostic):
    """As archives often unpack."""
    (tmp_path / "my data").mkdir()
    root.rename(tmp_path / "my data/pets")
    found = diagnostic(open_folder, tmp_path / "my data", "train", 3)
    assert found.hint == f"did you mean `'folder:{tmp_path}/my data/pets'`?"


@pytest.mark.parametrize(("train", "test", "why"), [
    ("caf\u00e9", "cafe\u0301", "look alike, and are different characters in Unicode"), ("Dog", "dog", "differ in case"),
])
def test_classes_that_are_the_same_word_are_told_apart(root, diagnostic, train, test, why):
    """As between a Mac, which decomposes accents in file names, and others."""
    write_image(root / "train" / train / "a.png", 1)
    write_image(root / "test" / test / "a.png", 1)
    hint = diagnostic(open_folder, root, "test", 3).hint
    assert why in hint
    (command,) = re.findall(r"as by `(.*)`", hint)
    subprocess.run(shlex.split(command), check=True)
    assert len(open_folder(root, "test", 3)) == 4


def test_a_misnamed_split_is_found(root, diagnostic):
    (root / "train").rename(root / "Training")
    assert diagnostic(open_folder, root, "train", 3).hint == f"rename {root}/Training to {root}/train"


def test_a_file_is_not_a_folder(tmp_path, diagnostic):
    (tmp_path / "pets.zip").touch()
    found = diagnostic(open_folder, tmp_path / "pets.zip", "train", 3)
    assert found.message == f"{tmp_path}/pets.zip is a file, not a folder"


def test_a_folder_that_cannot_be_read_is_an_error(root, diagnostic, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    found = diagnostic(open_folder, root, "train", 3)
    assert (found.code, found.message) == ("RUN305", f"cannot read {root / 'train'}: permission denied")


def test_other_numbers_of_channels_are_refused(root, diagnostic):
    assert diagnostic(open_folder, root, "train", 4).code == "RUN303"


@pytest.mark.parametrize(("channels", "code"), [(3, "RUN307"), (1, "RUN303")], ids=["broken", "colour"])
def test_an_item_that_cannot_be_used_is_named(root, diagnostic, channels, code):
    path = root / "train/bee/000.png"
    if channels == 3:
        path.write_bytes(path.read_bytes()[:50])
    found = diagnostic(open_folder(root, "train", channels).__getitem__, 1)
    assert found.code == code
    assert found.message.startswith(f"{path} (image 1) {'is' if channels == 1 else 'cannot be'} ")
