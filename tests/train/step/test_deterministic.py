"""Deterministic runs: the same bytes each time, or a refusal that names the layer."""

import os
import warnings

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from archspec.diagnostics import SpecError
from archspec.train.callbacks import Callback
from archspec.train.checkpoint.policy import Checkpointer, Every
from archspec.train.checkpoint.storage import newest
from archspec.train.loop import fit
from archspec.train.step.deterministic import WORKSPACE, deterministic_kernels, fix_workspace
from archspec.train.step.precision import Settings, check_settings
from tests.fake_cuda import CUDA
from tests.ops.draw import random_of
from tests.ops.strategies import STRATEGIES
from tests.ops.test_registry import EACH_OP, arguments, ours
from tests.train.helpers import CPU, batches, data, network, recipe

DETERMINISTIC = Settings(deterministic=True)


def trained(model, chosen_settings=DETERMINISTIC, callbacks=(), resume=None):
    chosen = recipe(momentum=0.9)
    test = batches(data(20, split="test", seed=1), chosen, shuffle=False)
    fit(model, batches(data(), chosen), test, chosen, device=CPU, settings=chosen_settings, callbacks=callbacks, resume=resume)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def flags():
    return (
        torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.benchmark,
    )


class Killed(Exception):
    pass


class Kill(Callback):
    def on_step(self, run):
        assert torch.are_deterministic_algorithms_enabled()
        if run.state.step == 7:
            raise Killed


def test_the_same_bytes_twice_and_across_a_kill_and_as_without_it_on_a_cpu(tmp_path):
    """To look for layers without a kernel changes neither random numbers nor running statistics."""
    before = flags()
    whole = trained(network(0.4))
    assert same(whole, trained(network(0.4)))
    assert same(whole, trained(network(0.4), Settings()))
    saves = Checkpointer(tmp_path, every=Every(1, None, None))
    with pytest.raises(Killed):
        trained(network(0.4), callbacks=[saves, Kill()])
    assert flags() == before
    found = newest(tmp_path)
    assert found.saved.state.step == 7
    assert same(whole, trained(network(0.4), resume=found.saved))
    assert flags() == before


class Without(nn.Module):
    """A layer without a deterministic kernel, in words of torch's."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def forward(self, x):
        if self.where == "forward":
            alert()
        return Backward.apply(x) if self.where == "backward" else x


class Backward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        alert()


def alert():
    raise RuntimeError(
        "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation"
    )


def refused(call, *arguments, **options):
    with pytest.raises(SpecError) as caught:
        call(*arguments, **options)
    (found,) = caught.value.diagnostics
    assert found.code == "RUN337" and found.hint
    return found.message


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("place", [1, 4, 6])
def test_a_layer_without_a_kernel_is_named_before_anything_is_written(tmp_path, where, place):
    """Identities lie beside it, whose output has the same gradient function as what they were given."""
    model = network()
    model = nn.Sequential(*model[:place], nn.Identity(), Without(where), nn.Identity(), *model[place:])
    saves = Checkpointer(tmp_path / "c", every=Every(1, None, None))
    message = refused(trained, model, callbacks=[saves])
    assert message == f"`{place + 1}`: adaptive_avg_pool2d_backward_cuda has no deterministic kernel on CPU"
    assert list(tmp_path.iterdir()) == []
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_where_it_is_not_in_a_layer_the_operation_is_named(monkeypatch):
    class Late(Callback):
        def on_step(self, run):
            alert()

    expected = "adaptive_avg_pool2d_backward_cuda has no deterministic kernel on CPU"
    assert refused(trained, network(), callbacks=[Late()]) == expected
    monkeypatch.setattr("archspec.train.objective.Objective.loss", lambda self, logits, targets: Backward.apply(logits).sum())
    assert refused(trained, network()) == expected


def test_a_workspace_that_is_set_too_late_is_explained():
    text = "this operation is not deterministic because it uses CuBLAS ... CUBLAS_WORKSPACE_CONFIG=:4096:8 or"

    def late():
        with deterministic_kernels(DETERMINISTIC, CPU):
            raise RuntimeError(text)

    assert refused(late) == "cuBLAS was used in this process before CUBLAS_WORKSPACE_CONFIG was set"


def test_other_mistakes_stay_what_they_are():
    with pytest.raises(RuntimeError, match=r"^another$"), deterministic_kernels(DETERMINISTIC, CPU):
        raise RuntimeError("another")
    assert not torch.are_deterministic_algorithms_enabled()


def test_compiled_kernels_are_refused_on_a_gpu_only():
    compiled = Settings(compile=True, deterministic=True)
    assert "torch chooses compiled kernels by their speed" in refused(check_settings, compiled, CUDA)
    check_settings(compiled, CPU)
    check_settings(Settings(compile=True), CUDA)


@pytest.mark.parametrize(("given_value", "after"), [(None, ":4096:8"), (":16:8", ":16:8"), (":4096:8", ":4096:8")])
def test_cublas_gets_a_workspace_of_a_fixed_size(monkeypatch, given_value, after):
    monkeypatch.setenv(WORKSPACE, "x")  # to be put back
    monkeypatch.delenv(WORKSPACE) if given_value is None else monkeypatch.setenv(WORKSPACE, given_value)
    for chosen, device in ((Settings(), CUDA), (DETERMINISTIC, CPU)):
        fix_workspace(chosen, device)
        assert os.environ.get(WORKSPACE) == given_value
    fix_workspace(DETERMINISTIC, CUDA)
    assert os.environ[WORKSPACE] == after


def test_another_workspace_is_refused(monkeypatch):
    monkeypatch.setenv(WORKSPACE, ":0:0")
    assert refused(fix_workspace, DETERMINISTIC, CUDA) == f"with {WORKSPACE}=:0:0 cuBLAS is not deterministic"


@EACH_OP
def test_on_a_cpu_every_op_has_a_deterministic_kernel(name):
    """As the hint of RUN337 says."""

    def body(case):
        found = ours(name, case)
        if found is None:
            return
        op, inputs, _ = found
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # torch warns of slow paths
            module = op.build(*inputs)
            x = [random_of(x).requires_grad_(x.below is None) for x in inputs]
            module(*arguments(module, x)).sum().backward()

    with deterministic_kernels(DETERMINISTIC, CPU):
        settings(deadline=None, max_examples=10, database=None)(given(STRATEGIES[name])(body))()
