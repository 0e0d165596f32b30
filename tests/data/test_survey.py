"""A look at all images of a folder: every broken one is named, and what will be done to the others is said."""

import os

import pytest
import torch
from PIL import Image

from archspec.api import load
from archspec.data import pool
from archspec.data import survey as module
from archspec.data.feed import open_data
from archspec.data.folder import open_folder
from archspec.data.folder_batches import read_all
from archspec.data.plan import plan
from archspec.data.survey import SHOWN, check_headers, survey
from archspec.diagnostics import SpecError
from archspec.language.recipe import Recipe
from archspec.train.setup import Machine, prepare
from tests.data.helpers import write_folder

EVIL = """
import json, os, signal, sys
sys.path[:] = json.loads(sys.argv[1])
from archspec.data import decode, decoder
sound = decode.look
def evil(path, channels, whole=False):
    if os.path.getsize(path) == 5:
        os.kill(os.getpid(), signal.SIGSEGV)
    return sound(path, channels, whole=whole)
decode.look = evil
decoder.serve()
"""


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "Pets", {"train": {"ant": 4, "bee": 4}, "test": {"ant": 1, "bee": 1}})


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def messages(call, *args, **kwargs):
    with pytest.raises(SpecError) as caught:
        call(*args, **kwargs)
    return [(d.code, d.message) for d in caught.value.diagnostics]


@pytest.fixture
def broken(root):
    """One file of each kind of damage that a header shows."""
    ant, bee = root / "train/ant", root / "train/bee"
    (ant / "000.png").write_text("text")
    (ant / "001.png").write_bytes(b"")
    (bee / "000.png").unlink()
    (bee / "000.png").symlink_to("/no/Where")
    (bee / "001.png").unlink()
    os.mkfifo(bee / "001.png")
    return root


EXPECTED = [
    ("RUN307", "ant/000.png (image 0) is not an image: its bytes are not those of PNG, JPEG, BMP, WEBP, PPM, GIF or TIFF"),
    ("RUN305", "bee/000.png (image 1) is a link to /no/Where, which does not exist"),
    ("RUN307", "ant/001.png (image 2) is not an image: it is empty"),
    ("RUN305", "bee/001.png (image 3) is a pipe, not a file"),
]


@pytest.mark.parametrize("few", [2000, 0], ids=["here", "in-processes"])
def test_every_broken_file_is_named_before_anything_is_trained(broken, monkeypatch, few):
    monkeypatch.setattr(module, "_FEW", few)
    found = messages(open_data, f"folder:{broken}", "train", 3)
    assert found == [(code, f"{broken}/train/{text}") for code, text in EXPECTED]


@pytest.mark.parametrize("whole", [False, True])
def test_a_file_that_kills_its_decoder_is_named_and_the_others_are_looked_at(root, monkeypatch, whole):
    monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr(pool, "_START", EVIL)
    (root / "train/bee/002.png").write_text("crash")
    (root / "train/ant/003.png").write_bytes(b"")
    found = survey(open_folder(root, "train", 3), 3, whole=whole, workers=2)
    assert [d.code for d in found.problems] == ["RUN308", "RUN307"]
    assert found.problems[0].message == f"the process that decoded {root}/train/bee/002.png (image 5) ended (signal 11)"
    assert (found.images, sum(found.sizes.values())) == (8, 6)


def test_damage_behind_the_header_is_named_with_all_of_it(root):
    cut(root / "train/ant/002.png")
    cut(root / "train/bee/003.png")
    data = check_headers(open_folder(root, "train", 3))
    for found in (messages(read_all, data, (4, 4), workers=2), [
        (d.code, d.message) for d in survey(data, 3, whole=True, workers=2).problems
    ]):
        assert [code for code, _ in found] == ["RUN307"] * 2
        assert f"{root}/train/ant/002.png (image 4) cannot be decoded: " in found[0][1]
        assert f"{root}/train/bee/003.png (image 7) cannot be decoded: " in found[1][1]


def test_of_very_many_the_rest_is_counted(tmp_path):
    root = write_folder(tmp_path / "my pets", {"train": {"ant": SHOWN + 2}})
    for path in (root / "train/ant").iterdir():
        path.write_bytes(b"")
    with pytest.raises(SpecError) as caught:
        check_headers(open_folder(root, "train", 1))
    *first, last = caught.value.diagnostics
    assert [d.code for d in first] == ["RUN307"] * SHOWN
    assert (last.code, last.message) == ("RUN309", f"2 more images of {root}/train cannot be used")
    assert last.hint == f"`archspec data check 'folder:{root}'` names all of them"


def test_images_that_do_not_suit_the_network_are_one_mistake(root):
    (root / "train/bee/003.png").write_bytes(b"")
    found = messages(open_data, f"folder:{root}", "train", 1)
    assert [code for code, _ in found] == ["RUN303", "RUN307"]
    assert found[0][1] == (
        f"7 of 8 images of {root}/train do not match the network; the first: {root}/train/ant/000.png (image 0) "
        "is a colour image, the network's input has one channel"
    )


def test_a_newline_in_a_name_is_written_out_and_case_is_kept(root):
    (root / "train/ant/Two\nLines.PNG").write_text("text")
    (found,) = messages(open_data, f"folder:{root}", "train", 3)
    assert f"{root}/train/ant/Two\\nLines.PNG (image 8) is not an image" in found[1]


def test_images_of_the_network_s_size_are_not_said_to_be_resized(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split / "ant").mkdir(parents=True)
        for k in range(3):
            Image.new("RGB", (5, 6)).save(tmp_path / split / "ant" / f"{k}.png")
    data = open_data(f"folder:{tmp_path}", "train", 3)
    assert data.shape == (3, 6, 5)
    assert plan(data.name, data.shape, (3, 6, 5)).notices == ()
    assert plan(data.name, data.shape, (3, 8, 8)).notices == ("images are resized from 6×5 to 8×8",)
    Image.new("RGB", (5, 7)).save(tmp_path / "train/ant/9.png")
    data = open_data(f"folder:{tmp_path}", "train", 3)
    assert plan(data.name, data.shape, (3, 6, 5)).notices == ("images are resized to 6×5",)


def test_what_is_done_to_images_is_said(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    for k in range(2):
        Image.new("RGB", (8, 4)).save(root / f"train/ant/turned{k}.jpg", exif=exif)
    Image.new("I;16", (8, 4)).save(root / "train/ant/deep.png")
    notices = open_data(f"folder:{root}", "train", 3).notices
    assert notices == (
        f"2 images of {root}/train are turned upright by the EXIF orientation",
        f"1 image of {root}/train is scaled to 8 bits: white of the greater depth becomes 255",
    )


def test_only_the_images_of_a_limit_are_looked_at(broken):
    with pytest.raises(SpecError) as caught:
        open_data(f"folder:{broken}", "train", 3, limit=1)
    assert len(caught.value.diagnostics) == 1


def train(root, **limits):
    """Prepare a run on the folder; it is not trained."""
    chosen = Recipe(data=f"folder:{root}", batch_size=2, lr=0.1, epochs=1)
    graph = load({"archspec": 1, "input": [3, 4, 4], "stages": {"a": ["flatten", {"linear": 2}]}}).graph
    return prepare(graph, chosen, Machine(torch.device("cpu"), workers=1, **limits))


@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b"")], ids=["behind-the-header", "header"])
def test_a_run_names_the_broken_files_of_all_its_splits(root, damage):
    names = ["train/ant/000.png", "train/bee/001.png", "test/bee/000.png"]
    write_folder(root, {"val": {"ant": 1, "bee": 1}})
    for name in [*names, "val/ant/000.png"]:
        damage(root / name)
    found = messages(train, root)
    assert [code for code, _ in found] == ["RUN307"] * 4
    assert {text.partition(" ")[0] for _, text in found} == {f"{root}/{name}" for name in [*names, "val/ant/000.png"]}


@pytest.mark.parametrize(("headless", "cut_off"), [("train", "train"), ("train", "test"), ("test", "train")])
def test_damage_behind_headers_is_named_together_with_broken_headers(root, headless, cut_off):
    (root / headless / "ant/000.png").write_bytes(b"")
    cut(root / cut_off / "bee/000.png")
    found = messages(train, root)
    assert [code for code, _ in found] == ["RUN307"] * 2
    assert {text.partition(" ")[0] for _, text in found} == {
        f"{root}/{headless}/ant/000.png", f"{root}/{cut_off}/bee/000.png",
    }


def test_a_wrong_folder_is_one_mistake(root):
    assert [code for code, _ in messages(train, root / "train")] == ["RUN306"]


def test_a_notice_holds_for_the_split_that_needs_it(tmp_path):
    """Training images of the network's own size, test images of another."""
    for split, size in (("train", 4), ("test", 6)):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (size, size)).save(tmp_path / split / name / "a.png")
    task = train(tmp_path)
    assert [n for n in task.notices if "resized" in n] == ["images are resized from 6×6 to 4×4"]
    task.close()
