"""A disk that is really full: a small one is mounted, filled, and cleared."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cli

SPEC = """\
archspec: 1
name: wide
input: [1, 8, 8]
stages: {head: [flatten, linear: 512, relu, dropout: 0.4, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 3, momentum: 0.9}
"""
OPTIONS = ("--limit-train", "100", "--limit-test", "50", "--keep-checkpoints", "1")
PAGE = 4096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command `mount`")
    if done.returncode:
        pytest.skip(f"a disk can be mounted only by root: {done.stderr.strip()}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def pages(folder: Path) -> int:
    """What the files of a folder take, in bytes."""
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in folder.rglob("*") if path.is_file())


def test_the_checkpoint_before_stays_and_the_run_goes_on_when_there_is_room(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wide.yaml").write_text(SPEC, encoding="utf-8")
    assert cli("train", "wide.yaml", *OPTIONS, "--run-dir", "whole").code == 0
    (checkpoint,) = Path("whole/checkpoints").glob("00003-*")
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(free - 3 * pages(checkpoint) // 2))  # room for one and a half

    done = cli("train", "wide.yaml", *OPTIONS, "--run-dir", disk / "run")
    assert done.code == 1
    warnings = re.findall(r"warning\[RUN313\]: (.*)", done.err)
    assert len(warnings) == 2, done.err  # after the second and the third epoch
    figures = r"(\d+\.\d\d) KiB needed, (\d+\.\d\d) KiB free"
    for text in warnings:
        place = f"a checkpoint could not be written: the disk is full ({disk} (tmpfs)): "
        assert text.startswith(place), text
        assert text.endswith(f"; the last checkpoint is {disk}/run/checkpoints/00001-step-4")
        needed, left = map(float, re.search(figures, text).groups())
        assert 0 < left < needed < pages(checkpoint) / 1024
    message = " ".join(done.err.split("error[")[1].split())
    assert message.startswith(f"RUN313]: the weights could not be written: the disk is full ({disk} (tmpfs)): ")
    assert f"the last checkpoint is 00001-step-4: fix that, and `archspec train --resume {disk}/run`" in message
    assert [path.name for path in (disk / "run/checkpoints").iterdir()] == ["00001-step-4"]
    assert not list((disk / "run").rglob(".*"))
    assert not (disk / "run/weights.safetensors").exists()

    filler.unlink()
    done = cli("train", "--resume", disk / "run")
    assert done.code == 0, done.err
    assert done.err.startswith("note: resuming from 00001-step-4 ")
    assert (disk / "run/weights.safetensors").read_bytes() == Path("whole/weights.safetensors").read_bytes()
