"""`archspec.train(…, fit="8GiB")`: the recipe with which a step fits, as `archspec train --fit` makes it."""

import json
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import archspec
from archspec.cli import run as command_line
from archspec.diagnostics import SpecError
from archspec.execution import execute
from archspec.train.distributed.process_group import ProcessGroup
from archspec.train.fitting import fit_memory, training_setting
from archspec.train.setup import Machine
from tests.cli.test_fit import SPEC
from tests.train.api_helpers import QUIET, module

LIMITS = {"limit_train": 128, "limit_test": 32}


@pytest.fixture
def net(tmp_path):
    (path := tmp_path / "net.yaml").write_text(SPEC.replace("input: [1, 16, 16]", "input: [1, 8, 8]"))
    return path


def own(n=128):
    return TensorDataset(torch.rand(n, 1, 8, 8), torch.randint(10, (n,)))


def test_the_recipe_is_that_of_the_command_line(net, tmp_path, capsys):
    assert command_line([
        "train", str(net), "--fit", "8MiB", "--run-dir", str(tmp_path / "run"), "--limit-train=128", "--limit-test=32",
        "--device=cpu", "--json"]) == 0
    recipe = json.loads(capsys.readouterr().out)["recipe"]
    trained = archspec.train(net, fit="8MiB", run_dir=tmp_path / "own", **LIMITS, **QUIET)
    assert trained.recipe.to_data() == recipe
    assert recipe["recompute"]
    assert (tmp_path / "own" / "spec.yaml").read_text() == (tmp_path / "run" / "spec.yaml").read_text()


def test_own_data_and_graphs(net):
    whole = archspec.train(net, own(), own(), epochs=1, **QUIET)
    less = archspec.train(net, own(), own(), fit=8 << 20, **QUIET)
    assert not whole.recipe.recompute
    assert less.recipe.recompute
    graph = archspec.load(net).graph
    assert archspec.fit(graph, own(), own(), lr=0.1, batch_size=128, epochs=1, fit="8MiB", **QUIET).recipe.recompute


def test_what_does_not_fit_and_what_is_not_known(net):
    with pytest.raises(SpecError) as problem:
        archspec.train(net, fit="1MiB", **LIMITS, **QUIET)
    assert problem.value.diagnostics[0].code == "BUILD201"
    with pytest.raises(SpecError, match="have their own"):
        archspec.train(net, DataLoader(own(), batch_size=8), own(), fit="8MiB", **QUIET)
    with pytest.raises(TypeError, match="pass a graph"):
        archspec.fit(module(), own(), own(), lr=0.1, fit="8MiB", **QUIET)
    with pytest.raises(ValueError, match="name the unit: 8GiB"):
        archspec.train(net, fit="8", **LIMITS, **QUIET)


def test_the_memory_of_a_cpu_has_to_hold_the_copies_of_onednn(net):
    """As `archspec fit --device` counts them: what holds only the tensors is not enough."""
    loaded = archspec.load(net)
    machine = Machine(torch.device("cpu"))
    known = archspec.fits(net, device="ryzen-7950x", batch_size=128).training
    setting = training_setting(loaded.graph, loaded.recipe("train"), machine)
    tensors = execute(loaded.graph, replace(setting, libraries=False)).peak_bytes
    assert fit_memory(loaded.graph, loaded.recipe("train"), machine, known.peak_bytes).before == known.peak_bytes > tensors
    assert fit_memory(loaded.graph, loaded.recipe("train"), machine, tensors).changes


def test_processes_that_cannot_share_the_batch(net):
    """Told before anything is searched: the part of a process may be no image at all."""
    loaded, machine = archspec.load(net), Machine(torch.device("cpu"), group=ProcessGroup(0, 2))
    for batch_size in (1, 33):
        recipe = loaded.recipe().model_copy(update={"batch_size": batch_size})
        with pytest.raises(SpecError, match="RUN332"):
            fit_memory(loaded.graph, recipe, machine, 8 << 20)
