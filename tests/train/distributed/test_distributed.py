"""Several processes that train together: two of them under torchrun, with gloo; and what one process can tell alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archspec.cli import run
from archspec.train.checkpoint.storage import newest
from archspec.train.distributed.process_group import ALONE
from tests.train.distributed.ddp_worker import equal_to_one
from tests.train.distributed.helpers import SPEC, TRAIN

ROOT = Path(__file__).parents[3]
LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}


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
        assert "step 3 of 5 in epoch 2 of 3" in seen["not_finite"]["error"]
    assert "nowhere: in a second pass over the images of process 0" in first["not_finite"]["error"]
    assert "first not finite: the inputs" in second["not_finite"]["error"]


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
    ("accumulated", "of_unspread"), ("shared", "of_unspread_shared"),
    ("recomputed", "of_unspread_kept"),
    ("unspread", "of_unspread"),  # that goes on from a checkpoint of one that was spread
])
def test_a_network_that_is_spread_equals_one_that_is_not(together, case, of):
    (first, _), _, _ = together
    assert_close(first["sharded"][case], first["sharded"][of])


def test_recomputed_stages_change_nothing_in_several_processes(together):
    (first, _), _, _ = together
    assert first["sharded"]["of_unspread_recomputed"] == first["sharded"]["of_unspread_kept"]


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
    printed = json.loads(done.stdout)  # of one process alone
    assert [row["epoch"] for row in printed["epochs"]] == [1, 2, 3]
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
