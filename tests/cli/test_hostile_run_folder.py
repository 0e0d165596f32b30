"""A run folder in which somebody has planted links, pipes and foreign files: nothing outside of it changes."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from archspec.cli import run as run_command

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages:
  head: [flatten, linear: 10]
train: {data: digits, lr: 0.1, batch_size: 50, epochs: 1}
"""
FILES = ("manifest.sha256", "weights.safetensors", "training.safetensors", "state.json", "environment.json", "notes")
# Where something may be planted, besides the files that are there.
NEW = (
    ".x.part", ".metrics.jsonl.1.part", ".environment.json.99.part", "checkpoints/.x.part",
    "checkpoints/.00001-step-1.1.part", "checkpoints/.00001-step-1.old.7.part", "checkpoints/00000-step-0",
    "checkpoints/00001-step-7", "checkpoints/00009-step-9", "checkpoints/00003-step-3", "tensorboard", "findings.json",
    "spec-until-step-2.yaml", "confusion-evaluate.svg", "runs",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of two steps, a checkpoint each, and a picture."""
    place = tmp_path_factory.mktemp("whole")
    (place / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    (place / "picture.pgm").write_bytes(b"P5 8 8 255 " + bytes(range(64)))
    arguments = ["--limit-train", "100", "--limit-test", "20", "--checkpoint-every", "1", "--tensorboard"]
    assert run_command(["train", str(place / "tiny.yaml"), "--run-dir", str(place / "run"), *arguments]) == 0
    return place


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    fill_outside()
    return tmp_path


def fill_outside() -> None:
    """A folder that looks like a checkpoint, with one more in it."""
    shutil.rmtree("outside", ignore_errors=True)
    for folder in (Path("outside"), Path("outside/00001-step-1")):
        folder.mkdir()
        for name in FILES:
            (folder / name).write_bytes(name.encode())


def contents(folder: str = "outside") -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
        for path in sorted(Path(folder).rglob("*"))
    }


@pytest.fixture
def patience() -> Iterator[None]:
    """What waits for a pipe is interrupted."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError("it waits for ever")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def use(cli: Cli) -> list[int]:
    """All commands that take a run folder; their exit codes."""
    codes = []
    for command in (("train", "--resume", "run", "--tensorboard"), ("evaluate", "run"), ("predict", "run", "picture.pgm")):
        done = cli(*command)
        assert done.code in (0, 1), done.err
        assert "waits for ever" not in done.err
        assert done.code == 0 or done.err.count("error[") == 1, done.err
        codes.append(done.code)
    return codes


def plant(path: Path, kind: str) -> None:
    """Put something in place of what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    path.parent.mkdir(exist_ok=True)
    match kind:
        case "link to a folder":
            path.symlink_to(Path("outside").absolute())
        case "link to a file":
            path.symlink_to(Path("outside/notes").absolute())
        case "hard link":
            path.hardlink_to("outside/notes")
        case "dangling link":
            path.symlink_to(Path("outside/new").absolute())
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")


KINDS = ("link to a folder", "link to a file", "hard link", "dangling link", "pipe", "device")


def everywhere() -> list[str]:
    there = [str(path.relative_to("run")) for path in sorted(Path("run").rglob("*"))]
    return sorted({*NEW, *(name for name in there if not name.startswith("tensorboard/"))})


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(("name", "kind", "expected"), [
    ("checkpoints/.x.part", "link to a folder", [0, 0, 0]),
    ("checkpoints/.00001-step-1.1.part", "link to a folder", [0, 0, 0]),
    ("checkpoints/00001-step-7", "link to a folder", [0, 0, 0]),
    ("checkpoints/00009-step-9", "link to a folder", [0, 0, 0]),
    ("checkpoints", "link to a folder", [1, 0, 0]),
    ("tensorboard", "link to a folder", [1, 0, 0]),
    ("weights.safetensors", "link to a file", [0, 0, 0]),  # the resumed run writes it anew
    ("metrics.jsonl", "pipe", [0, 0, 0]),
    ("environment.json", "pipe", [1, 0, 0]),  # --limit-train is not known any more
    ("spec.yaml", "pipe", [1, 1, 1]),
    ("checkpoints/00002-step-2/state.json", "pipe", [0, 0, 0]),
    ("checkpoints/00002-step-2/manifest.sha256", "device", [0, 0, 0]),
])
def test_what_is_planted_is_neither_followed_nor_waited_for(cli: Cli, place: Path, name, kind, expected) -> None:
    plant(Path("run", name), kind)
    before = contents()
    assert use(cli) == expected
    assert contents() == before


@pytest.mark.slow
@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("seed", range(60))
def test_anything_planted_anywhere_changes_nothing_outside(cli: Cli, place: Path, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        plant(Path("run", chance.choice(everywhere())), chance.choice(KINDS))
    before = contents()
    use(cli)
    assert contents() == before


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("name", ["weights.safetensors", "weights.sha256", "spec.yaml"])
def test_evaluate_refuses_a_link_in_one_line(cli: Cli, place: Path, name: str) -> None:
    plant(Path("run", name), "link to a file")
    done = cli("evaluate", "run")
    assert (done.code, done.out) == (1, "") and f"{name} is a link" in done.err.replace("safetensors cannot be used: it is", "safetensors is")


def test_options_that_are_not_known_any_more_are_asked_for(cli: Cli, place: Path) -> None:
    plant(Path("run/environment.json"), "pipe")
    done = cli("train", "--resume", "run")
    assert done.code == 1
    assert "warning: run/environment.json cannot be used: it is a pipe, not a regular file; give --limit-train" in done.err
    assert cli("train", "--resume", "run", "--limit-train", "100", "--limit-test", "20").code == 0


def test_an_unknown_file_in_a_checkpoint_stays_and_its_folder_with_it(cli: Cli, place: Path) -> None:
    note = Path("run/checkpoints/00001-step-1/my-notes.txt")
    note.write_text("mine")
    assert cli("train", "--resume", "run", "--keep-checkpoints", "1", "--epochs", "3").code == 0
    assert note.read_text() == "mine"
    assert [path.name for path in note.parent.iterdir()] == [note.name]


def test_drafts_that_archspec_did_not_write_stay(cli: Cli, place: Path) -> None:
    for name in ("run/.mine.part", "run/.movie.mkv.1.part", "run/.metrics.jsonl.1.part"):
        Path(name).write_text("x")
    Path("run/.folder.json.1.part").mkdir()
    Path("run/.folder.json.1.part/mine").write_text("x")
    assert cli("train", "--resume", "run").code == 0
    assert sorted(path.name for path in Path("run").glob(".*")) == [".folder.json.1.part", ".mine.part", ".movie.mkv.1.part"]
    assert Path("run/.folder.json.1.part/mine").exists()


def test_the_run_folder_itself_may_be_a_link(cli: Cli, place: Path) -> None:
    Path("run").rename("elsewhere")
    Path("run").symlink_to("elsewhere")
    assert use(cli) == [0, 0, 0]


def test_every_file_of_a_run_is_known_to_what_clears_up(place: Path) -> None:
    """A draft of a name that `clear_drafts` does not know would stay for ever."""
    from archspec.atomic_files import _OWN_DRAFT

    there = [path for path in Path("run").rglob("*") if path.is_file() and "tensorboard" not in path.parts]
    assert len(there) > 6
    for path in there:
        if path.parent.parent.name != "checkpoints":
            assert _OWN_DRAFT.fullmatch(f".{path.name}.1.part"), path
    for path in Path("run/checkpoints").iterdir():
        assert _OWN_DRAFT.fullmatch(f".{path.name}.1.part"), path


def test_a_flipped_bit_in_the_weights_is_refused_and_the_remedy_works(cli: Cli, place: Path) -> None:
    path = Path("run/weights.safetensors")
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0x40
    path.write_bytes(changed)
    for command in (("evaluate", "run"), ("predict", "run", "picture.pgm")):
        done = cli(*command)
        assert done.code == 1 and "error[RUN361]: the weights run/weights.safetensors cannot be used" in done.err
        assert "archspec train --resume run" in done.err.replace("\n", " ")
    assert cli("train", "--resume", "run").code == 0
    assert path.read_bytes() == whole
    assert cli("evaluate", "run").code == 0


def test_a_run_without_a_digest_is_evaluated_with_a_note(cli: Cli, place: Path) -> None:
    Path("run/weights.sha256").unlink()
    done = cli("evaluate", "run")
    assert done.code == 0 and done.err.startswith("note: there is no weights.sha256 beside run/weights.safetensors")


@pytest.mark.parametrize("name", ["confusion.svg", "findings.json"])
def test_a_folder_in_the_place_of_an_extra_costs_a_warning_not_the_run(cli: Cli, place: Path, name: str) -> None:
    Path("run", name).unlink()
    Path("run", name).mkdir()
    done = cli("train", "--resume", "run", "--epochs", "2")
    assert done.code == 0, done.err
    assert f"could not be written to run/{name}: is a directory" in " ".join(done.err.split())
    assert Path("run/weights.sha256").exists()


def test_a_folder_in_the_place_of_the_picture_is_one_clear_error(cli: Cli, place: Path) -> None:
    Path("run/confusion-evaluate.svg").mkdir()
    Path("run/confusion.svg").unlink()
    Path("run/confusion.svg").mkdir()
    done = cli("evaluate", "run")
    assert done.code == 1 and done.err.count("error[RUN313]: the picture could not be written to run/confusion") == 1
    assert "= hint: rename or remove the folder run/confusion" in done.err
