"""Data that dies while a network trains: file and number are told, nothing hangs, and mended it goes on."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.helpers import write_folder

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [3, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.4, linear: 2]}
train: {data: "folder:pets", lr: 0.1, batch_size: 4, epochs: 3, momentum: 0.9}
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images that do not lie in memory: they are decoded in every epoch, by one process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("archspec.data.memory.RESIDENT_SHARE", 0)
    monkeypatch.setattr("archspec.data.pool.default_workers", lambda: 1)
    write_folder(tmp_path / "pets", {"train": {"ant": 6, "bee": 5}, "test": {"ant": 2, "bee": 1}})
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC, encoding="utf-8")
    return path


def at_step(patch: pytest.MonkeyPatch, count: int, act: Callable[[], object]) -> None:
    """Do something in the beginning of the `count`-th step."""
    from archspec.train import loop

    real, calls = loop.set_rate, []

    def acting(*args: object) -> None:
        calls.append(1)
        if len(calls) == count:
            act()
        real(*args)

    patch.setattr(loop, "set_rate", acting)


def decoders() -> list[int]:
    """Processes that decode for this one, from /proc."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            command = Path("/proc", entry, "cmdline").read_text()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z" and "archspec.data.decoder" in command:
            found.append(int(entry))
    return found


def kill_decoders() -> None:
    found = decoders()
    assert found
    for process in found:
        os.kill(process, signal.SIGKILL)


IMAGE = Path("pets/train/bee/002.png")
DEATHS = [
    pytest.param(IMAGE.unlink, f"error[RUN307]: {IMAGE} (image 5) is gone", id="deleted"),
    pytest.param(lambda: IMAGE.write_text("no"), f"error[RUN307]: {IMAGE} (image 5) is not an image: ", id="damaged"),
    pytest.param(
        kill_decoders, "ended (signal 9)", id="killed",
        marks=pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks at Linux's /proc"),
    ),
]


@pytest.mark.parametrize(("death", "words"), DEATHS)
def test_it_is_told_and_mended_it_goes_on(
    cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch, death: Callable[[], object], words: str
) -> None:
    """3 steps an epoch; the data dies in the fifth, when the images of the next ones may have been read already."""
    shutil.copytree("pets", "sound")
    assert cli("train", spec, "--run-dir", "whole").code == 0
    with monkeypatch.context() as patch:
        at_step(patch, 5, death)
        done = cli("train", spec, "--run-dir", "run")
    assert (done.code, decoders()) == (1, [])
    assert words in done.err
    assert "(image " in done.err.split("error[")[1].splitlines()[0]
    way = r"the last checkpoint is 0000\d-step-[36]: fix that, and `archspec train --resume run` continues"
    assert re.search(way, done.err), done.err
    shutil.rmtree("pets")
    shutil.move("sound", "pets")
    assert cli("train", "--resume", "run").code == 0
    assert Path("run/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()


def test_data_that_is_gone_at_the_start(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 5, IMAGE.unlink)
        assert cli("train", spec, "--run-dir", "run").code == 1
    done = cli("train", "--resume", "run")
    assert (done.code, "error[RUN315]: the run had 11 training images, now it has 10" in done.err) == (1, True)
    shutil.move("pets", "elsewhere")
    done = cli("train", "--resume", "run")
    assert (done.code, "error[RUN306]: there is no folder pets" in done.err) == (1, True)
