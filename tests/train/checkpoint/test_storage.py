"""Checkpoints: whole or absent whatever fails, and every harm noticed before anything is parsed."""

import contextlib
import json
import random
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from archspec.diagnostics import SpecError
from archspec.train.checkpoint.policy import Checkpointer
from archspec.train.checkpoint.state import SavedState
from archspec.train.checkpoint.storage import (
    FILES,
    DamagedError,
    checkpoints,
    manifest,
    newest,
    read_checkpoint,
    state_bytes,
    verify,
    write_checkpoint,
)
from tests.train.checkpoint.helpers import NAMES, same, snapshot
from tests.train.faults import Killed, system


def test_the_epochs_of_archspec_0_1_are_read():
    data = snapshot().state.model_dump(mode="json")
    old = {key.replace("evaluated", "test"): data["results"][0][key] for key in list(data["results"][0])[:7]}
    assert list(old)[3:5] == ["test_loss", "test_accuracy"]
    assert SavedState.model_validate_json(json.dumps({**data, "results": [old]})) == snapshot().state


def test_what_is_read_is_what_was_written(tmp_path):
    path = tmp_path / "00001-step-7"
    write_checkpoint(path, snapshot())
    assert sorted(file.name for file in path.iterdir()) == sorted(NAMES)
    assert same(read_checkpoint(path), snapshot())
    assert list(tmp_path.iterdir()) == [path]


def test_the_weights_are_a_file_of_their_own(tmp_path):
    write_checkpoint(tmp_path / "00001-step-7", snapshot())
    found = load_file(tmp_path / "00001-step-7" / "weights.safetensors")
    assert torch.equal(found["a"], snapshot().weights["a"])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_the_manifest_is_what_sha256sum_reads(tmp_path):
    path = tmp_path / "00001-step-7"
    write_checkpoint(path, snapshot())
    done = subprocess.run(["sha256sum", "--check", "--strict", "manifest.sha256"], cwd=path, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b": OK")) == (0, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(tmp_path, name):
    write_checkpoint(tmp_path / "c", snapshot())
    (tmp_path / "c" / name).unlink()
    with pytest.raises(DamagedError, match=f"^{name} is missing$"):
        read_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("name", FILES)
def test_the_harmed_file_is_named(tmp_path, name):
    write_checkpoint(tmp_path / "c", snapshot())
    file = tmp_path / "c" / name
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    with pytest.raises(DamagedError, match=f"^{name}: its SHA-256 is not what was written$"):
        verify(tmp_path / "c")


def harm(data, how, chance):
    """The bytes with a bit flipped, a block zeroed, or cut short; always other bytes than before."""
    changed = bytearray(data)
    if how == "flip":
        place = chance.randrange(len(data))
        changed[place] ^= 1 << chance.randrange(8)
    elif how == "zero":
        start = chance.randrange(len(data))
        end = min(len(data), start + chance.choice([1, 16, 512]))
        changed[start:end] = bytes(end - start)
    else:
        del changed[chance.randrange(len(data)) :]
    return bytes(changed)


def test_a_thousand_harms_are_all_noticed(tmp_path, monkeypatch):
    """And nothing is parsed before they are: neither JSON nor tensors."""
    write_checkpoint(tmp_path / "c", snapshot())
    whole = {name: (tmp_path / "c" / name).read_bytes() for name in NAMES}
    monkeypatch.setattr(SavedState, "model_validate_json", lambda *a: pytest.fail("JSON was parsed"))
    monkeypatch.setattr("archspec.train.checkpoint.storage.load_file", lambda *a: pytest.fail("tensors were parsed"))
    chance = random.Random(20260101)
    done = dict.fromkeys(NAMES, 0)
    while sum(done.values()) < 1000:
        name, how = chance.choice(NAMES), chance.choice(["flip", "zero", "cut"])
        changed = harm(whole[name], how, chance)
        if changed == whole[name]:  # zeros were zeroed
            continue
        (tmp_path / "c" / name).write_bytes(changed)
        with pytest.raises(DamagedError):
            read_checkpoint(tmp_path / "c")
        (tmp_path / "c" / name).write_bytes(whole[name])
        done[name] += 1
    assert min(done.values()) > 200
    verify(tmp_path / "c")


@pytest.mark.parametrize(("change", "words"), [
    (lambda text: text.replace(b'"step":7', b'"step":-7').replace(b'"step": 7', b'"step": -7'), "state.json: step: "),
    (lambda text: text.replace(b'"format": 1', b'"format": 2'), "state.json: format: "),
    (lambda text: text[:-5], "state.json: the text: "),
    (lambda text: text.replace(b'"train_loss": 0.1', b'"train_loss": "no"'), "state.json: results.0.train_loss: "),
    (lambda text: text.replace(b'"best"', b'"worst"'), "state.json: "),
])
def test_a_state_that_makes_no_sense_is_refused(tmp_path, change, words):
    """A manifest that fits proves nothing of who wrote it."""
    write_checkpoint(tmp_path / "c", snapshot())
    text = change(state_bytes(snapshot().state))
    assert text != state_bytes(snapshot().state)
    (tmp_path / "c" / "state.json").write_bytes(text)
    reseal(tmp_path / "c")
    with pytest.raises(DamagedError, match=words):
        read_checkpoint(tmp_path / "c")


def test_tensors_that_make_no_sense_are_refused(tmp_path):
    write_checkpoint(tmp_path / "c", snapshot())
    (tmp_path / "c" / "weights.safetensors").write_bytes(b"\xff" * 64)
    reseal(tmp_path / "c")
    with pytest.raises(DamagedError, match="its tensors cannot be read"):
        read_checkpoint(tmp_path / "c")


def reseal(path):
    import hashlib

    digests = {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in FILES}
    (path / "manifest.sha256").write_bytes(manifest(digests))


def test_the_newest_sound_one_is_found_and_the_others_are_named(tmp_path):
    assert newest(tmp_path / "none") is None
    for number, step in ((1, 5), (2, 10), (10, 15), (11, 20)):
        write_checkpoint(tmp_path / f"{number:05d}-step-{step}", snapshot(step))
    (tmp_path / ".00012-step-25.99.part").mkdir()
    (tmp_path / "notes").mkdir()
    assert [path.name for path in checkpoints(tmp_path)] == [
        "00001-step-5", "00002-step-10", "00010-step-15", "00011-step-20",
    ]
    assert newest(tmp_path).saved.state.step == 20
    (tmp_path / "00011-step-20" / "state.json").write_text("{}")
    (tmp_path / "00010-step-15" / "manifest.sha256").unlink()
    found = newest(tmp_path)
    assert found.path.name == "00002-step-10"
    assert found.damaged == {
        tmp_path / "00011-step-20": "state.json: its SHA-256 is not what was written",
        tmp_path / "00010-step-15": "manifest.sha256 is missing",
    }
    assert same(found.saved, snapshot(10))


def test_none_that_can_be_used(tmp_path):
    write_checkpoint(tmp_path / "00003-step-5", snapshot())
    (tmp_path / "00003-step-5" / "weights.safetensors").unlink()
    with pytest.raises(SpecError) as caught:
        newest(tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.notes) == ("RUN314", ("00003-step-5: weights.safetensors is missing",))


def save(folder, number):
    """A save as a run does it, old ones being removed."""
    folder.mkdir(exist_ok=True)
    saves = Checkpointer(folder, keep=1)
    saves.on_start(None)
    write_checkpoint(folder / f"{number:05d}-step-{5 * number}", snapshot(5 * number))
    saves._prune()


@pytest.mark.parametrize("how", ["error", "full", "short", "killed", "killed-after"])
def test_whatever_call_fails_the_checkpoint_before_is_whole(tmp_path, how):
    before, folder = tmp_path / "before", tmp_path / "checkpoints"
    save(before, 1)
    shutil.copytree(before, folder)
    with system() as counted:
        save(folder, 2)
    assert counted.count > 40  # opening, writing, syncing, closing four files; naming, syncing, removing folders
    outcomes = set()
    for at in range(1, counted.count + 1):
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        with contextlib.suppress(OSError, Killed), system(at, how):
            save(folder, 2)
        found = newest(folder)
        outcomes.add(found.saved.state.step)
        assert same(found.saved, snapshot(found.saved.state.step)), f"call {at}"
        assert not found.damaged, f"call {at}"
        with system():
            save(folder, 3)  # the next one finds nothing in its way, and clears up
        assert [path.name for path in folder.iterdir()] == ["00003-step-15"], f"call {at}"
    assert outcomes == ({10} if how == "short" else {5, 10})


def test_an_error_leaves_no_rubbish(tmp_path):
    path = tmp_path / "00001-step-7"
    with system() as counted:
        write_checkpoint(path, snapshot())
    for at in range(1, counted.count + 1):
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError), system(at, "full"):
            write_checkpoint(path, snapshot())
        assert [p for p in tmp_path.iterdir() if p != path] == [], f"call {at}"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_a_checkpoint_is_as_readable_as_other_files(tmp_path):
    other = tmp_path / "other"
    other.touch()
    write_checkpoint(tmp_path / "c", snapshot())
    for name in NAMES:
        assert (tmp_path / "c" / name).stat().st_mode == other.stat().st_mode
