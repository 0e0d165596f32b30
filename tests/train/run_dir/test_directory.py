"""What a run leaves behind, also when it ends badly."""

import json
import shutil
from datetime import datetime

import pytest
import torch
from safetensors.torch import load_file

from archspec.atomic_files import whole_file
from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback, Phase
from archspec.train.checkpoint.policy import Checkpointer
from archspec.train.checkpoint.storage import newest
from archspec.train.doctor import Doctor
from archspec.train.loop import fit
from archspec.train.run_dir.directory import RunFolder, check_free, new_run_path, save_weights
from archspec.train.run_dir.weights import check_digest
from tests.train.faults import Killed, system
from tests.train.helpers import CPU, batches, data, network, recipe


def run(folder, callbacks=(), model=None):
    chosen = recipe(epochs=2)
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    model = model or network()
    return fit(model, batches(data(), chosen), test, chosen, device=CPU, callbacks=[folder, *callbacks]), model


def test_the_four_files(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b", spec="archspec: 1\n# ü\n", environment={"seed": 3})
    summary, model = run(folder)
    assert sorted(p.name for p in folder.path.iterdir()) == [
        "environment.json", "metrics.csv", "metrics.jsonl", "spec.yaml", "summary.json", "weights.safetensors",
        "weights.sha256",
    ]
    assert (folder.path / "spec.yaml").read_text(encoding="utf-8") == "archspec: 1\n# ü\n"
    assert json.loads((folder.path / "environment.json").read_text()) == {"seed": 3}
    lines = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [row.to_json() for row in summary.epochs]
    assert list(lines[0]) == [
        "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "images_per_s", "seconds",
        "step", "learning_rate", "gradient_norm", "peak_memory_bytes",
    ]
    weights = load_file(folder.path / "weights.safetensors")
    assert weights.keys() == model.state_dict().keys()
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())


def test_channels_last_weights_are_saved_in_the_plain_layout(tmp_path):
    model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    save_weights(model, tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["weight"], model.weight)


class Spoil(Callback):
    """From a certain call of the system on everything fails, as if the process were killed there."""

    def __init__(self, folder, at):
        self.folder, self.at, self.calls = folder, at, 0

    def on_start(self, run):
        with system(self.at, "killed") as counted:
            self.folder.on_start(run)
        self.calls = counted.count
        raise Killed


def started(folder, at=None):
    """As `folder` is left by a start that is killed at that call; the number of calls of one that is not."""
    spoil = Spoil(folder, at)
    with pytest.raises(Killed):
        run(spoil)
    folder.on_end(None)
    return spoil.calls


@pytest.mark.parametrize("resumed", [False, True])
def test_killed_at_any_moment_of_the_start_it_is_a_run_or_none(tmp_path, resumed):
    """A spec.yaml says that there is a run: what it was started with is there too, and no spec is ever lost."""

    def fresh(name):
        path = tmp_path / name
        if resumed:
            started(RunFolder(path, spec="old", environment={"seed": 3}))
        return RunFolder(path, spec="new", environment={"seed": 4}, resumed=resumed)

    calls, found = started(fresh("whole")), set()
    assert calls > 10
    for at in range(1, calls + 1):
        folder = fresh(str(at))
        started(folder, at)
        texts = {path.read_text() for path in folder.path.glob("spec*.yaml")} if folder.path.exists() else set()
        found.add(tuple(sorted(texts)))
        if texts:
            assert (folder.path / "spec.yaml").exists()
            assert json.loads((folder.path / "environment.json").read_text())["seed"] == (3 if resumed else 4)
    assert found == ({("old",), ("new", "old")} if resumed else {(), ("new",)})


class FailAfterEpoch(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, run):
        if run.state.epoch == self.epoch:
            raise RuntimeError("no")


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_run_that_ends_badly_leaves_its_epochs_and_no_weights(tmp_path, epoch):
    folder = RunFolder(tmp_path / "r", spec="", environment={})
    with pytest.raises(RuntimeError, match="no"):
        run(folder, [FailAfterEpoch(epoch)])
    assert not (folder.path / "weights.safetensors").exists()
    assert len((folder.path / "metrics.jsonl").read_text().splitlines()) == epoch


def test_a_run_that_never_starts_leaves_nothing(tmp_path):
    RunFolder(tmp_path / "r", spec="", environment={})
    assert not (tmp_path / "r").exists()


def test_only_a_free_folder_is_taken(tmp_path):
    check_free(tmp_path / "new")
    check_free(tmp_path)
    (tmp_path / "file").write_text("x")
    for taken in (tmp_path, tmp_path / "file"):
        with pytest.raises(SpecError) as caught:
            check_free(taken)
        (diagnostic,) = caught.value.diagnostics
        assert (diagnostic.code, diagnostic.message) == ("RUN312", f"the run folder {taken} is not empty")


NOW = datetime(2026, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(("name", "expected"), [
    ("lenet_relu", "lenet_relu-20260102-030405"),
    ("../../etc/passwd", "etc-passwd-20260102-030405"),
    ("a b\n\x1b[31m", "a-b-31m-20260102-030405"),
    ("..", "run-20260102-030405"),
    ("", "run-20260102-030405"),
    ("x" * 300, "x" * 80 + "-20260102-030405"),
])
def test_the_name_of_a_run_cannot_lead_elsewhere(tmp_path, name, expected):
    assert new_run_path(name, tmp_path, NOW) == tmp_path / expected


def test_a_taken_name_gets_a_number(tmp_path):
    for number in ("", "-2", "-3"):
        path = new_run_path("n", tmp_path, NOW)
        assert path.name == f"n-20260102-030405{number}"
        path.mkdir()


def test_a_whole_file_is_the_old_one_or_the_new_one(tmp_path):
    path = tmp_path / "f"
    with whole_file(path) as draft:
        draft.write_text("old")
        assert not path.exists()
    with pytest.raises(OSError, match="full"), whole_file(path) as draft:
        draft.write_text("half of the ne")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with whole_file(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_weights_are_as_readable_as_the_other_files(tmp_path):
    other = tmp_path / "other"
    other.touch()
    save_weights(torch.nn.Linear(2, 2), tmp_path / "w")
    assert (tmp_path / "w").stat().st_mode == other.stat().st_mode


def test_a_failed_save_keeps_the_old_weights(tmp_path, monkeypatch):
    path = tmp_path / "w"
    save_weights(torch.nn.Linear(2, 2), path)
    old = path.read_bytes()
    digest = path.with_suffix(".sha256")

    def fail(tensors):
        yield b"half"
        raise OSError("no space left")

    monkeypatch.setattr("archspec.train.run_dir.weights.tensor_file", fail)
    with pytest.raises(SpecError, match=r"the weights could not be written to .*: no space left") as caught:
        save_weights(torch.nn.Linear(2, 2), path)
    assert caught.value.diagnostics[0].code == "RUN313"
    assert path.read_bytes() == old
    assert check_digest(path) == ()
    assert sorted(tmp_path.iterdir()) == [path, digest]


class At(Callback):
    """Does something to the run's folder after an epoch, before the folder is written to."""

    phase = Phase.UPDATE

    def __init__(self, act, epoch=1):
        self.act, self.epoch = act, epoch

    def on_epoch(self, run):
        if run.state.epoch == self.epoch:
            self.act()


class Notices(Callback):
    def __init__(self):
        self.texts = []

    def on_notice(self, text):
        self.texts.append(text)


def clear(path):
    for inside in path.iterdir():
        shutil.rmtree(inside) if inside.is_dir() else inside.unlink()


def renew(path):
    shutil.rmtree(path)
    path.mkdir()


@pytest.mark.parametrize("act", [
    shutil.rmtree, lambda path: path.rename(path.with_name("moved")), lambda path: (path / "spec.yaml").unlink(),
    clear, lambda path: shutil.rmtree(path.parent),
], ids=["removed", "moved", "without its spec", "emptied", "removed with its parent"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_a_run_folder_that_disappears_is_written_anew_and_that_is_said(tmp_path, act, epoch):
    path = tmp_path / "runs" / "r"
    folder, notices = RunFolder(path, spec="a spec", environment={"seed": 3}), Notices()
    saves = Checkpointer(path / "checkpoints", before_save=folder.check)
    summary = fit_in([At(lambda: act(path), epoch), folder, saves, notices])
    assert [text for text in notices.texts if "RUN336" in text] == notices.texts
    assert len(notices.texts) == 1 and str(path) in notices.texts[0]
    assert (path / "spec.yaml").read_text() == "a spec"
    assert json.loads((path / "environment.json").read_text()) == {"seed": 3}
    assert len((path / "metrics.jsonl").read_text().splitlines()) == len(summary.epochs) == 2
    assert newest(path / "checkpoints").saved.state.step == 10
    assert check_digest(path / "weights.safetensors") == ()


def fit_in(callbacks):
    chosen = recipe(epochs=2)
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    return fit(network(), batches(data(), chosen), test, chosen, device=CPU, callbacks=callbacks)


def test_another_folder_in_its_place_ends_the_run_and_is_not_touched(tmp_path):
    path = tmp_path / "r"
    folder, notices = RunFolder(path, spec="a spec", environment={}), Notices()
    saves = Checkpointer(path / "checkpoints", before_save=folder.check)
    for callbacks in ([folder, saves], [saves, folder]):
        with pytest.raises(SpecError, match="another one is there now") as caught:
            fit_in([At(lambda: renew(path)), *callbacks, notices, Doctor(folder=path)])
        assert caught.value.diagnostics[0].code == "RUN336"
        assert list(path.iterdir()) == [] == notices.texts


def test_a_folder_that_cannot_be_made_again_ends_in_an_error(tmp_path):
    """Where a file stands in the place of its parent, say."""
    path = tmp_path / "runs" / "r"

    def act():
        shutil.rmtree(path.parent)
        path.parent.write_text("a file")

    with pytest.raises(SpecError) as caught:
        fit_in([At(act), RunFolder(path, spec="", environment={}), Notices()])
    assert caught.value.diagnostics[0].code == "RUN313"


def test_a_link_that_leads_nowhere_is_not_a_free_folder(tmp_path):
    (tmp_path / "r").symlink_to("nowhere")
    with pytest.raises(SpecError, match="is a broken link"):
        check_free(tmp_path / "r")


def test_checkpoints_that_become_a_link_are_not_followed_and_the_run_ends_well(tmp_path):
    path, outside = tmp_path / "r", tmp_path / "outside"
    outside.mkdir()

    def act():
        shutil.rmtree(path / "checkpoints", ignore_errors=True)
        (path / "checkpoints").symlink_to(outside)

    folder, notices = RunFolder(path, spec="a spec", environment={}), Notices()
    saves = Checkpointer(path / "checkpoints", before_save=folder.check)
    fit_in([At(act), folder, saves, notices])
    assert list(outside.iterdir()) == []
    assert notices.texts and all("warning[RUN335]" in text and "is a link" in text for text in notices.texts)
    assert check_digest(path / "weights.safetensors") == ()
