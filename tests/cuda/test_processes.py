"""nccl and FSDP on a real GPU, with one process under torchrun; that of several is a matter of several GPUs."""

import json

import pytest
import torch

from .helpers import REHEARSAL, finish, start

TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node=1")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    finish(start(*TORCHRUN, "-m", "tests.cuda.one_process", folder))
    return json.loads((folder / "seen.json").read_text())


def test_it_talks_by_nccl(seen):
    assert seen["world"] == [0, 1]
    assert seen["backend"] == ("gloo" if REHEARSAL else "nccl")
    assert seen["exchanged"]["sum"] == [2.0] * 3
    assert seen["exchanged"]["off_by"] < 1e-4


def assert_close(found, expected):
    for key in ("losses", "epochs"):
        torch.testing.assert_close(torch.tensor(found[key]), torch.tensor(expected[key]), rtol=1e-3, atol=1e-4)
    for name, weights in expected["weights"].items():
        torch.testing.assert_close(torch.tensor(found["weights"][name]), torch.tensor(weights), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("case", ["normed", "clipped"])
def test_a_network_that_is_spread_equals_one_that_is_not(seen, case):
    assert_close(seen["sharded"][case]["spread"], seen["sharded"][case]["plain"])


@pytest.mark.parametrize("case", ["normed", "clipped"])
def test_a_network_that_is_spread_goes_on_from_its_checkpoint(seen, case):
    assert seen["sharded"][case]["step"] == 14
    assert_close(seen["sharded"][case]["resumed"], seen["sharded"][case]["spread"])


def test_the_command_under_torchrun(specs, device):
    finish(start(*TORCHRUN, "-m", "archspec", "train", "mlp.yaml", "--device", device.partition(":")[0], "--limit-train",
                 500, "--limit-test", 100, "--run-dir", "run", cwd=specs))
    assert len((specs / "run" / "metrics.jsonl").read_text().splitlines()) == 3
