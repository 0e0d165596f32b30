"""`archspec fmt`."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from .conftest import Cli

ODD = "archspec:  1\ninput: [1,2]  # features\nstages: {a:  flatten}\n"
TIDY = "archspec: 1\ninput: [1, 2] # features\nstages: {a: flatten}\n"


def run_fmt(cli: Cli, *arguments: object) -> tuple[int, str, str]:
    done = cli("fmt", *arguments)
    return done.code, done.out, done.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "odd.yaml").write_text(ODD)
    (tmp_path / "tidy.yaml").write_text(TIDY)
    (tmp_path / "sweep.yaml").write_text("archspec-sweep: 1\nspec: lenet\ngrid:\n    train.lr: [ 0.1 ]\n")
    (tmp_path / "other.yaml").write_text("x:   1\n")
    return tmp_path


def test_a_folder_is_formatted_once(cli: Cli, folder: Path) -> None:
    assert run_fmt(cli, folder) == (0, "2 files formatted, 1 file already formatted\n", "")
    assert (folder / "odd.yaml").read_text() == TIDY
    assert (folder / "sweep.yaml").read_text() == "archspec-sweep: 1\nspec: lenet\ngrid:\n  train.lr: [0.1]\n"
    assert (folder / "other.yaml").read_text() == "x:   1\n"
    assert run_fmt(cli, folder) == (0, "3 files already formatted\n", "")
    assert sorted(p.name for p in folder.iterdir()) == ["odd.yaml", "other.yaml", "sweep.yaml", "tidy.yaml"]


def test_check_writes_nothing(cli: Cli, folder: Path) -> None:
    out = f"would change: {folder}/odd.yaml\n1 file would change\n"
    assert run_fmt(cli, "--check", folder / "odd.yaml") == (1, out, "")
    assert (folder / "odd.yaml").read_text() == ODD
    assert run_fmt(cli, "--check", folder / "tidy.yaml") == (0, "1 file already formatted\n", "")


def test_diff(cli: Cli, folder: Path) -> None:
    (folder / "odd.yaml").write_text(ODD.rstrip())
    code, out, err = run_fmt(cli, "--diff", folder / "odd.yaml")
    assert (code, err) == (1, "1 file would change\n")
    assert out.splitlines()[3:] == [
        "-archspec:  1", "-input: [1,2]  # features", "-stages: {a:  flatten}", "\\ No newline at end of file",
        "+archspec: 1", "+input: [1, 2] # features", "+stages: {a: flatten}",
    ]
    assert (folder / "odd.yaml").read_text() == ODD.rstrip()


def test_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def given(text: str, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        return run_fmt(cli, "-", *arguments)

    assert given(ODD) == (0, TIDY, "")
    assert given(TIDY) == (0, TIDY, "")
    assert given(ODD, "--check") == (1, "would change: -\n1 file would change\n", "")
    code, out, err = given("a: [\n")
    assert (code, out) == (1, "") and "--> -:1:4" in err
    assert given(ODD, tmp_path)[0] == 2


def test_a_broken_file_is_left_alone_and_others_are_formatted(cli: Cli, folder: Path) -> None:
    (folder / "broken.yaml").write_text("archspec:  1\nstages: {a: *x}\n")
    done = cli("fmt", folder)
    assert (done.code, done.out) == (1, "2 files formatted, 1 file already formatted, 1 file left alone\n")
    assert "error[SPEC005]: alias `*x` is not allowed" in done.err
    assert (folder / "broken.yaml").read_text() == "archspec:  1\nstages: {a: *x}\n"


def test_mode_line_ends_and_byte_order_mark_are_kept(cli: Cli, folder: Path) -> None:
    file = folder / "odd.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + ODD.replace("\n", "\r\n").encode())
    file.chmod(0o640)
    assert cli("fmt", file).code == 0
    assert file.read_bytes() == b"\xef\xbb\xbf" + TIDY.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_links_are_not_followed(cli: Cli, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "target.yaml"
    target.write_text(ODD)
    (folder / "link.yaml").symlink_to(target)
    done = cli("fmt", folder / "link.yaml")
    assert done.code == 1 and f"{folder}/link.yaml is a link, not a regular file" in done.err
    assert cli("fmt", folder).out == "2 files formatted, 1 file already formatted\n"
    assert target.read_text() == ODD and (folder / "link.yaml").is_symlink()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(cli: Cli, folder: Path) -> None:
    folder.chmod(0o555)
    try:
        done = cli("fmt", folder / "odd.yaml")
    finally:
        folder.chmod(0o755)
    assert (done.code, done.out) == (1, "1 file left alone\n") and "cannot be written" in done.err


def test_a_write_that_fails_leaves_the_old_file(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    done = cli("fmt", folder / "odd.yaml")
    assert (done.code, done.out) == (1, "1 file left alone\n")
    assert f"{folder}/odd.yaml cannot be written: no space left on device" in done.err
    assert (folder / "odd.yaml").read_text() == ODD and len(list(folder.iterdir())) == 4


def test_no_spec(cli: Cli, tmp_path: Path) -> None:
    done = cli("fmt", tmp_path)
    assert done.code == 2 and "no spec found" in done.err


def test_a_folder_of_links_only(cli: Cli, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    links = tmp_path_factory.mktemp("links")
    (links / "a.yaml").symlink_to(folder / "odd.yaml")
    done = cli("fmt", links)
    assert (done.code, done.out) == (2, "") and f"no spec found in {links}: links are not followed" in done.err


def test_a_line_break_in_a_name_makes_no_line(cli: Cli, folder: Path) -> None:
    (folder / "a\n1 file formatted.yaml").write_text(ODD)
    lines = cli("fmt", folder, "--check").out.splitlines()
    assert lines[0] == f"would change: {folder}/a\\n1 file formatted.yaml"
    assert cli("fmt", folder, "--diff").out.splitlines()[0] == f"--- {folder}/a\\n1 file formatted.yaml"


def test_limits_can_be_raised(cli: Cli, folder: Path) -> None:
    assert cli("fmt", "--max-events", 5, folder / "tidy.yaml").code == 1
    assert cli("fmt", "--max-bytes", 10**7, folder / "tidy.yaml").code == 0
