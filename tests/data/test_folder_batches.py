"""Batches from image files: equal to those from memory; a bad file, a dead or a hung process is named."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError

import pytest
import torch

from archspec.data import pool
from archspec.data.augment import Augmentation
from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.data.feed import make_batches, open_data
from archspec.data.folder import open_folder
from archspec.data.folder_batches import FolderBatches, read_all
from archspec.data.plan import plan
from archspec.data.pool import default_workers
from archspec.diagnostics import SpecError
from archspec.text import bytes_text
from tests.data.helpers import write_folder

SIZE = (6, 5)
OPTIONS = BatchOptions(4, True, seed=1, augment=Augmentation(1, 0.5))
# A decoder that treats some files specially: what a broken image may do to a decoder in C.
EVIL = """
import json, os, signal, sys, time
sys.path[:] = json.loads(sys.argv[1])
from archspec.data import decode, decoder
sound = decode.decode
def evil(path, channels, size):
    if os.path.getsize(path) == 5:
        with open(path) as stream:
            match stream.read():
                case "crash": os.kill(os.getpid(), signal.SIGSEGV)
                case "leave": os._exit(3)
                case "hangs": time.sleep(600)
                case "noise": os.write(1, b"\\0\\0\\0\\0half")
        os._exit(0)
    return sound(path, channels, size)
decode.decode = evil
decoder.serve()
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    counts = {"train": {"ant": 6, "bee": 5}, "test": {"ant": 2, "bee": 1}}
    return write_folder(tmp_path_factory.mktemp("pets"), counts)


@pytest.fixture
def folder(root):
    return open_folder(root, "train", 3)


def wanted(folder):
    return plan(folder.name, folder.shape, (3, *SIZE))


@pytest.fixture
def make():
    """Folder batches that are closed at the end."""
    made = []

    def of(folder, options=OPTIONS, **more):
        made.append(FolderBatches(folder, wanted(folder), options, **{"workers": 2, **more}))
        return made[-1]

    yield of
    for batches in made:
        batches.close()


def assert_equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True))
        assert a.total == b.total


def test_batches_equal_those_from_memory(folder, make):
    """Whichever process decodes what, and whenever it is ready."""
    resident = ResidentBatches(read_all(folder, SIZE, workers=1), wanted(folder), OPTIONS)
    files = make(folder)
    assert (len(files), files.step_sizes) == (3, [4, 4, 3])
    for epoch in range(3):
        assert_equal(files.batches(epoch), resident.batches(epoch))


def test_starting_later_gives_what_was_left(folder, make):
    files = make(folder)
    assert_equal(files.batches(1, 2), list(files.batches(1))[2:])


def test_memory_holds_every_image_resized(folder):
    data = read_all(folder, SIZE, workers=1)
    from archspec.data.decode import decode

    for k, (path, label) in enumerate(folder.samples):
        assert torch.equal(data.images[k], torch.from_numpy(decode(path, 3, SIZE)))
        assert data.labels[k] == label
    assert data.classes == folder.classes


def test_leaving_an_epoch_early_disturbs_nothing(folder, make):
    files = make(folder)
    for _ in files.batches(0):
        break
    assert_equal(files.batches(1), make(folder).batches(1))


@pytest.fixture
def damaged(root, tmp_path):
    """A copy of the folder in which `damage` overwrites one image."""
    import shutil

    copy = shutil.copytree(root, tmp_path / "copy")

    def damage(content):
        path = copy / "train/bee/002.png"
        path.write_text(content)
        folder = open_folder(copy, "train", 3)
        return folder, path, [p for p, _ in folder.samples].index(path)

    return damage


def first_error(batches, diagnostic):
    return diagnostic(lambda: list(batches.batches(0)))


def test_a_broken_image_is_named(damaged, make, diagnostic):
    folder, path, index = damaged("no image")
    found = first_error(make(folder), diagnostic)
    assert found.code == "RUN307"
    assert found.message.startswith(f"{path} (image {index}) is not an image: ")


@pytest.mark.parametrize(("content", "end"), [
    pytest.param("crash", f"ended (signal {int(signal.SIGSEGV)})", id="crash"),
    pytest.param("leave", "ended (exit code 3)", id="exit"),
    pytest.param("noise", "ended (exit code 0)", id="half-an-answer"),
    pytest.param("hangs", "did not finish within 2 s", id="hang"),
])
def test_a_process_that_dies_or_hangs_is_told_with_its_file(damaged, make, diagnostic, monkeypatch, content, end):
    monkeypatch.setattr(pool, "_START", EVIL)
    folder, path, index = damaged(content)
    found = first_error(make(folder, patience_s=2 if content == "hangs" else 60), diagnostic)
    assert found.code == "RUN308"
    assert found.message == f"the process that decoded {path} (image {index}) {end}"


def test_a_process_that_does_not_start_is_told(folder, make, diagnostic, monkeypatch):
    """numpy or Pillow are broken, say."""
    monkeypatch.setattr(pool, "_START", "import no_such_module")
    found = first_error(make(folder), diagnostic)
    assert found.message == "a process that decodes images did not start: it ended (exit code 1)"
    assert "import numpy, PIL.Image" in found.hint


def test_after_a_death_the_others_go_on(damaged, make, diagnostic, monkeypatch):
    """A new process takes the place of the dead one."""
    monkeypatch.setattr(pool, "_START", EVIL)
    folder, path, _ = damaged("crash")
    files = make(folder, workers=1)
    assert first_error(files, diagnostic).code == "RUN308"
    path.write_bytes((path.parent / "001.png").read_bytes())
    assert sum(len(batch.y) for batch in files.batches(1)) == 11


def children():
    """Processes started by this one, from /proc."""
    own = os.getpid()
    found = set()
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except (OSError, IndexError):
            continue
        if entry.isdigit() and int(fields[1]) == own and fields[0] != "Z":
            found.add(int(entry))
    return found


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at Linux's /proc")
def test_a_process_killed_from_outside_is_told(folder, make, diagnostic):
    """As the kernel does when memory is short."""
    files = make(folder, workers=1)
    before = children()
    list(files.batches(0))
    (decoder,) = children() - before
    os.kill(decoder, signal.SIGKILL)
    assert "ended (signal 9)" in first_error(files, diagnostic).message


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at Linux's /proc")
def test_closing_ends_the_processes_even_one_that_hangs(damaged, make, monkeypatch):
    monkeypatch.setattr(pool, "_START", EVIL)
    before = children()
    folder, _, _ = damaged("hangs")
    files = make(folder, workers=2)
    ended = []

    def read():
        with pytest.raises((SpecError, CancelledError)):
            list(files.batches(0))
        ended.append(True)

    reader = threading.Thread(target=read)
    reader.start()
    while not children() - before:
        time.sleep(0.01)
    files.close()
    files.close()  # harmless
    reader.join(20)
    assert ended == [True]
    assert children() == before


def runs(process):
    """Whether it does; one that has ended may still be listed, where nobody asks for its exit code."""
    try:
        with open(f"/proc/{process}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


ORPHANS = """
import sys, time
from pathlib import Path
from archspec.data.batches import BatchOptions
from archspec.data.folder import open_folder
from archspec.data.folder_batches import FolderBatches
from archspec.data.plan import plan
from archspec.data.pool import default_workers
folder = open_folder(Path(sys.argv[1]), "train", 3)
files = FolderBatches(folder, plan(folder.name, folder.shape, (3, 6, 5)), BatchOptions(4, True), workers=2)
list(files.batches(0))
print(*(decoder._process.pid for decoder in files._decoders._running), flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at Linux's /proc")
def test_a_killed_trainer_leaves_no_decoders(root):
    """Nobody can tell them to end: they see that nobody asks any more."""
    trainer = subprocess.Popen([sys.executable, "-c", ORPHANS, str(root)], stdout=subprocess.PIPE, text=True)
    decoders = trainer.stdout.readline().split()
    assert decoders
    assert all(map(runs, decoders))
    trainer.kill()
    trainer.communicate()
    until = time.monotonic() + 30
    while any(map(runs, decoders)):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_ctrl_c_does_not_reach_the_decoders(folder, make):
    """They are in a session of their own: the trainer saves first."""
    files = make(folder, workers=1)
    before = children()
    list(files.batches(0))
    (decoder,) = children() - before
    assert os.getpgid(decoder) != os.getpgid(0)


def test_a_number_of_processes_suits_the_machine():
    assert 1 <= default_workers() <= 8


def test_folders_are_opened_by_name(root):
    data = open_data(f"folder:{root}", "test", 3, limit=2)
    assert (len(data), data.shape) == (2, (3, None, None))


@pytest.mark.parametrize(("room", "kind"), [(True, ResidentBatches), (False, FolderBatches)])
def test_files_are_read_once_where_there_is_room(folder, room, kind):
    messages = []
    batches = make_batches(
        folder, wanted(folder), OPTIONS, workers=1, progress=messages.append, room=lambda nbytes, device: room
    )
    assert isinstance(batches, kind)
    assert sum(len(batch.y) for batch in batches.batches(0)) == 11
    size = bytes_text(11 * 3 * SIZE[0] * SIZE[1])
    assert messages == ([f"reading 11 images of {folder.source} into memory ({size})"] if room else [])
    batches.close()
