"""What one process can check alone: torchrun's variables, shares of a batch, options that need one process."""

from dataclasses import replace

import click
import pytest
import torch
import torch.distributed as dist

from archspec.api import load
from archspec.cli import run
from archspec.cli.processes import _own_device as own_device
from archspec.diagnostics import SpecError
from archspec.train.distributed import launch as processes
from archspec.train.distributed.fsdp import check_sharding
from archspec.train.distributed.launch import group_of
from archspec.train.distributed.process_group import ProcessGroup
from archspec.train.setup import Machine, check_shares, prepare
from archspec.train.step.precision import Settings
from tests.train.distributed.helpers import SPEC, TRAIN
from tests.train.helpers import CPU, recipe


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, ProcessGroup()),
    ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RESTART_COUNT": "2",
      "TORCHELASTIC_MAX_RESTARTS": "5"}, ProcessGroup(3, 4, 1, 2, 2, 5)),
    ({"RANK": "1", "WORLD_SIZE": "2"}, ProcessGroup(1, 2, 1, 2)),
])
def test_what_torchrun_says(environment, expected):
    found = group_of(environment)
    assert replace(found, job="") == expected
    assert found.job == group_of(environment).job
    assert group_of({**environment, "TORCHELASTIC_RUN_ID": "mine"}).job == "mine"


@pytest.mark.parametrize("environment", [
    {"RANK": "2", "WORLD_SIZE": "2"}, {"RANK": "-1", "WORLD_SIZE": "2"}, {"WORLD_SIZE": "two"}, {"WORLD_SIZE": "0"},
    {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "1"}, {"WORLD_SIZE": "9" * 5000},
], ids=lambda e: str(e)[:50])
def test_what_cannot_be(environment):
    with pytest.raises(SpecError, match="RUN330"):
        group_of(environment)


def test_a_batch_is_shared_out_evenly(tmp_path):
    check_shares(recipe(batch_size=12), ProcessGroup(0, 4))
    with pytest.raises(SpecError, match="RUN332") as caught:
        check_shares(recipe(batch_size=10), ProcessGroup(0, 4))
    assert caught.value.diagnostics[0].hint == "use --batch-size 8 or 12, or another number of processes"
    with pytest.raises(SpecError, match="use --batch-size 4, or"):
        check_shares(recipe(batch_size=3), ProcessGroup(0, 4))
    (tmp_path / "tiny.yaml").write_text(SPEC)
    with pytest.raises(SpecError, match="RUN332"):
        prepare(load(tmp_path / "tiny.yaml").graph, recipe(batch_size=33), Machine(CPU, group=ProcessGroup(0, 2)))


@pytest.mark.parametrize(("fields", "settings", "words"), [
    ({"ema": 0.9}, Settings(), "an average of the weights"), ({}, Settings("fp16"), "fp16, because all processes"),
    ({}, Settings(channels_last=True), "--channels-last"), ({}, Settings(compile=True), "--compile"),
])
def test_what_a_network_that_is_spread_cannot_have(tmp_path, fields, settings, words):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    machine = Machine(CPU, settings=settings, group=ProcessGroup(0, 2, sharded=True))
    with pytest.raises(SpecError, match="RUN334") as caught:
        prepare(load(tmp_path / "tiny.yaml").graph, recipe(**fields), machine)
    assert words in caught.value.diagnostics[0].message
    check_sharding(recipe(), Settings("bf16"))


class Store(dict):
    """What process 0 has said."""

    def set(self, key, value):
        self[key] = value.encode()

    def wait(self, keys, timeout):
        if not self.keys() >= set(keys):
            raise dist.DistStoreError("wait timeout")

    def get(self, key):
        return self[key]


def test_a_mistake_that_all_find_is_told_once():
    store, mistake, other = Store(), unfit("a"), unfit("b")
    assert processes._reported_once(mistake, ProcessGroup(0, 2), store) is mistake
    assert isinstance(processes._reported_once(unfit("a"), ProcessGroup(1, 2), store), SystemExit)
    lost = processes._lost(ProcessGroup(1, 2))
    assert isinstance(processes._reported_once(lost, ProcessGroup(1, 2), store), SystemExit)
    reported = processes._reported_once(other, ProcessGroup(1, 2), store)
    assert reported.diagnostics[0].notes == ("found by process 1 of 2",)
    alone = processes._reported_once(lost, ProcessGroup(1, 2), Store())
    assert alone.diagnostics[0].code == "RUN331"


def unfit(why):
    with pytest.raises(SpecError) as caught:
        group_of({"RANK": why})
    return caught.value


@pytest.mark.parametrize(("command", "words"), [
    (["evaluate", "run"], "`archspec evaluate` runs in one process, not in 2: leave torchrun out"),
    (["predict", "run", "a.png"], "`archspec predict` runs in one process, not in 2: leave torchrun out"),
])
def test_commands_for_one_process(command, words, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert (run(command), words in capsys.readouterr().err) == (2, True)
    monkeypatch.setenv("RANK", "1")
    assert (run(command), capsys.readouterr().err) == (2, "")  # process 0 has said it


def test_restarts_need_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert run([*TRAIN]) == 2
    assert "--max-restarts resumes a run in its folder: name it with --run-dir DIR" in capsys.readouterr().err
    assert run([*TRAIN, "--run-dir", "run", "--epochs", "1"]) == 0
    assert run([*TRAIN, "--run-dir", "run", "--epochs", "2"]) == 1
    assert "RUN312" in capsys.readouterr().err  # somebody else's run
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another job")
    assert run([*TRAIN, "--run-dir", "run", "--epochs", "2"]) == 1
    assert "RUN312" in capsys.readouterr().err
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert run([*TRAIN, "--run-dir", "run", "--epochs", "2"]) == 0
    assert "resuming from 00005-step-4" in capsys.readouterr().err


@pytest.mark.parametrize(("device", "gpus", "expected"), [
    ("auto", 2, "cuda:1"), ("cuda", 2, "cuda:1"), ("auto", 0, "auto"), ("cpu", 2, "cpu"),
])
def test_each_process_has_its_own_gpu(device, gpus, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    assert own_device(device, ProcessGroup(3, 4, 1, 2)) == expected
    with pytest.raises(click.UsageError, match="needs a separate device: write cuda"):
        own_device("cuda:0", ProcessGroup(3, 4, 1, 2))
