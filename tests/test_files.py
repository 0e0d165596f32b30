"""Reading files that anybody may have put there."""

import os
import socket
from pathlib import Path

import pytest

from archspec.files import is_folder, is_regular, kind_of, open_regular, read_regular

KINDS = ["a link", "a folder", "a pipe", "a socket", "a device"]


@pytest.fixture(params=KINDS)
def special(request, tmp_path: Path, monkeypatch) -> tuple[str, Path]:
    """Something that is not a regular file, and what it is."""
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    path = Path("special")
    match request.param:
        case "a link":
            Path("outside").write_text("secret")
            path.symlink_to("outside")
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a socket":
            socket.socket(socket.AF_UNIX).bind(str(path))
        case "a device":
            path = Path("/dev/zero")
    return request.param, path


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_is_not_a_regular_file_is_refused_by_its_kind_and_never_waited_for(special) -> None:
    kind, path = special
    for read in (open_regular, lambda path: read_regular(path, 10)):
        with pytest.raises(OSError, match=f"is {kind}, not a regular file"):
            read(path)
    assert kind_of(path) == kind and not is_regular(path) and is_folder(path) == (kind == "a folder")


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert read_regular(path, 10) == b"0123456789"
    assert is_regular(path) and kind_of(path) is None and not is_folder(path)


def test_a_link_is_followed_only_where_the_user_named_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 10, follow=True) == b"content"
    (tmp_path / "to-folder").symlink_to(tmp_path)
    with pytest.raises(OSError, match="is a folder, not a regular file"):
        open_regular(tmp_path / "to-folder", follow=True)


@pytest.mark.parametrize(("limit", "said"), [(9, "is larger than 9 B"), (1 << 20, "is larger than 1.00 MiB")])
def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path, limit: int, said: str) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of holes
    with pytest.raises(OSError, match=said):
        read_regular(path, limit)


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
    assert kind_of(tmp_path / "none") is None and not is_regular(tmp_path / "none") and not is_folder(tmp_path / "none")


def test_a_file_that_becomes_a_pipe_between_look_and_open_is_refused(tmp_path: Path, monkeypatch) -> None:
    """An attacker who swaps them at the right moment gains nothing."""
    (tmp_path / "file").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe")
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: real(tmp_path / "pipe", flags))
    with pytest.raises(OSError, match="is a pipe"):
        open_regular(tmp_path / "file")
