"""Files: found, refused, named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.diagnostics import SpecError
from archspec.source import Limits, read


def test_a_file_is_read_under_the_name_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_bytes("\ufeffa: é\n".encode())
    assert read("x.yaml").data == read(Path("x.yaml")).data == {"a": "é"}
    assert read("x.yaml").span(("a",)).path == "x.yaml"


def _refused(path, **limits):
    with pytest.raises(SpecError) as caught:
        read(path, Limits(**limits))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("large").write_bytes(b"#" * 2000)
    Path("loop").symlink_to("loop")
    assert _refused("none.yaml") == ("SPEC001", "none.yaml: no such file")
    assert _refused("large/x.yaml") == ("SPEC001", "large/x.yaml: not a directory")
    assert _refused(".") == ("SPEC001", ". is a folder, not a regular file")
    assert _refused("pipe") == ("SPEC001", "pipe is a pipe, not a regular file")
    assert _refused("/dev/zero") == ("SPEC001", "/dev/zero is a device, not a regular file")
    assert _refused("loop")[0] == "SPEC001"
    assert _refused("nul\0.yaml")[0] == "SPEC001"
    assert _refused("x" * 5000)[0] == "SPEC001"
    assert _refused("large", max_bytes=1999) == ("SPEC003", "large: larger than 1,999 bytes")
    assert read("large", Limits(max_bytes=2000)).data is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "x.yaml"
    path.touch(0o000)
    assert _refused(path) == ("SPEC001", f"{path}: permission denied")


def test_a_name_that_would_speak_to_the_terminal(tmp_path):
    assert _refused(str(tmp_path / "a\x1b[2Jb"))[1].endswith("a?[2Jb: no such file")
