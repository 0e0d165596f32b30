"""Which source of batches suits."""

import pytest

from archspec.data.batches import BatchOptions
from archspec.data.feed import make_batches, open_data
from archspec.data.load import load
from archspec.data.plan import plan
from archspec.data.registry import DATASETS, check_name


def test_known_names_are_opened_and_cut(tiny, tmp_path):
    data = open_data("fashion-mnist", "train", 1, root=tiny.write(tmp_path), limit=5)
    assert data.images.equal(tiny.images["train"][:5])
    assert data.shape == (1, 5, 4)


def test_unknown_names_are_refused(diagnostic):
    assert diagnostic(open_data, "fashion-mnst", "train", 1).code == "RUN304"
    assert diagnostic(open_data, "folder:", "train", 1).code == "RUN304"


def test_a_folder_is_not_loaded(tmp_path):
    with pytest.raises(ValueError, match="use open_folder"):
        load(f"folder:{tmp_path}", "train")


def test_an_unknown_split_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="split must be"):
        load("digits", "val")


@pytest.mark.parametrize(("device", "room", "home"), [
    pytest.param("cpu", False, "cpu", id="cpu"),
    pytest.param("meta", True, "meta", id="device"),
    pytest.param("meta", False, "cpu", id="device-full"),
])
def test_data_lies_on_the_device_where_it_has_room(tiny, tmp_path, device, room, home):
    """`meta` stands for a device with memory of its own."""
    data = load("fashion-mnist", "train", root=tiny.write(tmp_path))
    asked = []

    def has_room(nbytes, where):
        asked.append((nbytes, where))
        return room

    wanted = plan(data.name, data.shape, (1, 5, 4))
    batches = make_batches(data, wanted, BatchOptions(4, False, device=device), room=has_room)
    assert batches.home.type == home
    assert f"on {home}" in batches.description
    assert asked == ([] if device == "cpu" else [(12 * 20 + 12 * 8, "meta")])


def test_what_the_registry_says_is_what_is_loaded():
    info = check_name("digits")
    data = load("digits", "train")
    assert info is DATASETS["digits"]
    assert (data.shape, data.classes) == ((info.channels, info.height, info.width), info.classes)
