"""Trials that train on several devices: under torchrun, with gloo on a CPU; and what they take of a machine."""

import json
import os
import signal
from pathlib import Path

import pytest

from archspec.cli.engines import Engines
from archspec.diagnostics import SpecError
from archspec.sweep import slots
from archspec.sweep.read import sweep_text
from archspec.sweep.slots import core_count, cpu_slots, slots_for
from tests.cli.conftest import cli  # noqa: F401
from tests.sweep.helpers import expanded, meanwhile, until

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 2, batch_size: 32}
"""
SWEEP = "archspec-sweep: 1\nspec: tiny.yaml\ndevices: 2\nlimit_train: 101\nlimit_test: 67\n"
OPTIONS = ("--device=cpu", "--jobs=1", "--threads=1")


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return tmp_path


def ranks(folder):
    """The processes that train, of a sweep in this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, here = (process / "cmdline").read_bytes().split(b"\0"), (process / "cwd").readlink()
        except OSError:
            continue
        if command[2:5] == [b"-m", b"archspec", b"train"] and here == folder:
            found.append(int(process.name))
    return found


def test_trials_train_in_two_processes_and_what_fails_is_a_row(cli, work):  # noqa: F811
    (work / "s.yaml").write_text(SWEEP + "grid: {train.lr: [0.1, 1.0e+30]}\n")
    done = cli("sweep", "s.yaml", "--json", *OPTIONS)
    good, bad = json.loads(done.out)["trials"]
    assert (done.code, good["status"], bad["status"]) == (1, "done", "failed")
    assert bad["reason"].startswith("error[RUN310]")
    assert (bad["code"], bad["message"][:10]) == ("RUN310", bad["reason"].partition(": ")[2][:10])
    assert len(good["summary"]["epochs"]) == 2
    environment = json.loads((work / "runs/sweep-s/trials" / good["id"] / "environment.json").read_text())
    assert environment["world"] == 2
    one = cli("train", "tiny.yaml", "--limit-train=101", "--limit-test=67", "--json", "--device=cpu")
    alone = json.loads(one.out)["last"]
    assert good["summary"]["last"]["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)


def test_a_process_that_is_killed_ends_its_trial_alone(cli, work):  # noqa: F811
    (work / "s.yaml").write_text(SWEEP + "runs: [{train.epochs: 100000}, {train.lr: 0.2}]\n")
    trials = work / "runs" / "sweep-s" / "trials"

    def kill():
        until(lambda: [*trials.glob("*/metrics.jsonl")])
        os.kill(max(ranks(work)), signal.SIGKILL)

    with meanwhile(kill):
        done = cli("sweep", "s.yaml", "--json", *OPTIONS)
    dead, good = json.loads(done.out)["trials"]
    assert (dead["status"], good["status"]) == ("failed", "done")
    assert "process" in dead["reason"] or "rank" in dead["reason"], dead["reason"]
    until(lambda: not ranks(work))


def test_ctrl_c_saves_and_the_same_command_goes_on(cli, work):  # noqa: F811
    (work / "s.yaml").write_text(SWEEP + "set: {train.epochs: 60}\n")
    trials = work / "runs" / "sweep-s" / "trials"

    def interrupt():
        until(lambda: [*trials.glob("*/metrics.jsonl")])
        os.kill(os.getpid(), signal.SIGINT)

    with meanwhile(interrupt):
        assert cli("sweep", "s.yaml", *OPTIONS).code == 130
    assert ranks(work) == []
    done = cli("sweep", "s.yaml", "--json", *OPTIONS)
    (trial,) = json.loads(done.out)["trials"]
    assert (done.code, trial["status"], len(trial["summary"]["epochs"])) == (0, "done", 60)
    assert "note: resuming from " in (work / "runs/sweep-s/logs" / f"{trial['id']}.log").read_text()


def test_the_number_of_devices_is_part_of_a_trial():
    one, two = (expanded(f"archspec-sweep: 1\nspec: lenet\ndevices: {n}\n").trials[0] for n in (1, 2))
    unsaid = expanded("archspec-sweep: 1\nspec: lenet\n").trials[0]
    assert one.id == unsaid.id != two.id
    assert (one.devices, two.devices) == (1, 2)


def test_a_batch_that_cannot_be_shared_out_is_told_at_its_place_before_anything_runs():
    found = expanded("archspec-sweep: 1\nspec: lenet\ndevices: 3\ngrid: {train.batch_size: [30, 32]}\n")
    assert len(found.trials) == 1
    (diagnostic,) = found.invalid[0].diagnostics
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == ("RUN332", 4, 31)
    assert diagnostic.hint == "use `train.batch_size` 30 or 33, or another number of `devices`"
    search = "search: {trials: 2, space: {train.batch_size: {choice: [31, 33]}}}"
    assert len(expanded(f"archspec-sweep: 1\nspec: lenet\ndevices: 3\n{search}\n").invalid) == 1


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "true", "[2]", "1025"])
def test_what_is_no_number_of_devices(value):
    with pytest.raises(SpecError) as caught:
        sweep_text(f"archspec-sweep: 1\nspec: lenet\ndevices: {value}\n")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.line) == ("SWEEP401", 3)
    assert "`devices: 2`" in found.hint


def test_slots_count_every_process():
    cores = core_count()
    assert cpu_slots(1, None, None, 2).threads == max(1, cores // 2)
    many = cpu_slots(1000, None, 1, 2)
    assert len(many.environments) == max(1, cores // 2)
    assert len(cpu_slots(1000, 3, None, 2).environments) == 3


@pytest.fixture
def gpus(monkeypatch):
    """A machine with five GPUs, as far as the choice of slots asks."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 5)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda gpu: (8 << 30, 8 << 30))
    monkeypatch.setattr(slots, "core_count", lambda: 16)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def trials_on(devices):
    return expanded(f"archspec-sweep: 1\nspec: lenet\ndevices: {devices}\nset: {{train.batch_size: 60}}\nseeds: 9\n").trials


def visible(device, devices, jobs=None):
    found = slots_for(device, trials_on(devices), jobs, None)
    return [environment["CUDA_VISIBLE_DEVICES"] for environment in found.environments], found.threads


def test_no_gpu_is_in_two_slots_of_several(gpus, monkeypatch):
    assert visible("auto", 2) == (["0,1", "2,3"], 4)
    assert visible("cuda", 5) == (["0,1,2,3,4"], 3)
    assert visible("cuda", 2, jobs=1) == (["0,1"], 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,5,3,2,1")
    assert visible("auto", 2)[0] == ["7,5", "3,2"]


@pytest.mark.parametrize(("device", "devices", "there"), [("cuda", 6, 5), ("cuda:1", 2, 1)])
def test_fewer_gpus_than_a_trial_trains_on(gpus, device, devices, there):
    with pytest.raises(SpecError) as caught:
        slots_for(device, trials_on(devices), None, None)
    (found,) = caught.value.diagnostics
    assert found.message == f"a trial trains on {devices} GPUs, and {there} can be used here"
    assert found.hint == f"write `devices: {there}`, or add --device cpu"


def test_a_sweep_without_a_valid_trial_has_a_slot(gpus):
    assert [len(slots_for(device, (), None, None).environments) for device in ("cuda", "cpu")] == [1, 1]


def test_a_trial_that_sees_one_gpu_names_no_other(gpus):
    assert visible("cuda:3", 1)[0] == ["3"] * 4
    assert Engines("local", "cuda:3", None, None, None, None).train_options() == ["--device=cuda"]
