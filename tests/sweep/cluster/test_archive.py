"""Folders as bytes: what a node sends is unpacked into its folder and nowhere else."""

import io
import os
import tarfile

import pytest

from archspec.sweep.cluster.archive import BadArchive, pack, replace_folder, unpack


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def archive_of(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name, kind=tarfile.REGTYPE, target=""):
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    (folder / "checkpoints" / "00001-step-7").mkdir(parents=True)
    (folder / "spec.yaml").write_text("archspec: 1\n")
    (folder / "checkpoints" / "00001-step-7" / "state.json").write_bytes(bytes(range(256)) * 100)
    (folder / "ärger.txt").write_text("")
    return folder


def test_a_folder_comes_back_as_it_was(run, tmp_path):
    unpack(pack(run), tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(run)


def test_links_drafts_and_pipes_do_not_travel(run, tmp_path):
    before = files_of(run)
    (tmp_path / "secret").write_text("secret")
    (run / "link").symlink_to(tmp_path / "secret")
    (run / "folder").symlink_to(tmp_path)
    (run / ".spec.yaml.12.part").write_text("half")
    (run / ".00002-step-9.12.part").mkdir()
    (run / ".00002-step-9.12.part" / "state.json").write_text("half")
    os.mkfifo(run / "pipe")
    unpack(pack(run), tmp_path / "copy")
    assert files_of(tmp_path / "copy") == before


@pytest.mark.parametrize("bad", [
    member("../out"), member("/tmp/out"), member("a/../../out"), member("a/./b"), member("a//b"), member(".hidden"),
    member("C:out"), member("a\\..\\out"), member("x" * 300), member("new\nline"), member("a/" * 9 + "b"),
    member("link", tarfile.SYMTYPE, "/etc"), member("link", tarfile.LNKTYPE, "spec.yaml"),
    member("pipe", tarfile.FIFOTYPE), member("device", tarfile.CHRTYPE), member("folder", tarfile.DIRTYPE),
    member("spec.yaml"),
], ids=lambda m: repr(m.name[:12]) + str(m.type))
def test_what_leads_elsewhere_is_refused_whole(tmp_path, bad):
    content = archive_of((member("spec.yaml"), b"good"), (bad, b""))
    with pytest.raises(BadArchive):
        unpack(content, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_stands_where_a_folder_must_is_refused(tmp_path):
    with pytest.raises(BadArchive, match="the same name"):
        unpack(archive_of((member("a"), b"x"), (member("a/b"), b"x")), tmp_path / "copy")


@pytest.mark.parametrize("cut", [0, 100, 700])
def test_a_damaged_archive_is_refused(run, tmp_path, cut):
    with pytest.raises(BadArchive):
        unpack(pack(run)[:cut] + b"\x01" * 50, tmp_path / "copy")


def test_a_size_that_is_not_there_is_refused(tmp_path):
    huge = member("zeros")
    huge.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(huge, io.BytesIO(b""))
    with pytest.raises(BadArchive):
        unpack(buffer.getvalue(), tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_is_replaced_whole(run, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    (old / "metrics.csv").write_text("old")
    replace_folder(pack(run), old)
    assert files_of(old) == files_of(run)
    with pytest.raises(BadArchive):
        replace_folder(b"no archive" * 100, old)
    assert files_of(old) == files_of(run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "run"]


def test_a_link_in_the_folders_place_is_replaced_and_not_followed(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "old").symlink_to(tmp_path / "elsewhere")
    replace_folder(pack(run), tmp_path / "old")
    assert files_of(tmp_path / "old") == files_of(run)
    assert list((tmp_path / "elsewhere").iterdir()) == []
