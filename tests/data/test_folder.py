"""Folders of images: their layout, classes and order."""

import pytest
import torch

from archspec.data.decode import decode
from archspec.data.folder import open_folder
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
    (root / "train/cat/more").mkdir()
    (root / "train/cat/.DS_Store").touch()  # hidden files are nobody's images
    (root / "train/README").touch()
    write_image(root / "train/cat/UPPER.PNG", 1)
    folder = open_folder(root, "train", 3)
    assert len(folder) == 7
    assert folder.notices == (f"2 files in {root / 'train'} have no ending of an image and are left out",)
    assert open_folder(root, "test", 3).notices == ()


def remove(path):
    for entry in sorted(path.rglob("*"), reverse=True):
        entry.unlink() if entry.is_file() else entry.rmdir()
    path.rmdir()


@pytest.mark.parametrize(("change", "split", "told"), [
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
        "{root}/test has classes that {root}/train has not: dog", id="another-class",
    ),
])
def test_a_wrong_layout_is_told(root, diagnostic, change, split, told):
    change(root)
    found = diagnostic(open_folder, root, split, 3)
    assert (found.code, found.message) == ("RUN306", told.format(root=root))


def test_a_folder_that_cannot_be_read_is_told(root, diagnostic, monkeypatch):
    import os

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
    assert found.message.startswith(f"{path} (image 1) is ")
