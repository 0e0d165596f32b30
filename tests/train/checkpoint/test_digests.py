"""The weights of a finished run prove to be what was written."""

import hashlib
import shutil
import subprocess

import pytest
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.run_dir.directory import save_weights
from archspec.train.run_dir.weights import check_digest
from tests.train.faults import Killed, system


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_weights(nn.Linear(2, 1), path)
    return path


def refused(path):
    with pytest.raises(SpecError) as caught:
        check_digest(path)
    (found,) = caught.value.diagnostics
    assert found.code == "RUN361" and f"the weights {path} cannot be used" in found.message
    assert f"archspec train --resume {path.parent}" in found.hint
    return found.message


def test_what_was_written_is_accepted_without_a_word(weights):
    assert check_digest(weights) == ()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.sha256"])
def test_any_one_bit_that_is_flipped_is_noticed(weights, name):
    path = weights.with_name(name)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert "its SHA-256 is not the one in weights.sha256" in refused(weights)
    path.write_bytes(whole)
    assert check_digest(weights) == ()


@pytest.mark.parametrize("change", [lambda data: b"", lambda data: data[:-1], lambda data: data + b"\0"])
def test_a_file_that_is_empty_shorter_or_longer_is_noticed(weights, change):
    weights.write_bytes(change(weights.read_bytes()))
    refused(weights)


def test_runs_from_before_there_were_digests_load_with_a_note(weights):
    weights.with_suffix(".sha256").unlink()
    (note,) = check_digest(weights)
    assert note.startswith("note: there is no weights.sha256 beside ")


@pytest.mark.parametrize("how", ["link", "folder", "large"])
def test_a_digest_that_is_not_a_small_regular_file_is_refused(weights, how):
    beside = weights.with_suffix(".sha256")
    beside.rename(weights.with_name("other"))
    if how == "link":
        beside.symlink_to("other")
    elif how == "folder":
        beside.mkdir()
    else:
        beside.write_bytes(bytes(1 << 20))
    assert {"link": "is a link", "folder": "is a folder", "large": "is larger than"}[how] in refused(weights)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_the_digest_is_what_sha256sum_reads(weights):
    done = subprocess.run(["sha256sum", "--check", "--strict", "weights.sha256"], cwd=weights.parent, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("how", ["error", "full", "killed", "killed-after"])
def test_whatever_call_fails_weights_and_digest_never_contradict_each_other(tmp_path, how):
    """At worst the digest is missing."""
    old, new, path = nn.Linear(2, 1), nn.Linear(2, 1), tmp_path / "weights.safetensors"
    save_weights(new, path)
    wanted = hashlib.sha256(path.read_bytes()).digest()
    with system() as counted:
        save_weights(old, path)
    seen = set()
    for at in range(1, counted.count + 1):
        save_weights(old, path)
        try:
            with system(at, how):
                save_weights(new, path)
        except (SpecError, Killed):
            pass
        is_new = hashlib.sha256(path.read_bytes()).digest() == wanted
        seen.add((is_new, bool(check_digest(path))))  # which raises where they contradict each other
    assert {(False, False), (True, True)} <= seen
