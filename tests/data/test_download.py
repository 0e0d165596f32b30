"""Downloads, from a server on this machine in place of the real ones: torchvision's own code runs."""

import functools
import hashlib
import http.server
import threading

import pytest
import torch
from torchvision import datasets

from archspec.data.load import load
from archspec.data.registry import DATASETS, Archive
from archspec.user_cache import cache_folder
from tests.data.test_cifar import TinyCifar


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """A folder and the address that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


@pytest.fixture
def mirror(tiny, server, monkeypatch):
    """torchvision's FashionMNIST with the small files, behind our server."""
    folder, url = server
    tiny.write(folder)
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [url])
    monkeypatch.setattr(datasets.FashionMNIST, "resources", [
        (path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir())
    ])
    return folder


def test_a_download_goes_into_the_cache_and_is_found_there(tiny, mirror, capfd):
    messages = []
    data = load("fashion-mnist", "train", progress=messages.append)
    assert torch.equal(data.images, tiny.images["train"])
    assert data.source == str(cache_folder() / "FashionMNIST/raw")
    assert messages == [f"downloading fashion-mnist (a download of 30 MiB) into {cache_folder()}"]
    for path in mirror.iterdir():
        path.unlink()
    assert len(load("fashion-mnist", "test")) == 6  # both splits came at once
    out, err = capfd.readouterr()
    assert out == ""
    assert "100" in err  # torchvision's progress


def test_what_torchvision_prints_stays_out_of_the_results(tiny, mirror, monkeypatch, capfd):
    """Some versions tell of each file on stdout."""
    theirs = datasets.FashionMNIST

    def talkative(folder, download):
        print("Downloading")
        theirs(folder, download=download)

    monkeypatch.setattr(datasets, "FashionMNIST", talkative)
    load("fashion-mnist", "train")
    out, err = capfd.readouterr()
    assert out == ""
    assert "Downloading" in err


def test_what_lies_somewhere_is_not_downloaded(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "FashionMNIST", None)
    assert len(load("fashion-mnist", "train", root=tiny.write(tmp_path / "here"))) == 12


def test_downloading_can_be_switched_off(tiny, monkeypatch, diagnostic):
    monkeypatch.setattr(datasets, "FashionMNIST", None)
    found = diagnostic(load, "fashion-mnist", "train", download=False)
    assert found.notes[0] == "downloading is switched off"


def left_over():
    return list(cache_folder().rglob("*"))


def test_a_wrong_download_leaves_nothing_behind(mirror, diagnostic):
    (mirror / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>sign in</html>")
    found = diagnostic(load, "fashion-mnist", "train")
    assert found.code == "RUN301"
    assert "the download failed: " in found.notes[0]
    assert "apt-get install dataset-fashion-mnist" in found.hint
    assert left_over() == []


def test_no_network_is_an_error_with_every_other_way(tiny, monkeypatch, diagnostic, capfd):
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:1/"])
    found = diagnostic(load, "fashion-mnist", "train")
    assert found.code == "RUN301"
    assert "refused" in found.notes[0]
    assert "--data digits" in found.hint
    assert left_over() == []
    assert capfd.readouterr().out == ""


def test_a_cache_that_cannot_be_made_is_told(tiny, monkeypatch, tmp_path, diagnostic):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "the download failed: [Errno" in diagnostic(load, "fashion-mnist", "train").notes[0]


def test_a_copy_that_another_process_put_there_meanwhile_stays(tiny, mirror, monkeypatch):
    """Ranks of one run may download at the same time: the first to finish wins, none fails."""
    theirs = datasets.FashionMNIST

    def slow(folder, download):
        tiny.write(cache_folder() / "FashionMNIST/raw", packed=False)
        theirs(folder, download=download)

    monkeypatch.setattr(datasets, "FashionMNIST", slow)
    assert len(load("fashion-mnist", "train")) == 12
    assert sorted(path.name for path in cache_folder().iterdir()) == ["FashionMNIST"]


def test_a_silent_server_is_given_up(tiny, monkeypatch, diagnostic):
    """It takes the connection and never answers."""
    import socket

    from archspec.data import download

    monkeypatch.setattr(download, "_PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        assert "timed out" in diagnostic(load, "fashion-mnist", "train").notes[0]
    assert socket.getdefaulttimeout() is None


def test_an_archive_is_kept_as_it_was_published(server, monkeypatch):
    folder, url = server
    made = TinyCifar("cifar10")
    packed = made.archive_bytes()
    (folder / "cifar-10-binary.tar.gz").write_bytes(packed)
    md5 = hashlib.md5(packed).hexdigest()
    archive = Archive("cifar-10-binary.tar.gz", len(packed), md5, f"{url}cifar-10-binary.tar.gz")
    monkeypatch.setitem(DATASETS, "cifar10", made.info._replace(archive=archive))
    data = load("cifar10", "test")
    assert torch.equal(data.images, made.images["test"])
    assert data.source == str(cache_folder() / "cifar-10-binary.tar.gz")
    assert left_over() == [cache_folder() / "cifar-10-binary.tar.gz"]
