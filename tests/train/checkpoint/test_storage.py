"""Checkpoints: whole or absent whatever fails, and every harm noticed before anything is parsed."""

import contextlib
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.state import SavedState, Snapshot
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
from archspec.train.loop import fit
from archspec.train.summary import EpochResult
from tests.train.faults import Killed, system
from tests.train.helpers import CPU, batches, data, network, recipe

NAMES = [*FILES, "manifest.sha256"]


def snapshot(step=7):
    generator = torch.Generator().manual_seed(step)
    state = SavedState(
        format=1, step=step, steps_per_epoch=5, results=[EpochResult(1, 0.1, 1 / 3, 2e-300, 0.7, 123.4, 5.6)],
        rng={"cpu": "AAAA"}, scaler={"scale": 65536.0, "growth_interval": 2000}, micro_batch=None,
        optimizer={"kind": "SGD", "numbers": {"a": {"step": 3, "x": 0.1, "flag": True}}},
        meter={"images": [10, 8], "seconds": 0.25}, parts={"ema": {"decay": [0.9, None, "x"]}}, digest="d",
        conditions={"threads": 1, "device": "cpu"}, best=None,
    )
    weights = {"a": torch.randn(3, 4, generator=generator), "n": torch.tensor(step)}
    return Snapshot(state, weights, {"optimizer/momentum_buffer/a": torch.randn(3, 4, generator=generator)})


def same(a, b):
    return a.state == b.state and all(
        x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x)
        for x, y in ((a.weights, b.weights), (a.training, b.training))
    )


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


# Every call of the system fails in turn.

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


# What is kept.

class Accuracies(Callback):
    """Gives the epochs these test accuracies."""

    phase = Phase.UPDATE

    def __init__(self, values):
        self.values = values

    def on_epoch(self, run):
        run.state.results[-1] = replace(run.state.results[-1], evaluated_loss=1.0, evaluated_accuracy=self.values[run.state.epoch - 1])


def kept(folder, accuracies, *, keep=2, every=None, resume=None, callbacks=()):
    chosen = recipe(epochs=len(accuracies))
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    saves = Checkpointer(folder, keep=keep, every=every or Every())
    if resume is not None:
        saves.goes_on_from(resume)
    fit(
        network(), batches(data(), chosen), test, chosen, device=CPU,
        callbacks=[Accuracies(accuracies), saves, *callbacks], resume=resume and resume.saved,
    )
    return [int(path.name.partition("-step-")[2]) for path in checkpoints(folder)], saves


@pytest.mark.parametrize(("accuracies", "expected"), [
    ([0.1, 0.2, 0.3, 0.4], [15, 20]),
    ([0.1, 0.5, 0.3, 0.4], [10, 15, 20]),
    ([0.5, 0.5, 0.5, 0.5], [5, 15, 20]),
])
def test_the_last_ones_and_the_best_are_kept(tmp_path, accuracies, expected):
    steps, saves = kept(tmp_path, accuracies)
    assert steps == expected
    best = accuracies.index(max(accuracies)) + 1
    assert read_checkpoint(saves.last).state.best == f"{best:05d}-step-{5 * best}"


def test_the_best_stays_across_a_resume(tmp_path):
    kept(tmp_path, [0.5, 0.1, 0.1])
    steps, _ = kept(tmp_path, [0.5, 0.1, 0.1, 0.2, 0.2, 0.2], resume=newest(tmp_path))
    assert steps == [5, 25, 30]


def test_damaged_ones_do_not_count(tmp_path):
    kept(tmp_path, [0.5, 0.1, 0.1], keep=3)
    last = checkpoints(tmp_path)[-1]
    (last / "state.json").write_text("")
    found = newest(tmp_path)
    assert found.saved.state.step == 10
    steps, _ = kept(tmp_path, [0.5, 0.1, 0.1], resume=found)
    assert steps == [5, 10, 15]
    assert not last.exists()


@pytest.mark.parametrize(("every", "expected"), [
    (Every(4, None, None), [4, 5, 8, 10, 12, 15]),  # each epoch is the best so far
    (Every(None, 2, None), [5, 10, 15]),
    (Every(None, None, 1e9), [5, 10, 15]),
    (Every(None, None, None), []),
    (Every(1, None, None), [*range(1, 16)]),
])
def test_when_it_saves(tmp_path, every, expected):
    steps, _ = kept(tmp_path, [0.1, 0.2, 0.3], keep=100, every=every)
    assert sorted(set(steps)) == expected


def test_seconds(tmp_path, monkeypatch):
    """A step takes a second: every third is saved, the clock starting anew at each."""
    clock = [0.0]
    monkeypatch.setattr("archspec.train.checkpoint.policy.time.monotonic", lambda: clock[0])

    class Slow(Callback):
        def on_step(self, run):
            clock[0] += 1

    steps, _ = kept(tmp_path, [0.3, 0.2, 0.1], keep=100, every=Every(None, None, 3), callbacks=[Slow()])
    assert steps == [4, 5, 9, 12, 15, 15]  # after step 4 three seconds are over; epoch 1 is the best so far


def test_a_full_disk_ends_nothing(tmp_path, monkeypatch):
    """The failure is told, the run goes on, the next save is tried, and the checkpoint before stays."""
    notices = []

    class Notices(Callback):
        def on_notice(self, text):
            notices.append(text)

    class Full(Callback):
        phase = Phase.UPDATE

        def on_epoch(self, run):
            if run.state.epoch == 2:
                self.system.at = self.system.count + 12

    full = Full()
    with system(how="full") as full.system:
        steps, _ = kept(tmp_path, [0.1, 0.2, 0.3], callbacks=[Notices()], every=Every())
        assert (steps, notices) == ([10, 15], [])
        shutil.rmtree(tmp_path / "00003-step-15")
    with system(how="full") as full.system:
        chosen = recipe(epochs=3)
        test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
        fit(network(), batches(data(), chosen), test, chosen, device=CPU,
            callbacks=[full, Checkpointer(tmp_path / "c", keep=5), Notices()])
    assert [path.name for path in checkpoints(tmp_path / "c")] == ["00001-step-5", "00002-step-15"]
    (text,) = notices
    assert text.startswith("warning[RUN313]: a checkpoint could not be written: the disk is full (")
    assert text.endswith(f"; the last checkpoint is {tmp_path / 'c' / '00001-step-5'}")
    assert " KiB needed, " in text


def test_at_least_one_is_kept(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        Checkpointer(tmp_path, keep=0)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_a_checkpoint_is_as_readable_as_other_files(tmp_path):
    other = tmp_path / "other"
    other.touch()
    write_checkpoint(tmp_path / "c", snapshot())
    for name in NAMES:
        assert (tmp_path / "c" / name).stat().st_mode == other.stat().st_mode
