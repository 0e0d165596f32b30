"""Several processes that train together: two of them under torchrun, with gloo; and what one process can tell alone."""

import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import click
import pytest
import torch
import torch.distributed as dist

from archspec.api import load
from archspec.cli import run
from archspec.cli.processes import _own_device as own_device
from archspec.diagnostics import SpecError
from archspec.train.checkpoint.storage import newest
from archspec.train.distributed import launch as processes
from archspec.train.distributed.fsdp import check_sharding
from archspec.train.distributed.launch import Pulse, group_of
from archspec.train.distributed.process_group import ALONE, ProcessGroup
from archspec.train.setup import Machine, check_shares, prepare
from archspec.train.step.precision import Settings
from tests.train.distributed.ddp_worker import equal_to_one
from tests.train.helpers import CPU, recipe

ROOT = Path(__file__).parents[3]
SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.4, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 3, momentum: 0.9}
"""
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
TRAIN = ("train", "tiny.yaml", "--limit-train", "101", "--limit-test", "67", "--checkpoint-every", "1")


def torchrun(folder, *command, restarts=0):
    """Two processes with gloo on this machine; what torchrun printed, and its exit code."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--max-restarts={restarts}", *command],
        cwd=folder, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **LOOPBACK},
    )


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What both processes of ddp_worker.py saw; then one of them is killed."""
    folder = tmp_path_factory.mktemp("together")
    done = torchrun(folder, "-m", "tests.train.distributed.ddp_worker", str(folder))
    seen = [folder / f"{rank}.json" for rank in (0, 1)]
    assert all(path.exists() for path in seen), done.stderr
    return [json.loads(path.read_text()) for path in seen], done, folder


def test_who_they_are(together):
    (first, second), _, _ = together
    assert (first["world"], second["world"]) == ([0, 2, 0, 0], [1, 2, 1, 0])
    assert first["said"] == second["said"] == "ß0"


def test_both_hold_the_same(together):
    (first, second), _, _ = together
    assert first["equal"] == second["equal"]
    assert first["stopped"] == second["stopped"]


@pytest.mark.parametrize("case", ["whole", "pieces", "accumulated", "augmented", "validated"])
def test_two_processes_of_5_images_equal_one_of_10(together, case):
    """The last of an epoch's steps has one image: nothing is left for the second process."""
    (found, _), _, _ = together
    expected = equal_to_one(ALONE)[case]
    assert_close(found["equal"][case], expected)


def test_a_signal_that_one_hears_stops_both_at_the_same_step(together):
    """And the resumed run equals, bit for bit, the one that never stopped."""
    (first, _), _, _ = together
    assert first["stopped"] == {"code": 143, "step": 6, "world": 2, "same": True}


def test_each_has_its_own_dropout(together):
    (first, second), _, _ = together
    assert first["dropped"] != second["dropped"]
    assert set(first["dropped"]) == {0, 2}


def test_a_number_that_is_none_stops_both_before_the_update(together):
    (first, second), _, _ = together
    assert first["not_finite"]["weights"] == second["not_finite"]["weights"]
    assert "nan" not in str(first["not_finite"]["weights"])
    for seen in (first, second):
        assert "step 3 of 5 in epoch 2 of 3" in seen["not_finite"]["told"]
    assert "nowhere: in a second pass over the images of process 0" in first["not_finite"]["told"]
    assert "first not finite: the input images" in second["not_finite"]["told"]


def test_the_order_in_which_gradients_are_summed_is_settled_before_the_first_step(together):
    """Else, of three processes or more, a run that goes on would not be equal to the last bit."""
    (first, second), _, _ = together
    assert first["settled"] == second["settled"] == [1, 1]


def assert_close(found, expected):
    assert found["confusion"] == expected["confusion"]
    assert len(found["losses"]) == len(expected["losses"]) > 0
    for key in ("losses", "epochs"):
        torch.testing.assert_close(torch.tensor(found[key]), torch.tensor(expected[key]), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["norms"], expected["norms"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found["test"], expected["test"], rtol=1e-5, atol=1e-6)
    for mine, theirs in zip(found["weights"], expected["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(mine), torch.tensor(theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("case", "of"), [
    ("momentum", "of_unspread"), ("clipped", "of_unspread_clipped"), ("normed", "of_unspread_normed"),
    ("accumulated", "of_unspread"),
    ("unspread", "of_unspread"),  # that goes on from a checkpoint of one that was spread
])
def test_a_network_that_is_spread_equals_one_that_is_not(together, case, of):
    (first, _), _, _ = together
    assert_close(first["sharded"][case], first["sharded"][of])


def test_a_network_that_is_spread_is_saved_and_goes_on_bit_for_bit(together):
    (first, second), _, _ = together
    for seen in (first["sharded"], second["sharded"]):
        assert (seen["code"], seen["same"]) == (143, True)
        assert seen["saved"] == ["00001-step-4", "00002-step-5"]
        assert "step 3 of 5 in epoch 2 of 3" in seen["not_finite"]


def test_when_one_is_killed_the_other_says_so_and_ends(together):
    _, done, folder = together
    assert done.returncode != 0
    assert "error[RUN331]: one of the 2 processes of this run has ended" in (folder / "lost").read_text()
    assert re.search(r"exitcode\s*: -9 ", done.stderr)


KILLED = """
import os, signal, sys
from archspec.train.checkpoint.policy import Checkpointer
from archspec.train.loop import Meter
add = Meter.add

def dying(self, *args):
    if os.environ["RANK"] == "1" and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and self.first + len(self) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return add(self, *args)

Meter.add = dying
from archspec.cli import main
main()
"""


def test_a_command_as_users_give_it_and_one_that_is_killed_and_restarted(tmp_path, monkeypatch, capsys):
    (tmp_path / "tiny.yaml").write_text(SPEC)
    (tmp_path / "killed.py").write_text(KILLED)
    done = torchrun(tmp_path, "-m", "archspec", *TRAIN, "--run-dir", "whole", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)  # of one process alone
    assert [row["epoch"] for row in told["epochs"]] == [1, 2, 3]
    assert len(re.findall("^epoch ", done.stderr, re.MULTILINE)) == 3
    environment = json.loads((tmp_path / "whole/environment.json").read_text())
    assert (environment["world"], environment["data"]["train_images"]) == (2, 101)

    done = torchrun(tmp_path, "killed.py", *TRAIN, "--run-dir", "run", restarts=1)
    assert done.returncode == 0, done.stderr
    assert "note: resuming from 00007-step-6 (step 6, 1 epoch finished)" in done.stderr
    for name in ("weights.safetensors", "spec.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert json.loads((tmp_path / "run/environment.json").read_text())["resumes"][0]["step"] == 6
    assert newest(tmp_path / "run/checkpoints").saved.state.world == 2

    monkeypatch.chdir(tmp_path)
    assert run(["train", "--resume", "run", "--epochs", "4"]) == 0
    assert "note: the number of processes was 2, is 1: the rest of the run will not be bitwise equal" in capsys.readouterr().err
    assert len((tmp_path / "run/metrics.jsonl").read_text().splitlines()) == 4


class Watched(Pulse):
    """Says why it would end the program."""

    why = None

    def _end(self, why):
        self.why = why
        self._stopped = True


def pulses(*ranks):
    store = dist.HashStore()
    found = [Watched(ProcessGroup(rank, 2), store, beat_s=0.01, dead_s=0.3) for rank in ranks]
    for pulse in found:
        pulse.start()
    return store, found


def test_a_process_that_is_silent_is_taken_for_dead():
    store, (pulse,) = pulses(0)
    store.set("archspec/beat/1", "17")
    pulse.join(60)
    assert pulse.why == "process 1 of 2 has not responded for 0.3 s"
    other = Watched(ProcessGroup(2, 3), store, beat_s=0.01, dead_s=60)
    other.run()
    assert other.why == "process 1 of 3 has been lost"


def test_one_that_has_left_is_not_missed():
    store, (first, second) = pulses(0, 1)
    second.stop(gone=True)
    first.join(1)
    assert first.is_alive()
    first.leave()
    assert (first.why, second.why) == (None, None)
    assert store.get("archspec/beat/0") == store.get("archspec/beat/1") == b"gone"


def test_all_leave_together():
    _, (first, second) = pulses(0, 1)
    waiting = threading.Thread(target=first.leave)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    second.leave()
    waiting.join(60)
    assert not first.is_alive()
    assert (first.why, second.why) == (None, None)


def test_who_leaves_says_so_whenever_that_is():
    """Also where it is decided between the beat and the look, and the other one is gone already."""
    store = dist.HashStore()
    store.set("archspec/beat/0", "gone")

    class Leaves(Watched):
        def _show(self, beat):
            super()._show(beat)
            self._left = True

    pulse = Leaves(ProcessGroup(1, 2), store, beat_s=0.01, dead_s=60)
    pulse.run()
    assert store.get("archspec/beat/1") == b"gone"


def test_without_a_store_there_is_no_run():
    pulse = Watched(ProcessGroup(1, 2), Broken(), beat_s=0.01)
    pulse.run()
    assert pulse.why == "the processes' common store does not answer: connection reset"


class Broken:
    def set(self, key, value):
        raise dist.DistNetworkError("connection reset\nmore")


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
    told = processes._reported_once(other, ProcessGroup(1, 2), store)
    assert told.diagnostics[0].notes == ("found by process 1 of 2",)
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
