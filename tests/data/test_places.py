"""Where a data set is looked for, and what is said where it is nowhere."""


import pytest
import torch

from archspec.data.load import load
from archspec.data.places import find, locate
from archspec.data.registry import DATASETS
from archspec.user_cache import cache_folder


def test_every_kind_of_place_is_found_and_the_nearest_wins(tiny, tmp_path, monkeypatch, nothing_at_home):
    """Each place in turn, from the last of the order to the first: each one hides those before."""
    system, variable, root = tmp_path / "system", tmp_path / "variable", tmp_path / "root"
    monkeypatch.setitem(DATASETS, "fashion-mnist", tiny.info._replace(system_folders=(str(system),)))
    monkeypatch.setenv("ARCHSPEC_DATA", str(variable))
    root.mkdir()
    cache = nothing_at_home / ".cache" / "archspec"
    for folder in (
        system, cache, cache / "fashion-mnist", cache / "FashionMNIST/raw", nothing_at_home / "data/FashionMNIST/raw",
        variable, variable / "fashion-mnist", variable / "FashionMNIST/raw",
        root, root / "fashion-mnist", root / "FashionMNIST/raw",
    ):
        tiny.write(folder)
        data = load("fashion-mnist", "test", root=root, download=False)
        assert (nothing_at_home / data.source).samefile(folder)
        assert torch.equal(data.images, tiny.images["test"])


def test_locate_lists_places_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHSPEC_DATA", "/somewhere")
    origins = [place.origin for place in locate(DATASETS["fashion-mnist"], tmp_path)]
    assert list(dict.fromkeys(origins)) == [
        "--data-root", "$ARCHSPEC_DATA", "the working folder", "your cache", "the system's packages"
    ]


def test_a_damaged_copy_is_told_not_passed_over(tiny, tmp_path, diagnostic, nothing_at_home):
    """A sound copy lies in the cache, but the first one found is broken."""
    tiny.write(nothing_at_home / ".cache/archspec/fashion-mnist")
    bad = tiny.write(tmp_path) / "t10k-labels-idx1-ubyte.gz"
    bad.write_bytes(bad.read_bytes()[:-9])
    found = diagnostic(load, "fashion-mnist", "test", root=tmp_path)
    assert found.code == "RUN302"
    assert str(bad) in found.message


def test_half_a_copy_is_passed_over_and_named(tiny, tmp_path, diagnostic):
    folder = tiny.write(tmp_path / "FashionMNIST/raw")
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    found = diagnostic(load, "fashion-mnist", "train", root=tmp_path, download=False)
    assert f"{folder} has some of its files, but not train-labels-idx1-ubyte" in found.notes
    assert len(load("fashion-mnist", "test", root=tmp_path, download=False)) == 6


def test_not_found_tells_every_place_and_every_way(tiny, tmp_path, diagnostic, nothing_at_home):
    found = diagnostic(load, "fashion-mnist", "train", root=tmp_path, download=False)
    assert (found.code, found.message) == ("RUN301", "fashion-mnist was not found")
    notes_text = "\n".join(found.notes)
    for place in (tmp_path, "data (the working folder)", nothing_at_home / ".cache/archspec", "FashionMNIST/raw"):
        assert str(place) in notes_text
    for way in ("apt-get install dataset-fashion-mnist", f"into {tmp_path / 'FashionMNIST/raw'}", "--data-root",
                "--data digits"):
        assert way in found.hint


def test_following_the_hint_works(tiny, tmp_path, diagnostic):
    """Copy the files to where the message says."""
    hint = diagnostic(load, "fashion-mnist", "train", root=tmp_path, download=False).hint
    tiny.write(tmp_path / "FashionMNIST/raw", packed=False)
    assert str(tmp_path / "FashionMNIST/raw") in hint
    assert len(load("fashion-mnist", "train", root=tmp_path, download=False)) == 12


def test_a_root_that_does_not_exist_is_an_error(tiny, tmp_path, diagnostic, nothing_at_home):
    """Even though the data set lies elsewhere: the name was most likely mistyped."""
    tiny.write(nothing_at_home / "data")
    found = diagnostic(load, "fashion-mnist", "train", root=tmp_path / "dta")
    assert (found.code, found.message) == ("RUN301", f"the data folder {tmp_path / 'dta'} does not exist")


@pytest.mark.parametrize("name", ["cifar-10-batches-py", "cifar-10-python.tar.gz"])
def test_a_pickled_copy_is_named_and_never_opened(tmp_path, diagnostic, name):
    (tmp_path / name).write_text("no pickle: opening it would fail otherwise")
    found = diagnostic(load, "cifar10", "train", root=tmp_path, download=False)
    assert any(str(tmp_path / name) in note and "pickle format" in note for note in found.notes)
    assert "cifar-10-binary.tar.gz of https://www.cs.toronto.edu" in found.hint


@pytest.mark.parametrize(("variable", "expected"), [
    ("/x/cache", "/x/cache/archspec"), ("", ".cache/archspec"), ("relative", ".cache/archspec")
])
def test_the_cache_follows_the_xdg_specification(monkeypatch, nothing_at_home, variable, expected):
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    assert cache_folder() == nothing_at_home / expected


def test_a_user_without_a_home_has_a_cache(monkeypatch):
    from pathlib import Path

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder().is_absolute()


def test_a_folder_that_may_not_be_searched_counts_as_empty(tiny, tmp_path, monkeypatch, diagnostic):
    """And is named, where nothing is found elsewhere."""
    import os
    from pathlib import Path

    exists = Path.exists

    def refuse(self, **kwargs):
        if self != tmp_path and tmp_path in self.parents:
            raise PermissionError(13, "Permission denied")
        return exists(self, **kwargs)

    monkeypatch.setattr(Path, "exists", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert find(tiny.info, "train", tmp_path) is None
    found = diagnostic(load, "fashion-mnist", "train", root=tmp_path, download=False)
    assert f"{tmp_path} may not be read by this user" in found.notes


def test_a_home_that_does_not_exist_is_a_folder_that_is_not_there(monkeypatch, diagnostic):
    monkeypatch.setenv("ARCHSPEC_DATA", "~nobody-of-that-name/data")
    found = diagnostic(load, "mnist", "train", download=False)
    assert (found.code, found.message) == ("RUN301", "mnist was not found")
    assert "~nobody-of-that-name/data ($ARCHSPEC_DATA)" in found.notes[1]
