"""The file that `-o` names: links and pipes."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from tests.results.helpers import make_run

from .conftest import Cli


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(Path("runs/a"))


COMMANDS = [
    ("show", "lenet", "-o"), ("report", "runs", "-o"), ("curves", "runs", "-o"),
    ("profile", "lenet", "--static", "--batch-size", "1,2", "-o"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_link_stays_and_its_target_gets_the_result(cli: Cli, command: tuple[str, ...]) -> None:
    Path("there").mkdir()
    Path("there/old.svg").write_text("old")
    Path("link.svg").symlink_to("there/old.svg")
    Path("new.svg").symlink_to("there/new.svg")
    for link, target in (("link.svg", "there/old.svg"), ("new.svg", "there/new.svg")):
        assert cli(*command, link).code == 0
        assert Path(link).is_symlink() and Path(target).read_text(encoding="utf-8").startswith("<")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_pipe_is_written_to_and_not_replaced(cli: Cli, command: tuple[str, ...]) -> None:
    os.mkfifo("pipe.svg")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe.svg").read_text(encoding="utf-8")), daemon=True)
    reader.start()
    done = cli(*command, "pipe.svg")
    assert done.code == 0 and stat.S_ISFIFO(Path("pipe.svg").lstat().st_mode)
    reader.join(timeout=10)
    assert read and read[0].startswith("<")


def test_a_link_in_a_run_folder_is_not_followed(cli: Cli) -> None:
    """Its place is not named by the user, and what is in a run's folder is not trusted."""
    Path("mine.svg").write_text("mine")
    Path("runs/a/curves.svg").symlink_to("../../mine.svg")
    assert cli("curves", "runs/a").code == 0
    assert Path("mine.svg").read_text() == "mine" and not Path("runs/a/curves.svg").is_symlink()
