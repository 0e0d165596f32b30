"""Faults that are planted in the rules are noticed: each changes a figure of some network of the fuzzer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archspec.execution import autograd
from archspec.execution.tape import Tape
from archspec.ops import OPS
from archspec.types import Cost
from tests.fuzz.check import BATCH, static_figures
from tests.fuzz.draw import valid_network

Fault = Callable[[pytest.MonkeyPatch], None]
FAULTS: dict[str, Fault] = {}


def fault(plant: Fault) -> Fault:
    FAULTS[plant.__name__] = plant
    return plant


def saves_less(name: str, drop: int) -> Fault:
    """A function of the tape that forgets what it saves at a place."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        record = Tape.record

        def forgetful(self: Tape, node: str, outputs: Any, inputs: Any, saved: Any, backward: Any) -> None:
            kept = tuple(saved)
            if node == name:
                self._count_saved = lambda _: None  # type: ignore[method-assign]
                record(self, node, outputs, inputs, kept, backward)
                del self._count_saved
                self._count_saved([x for k, x in enumerate(kept) if k != drop])
                return
            record(self, node, outputs, inputs, saved, backward)

        patch.setattr(Tape, "record", forgetful)

    return plant


for node, place in (
    ("convolution", 0), ("convolution", 1), ("addmm", 0), ("addmm", 1), ("batch_norm", 0), ("batch_norm", 3), ("max_pool2d", 1), ("relu", 0),
    ("gelu", 0), ("silu", 0), ("group_norm", 1), ("layer_norm", 0), ("mul", 0), ("softmax", 0), ("log_softmax", 0), ("nll_loss", 1),
):
    FAULTS[f"{node}_forgets_{place}"] = saves_less(node, place)


def costs(op: str, change: Callable[[Cost], Cost]) -> Fault:
    def plant(patch: pytest.MonkeyPatch) -> None:
        cost = OPS[op].cost
        patch.setattr(OPS[op], "cost", lambda self, *types: change(cost(self, *types)))

    return plant


FAULTS["conv2d_counts_twice"] = costs("conv2d", lambda c: Cost(2 * c.macs))
FAULTS["conv2d_counts_one_more"] = costs("conv2d", lambda c: Cost(c.macs + 1))
FAULTS["linear_is_free"] = costs("linear", lambda c: Cost())
FAULTS["conv_transpose2d_is_free"] = costs("conv_transpose2d", lambda c: Cost())
FAULTS["attention_counts_half"] = costs("multi_head_attention", lambda c: Cost(c.macs // 2))
FAULTS["conv1d_counts_twice"] = costs("conv1d", lambda c: Cost(2 * c.macs))
FAULTS["conv3d_counts_twice"] = costs("conv3d", lambda c: Cost(2 * c.macs))


@fault
def norms_have_no_offset(patch: pytest.MonkeyPatch) -> None:
    parameters = OPS["batch_norm2d"].parameters
    patch.setattr(OPS["batch_norm2d"], "parameters", lambda self, x: {k: v for k, v in parameters(self, x).items() if k != "bias"})


@fault
def masks_have_one_byte_on_a_cpu(patch: pytest.MonkeyPatch) -> None:
    def dropout(self: Tape, x: Any, p: float) -> Any:
        self.cuda, before = True, self.cuda
        try:
            return plain(self, x, p)
        finally:
            self.cuda = before

    plain = Tape.dropout
    patch.setattr(Tape, "dropout", dropout)


@fault
def views_are_copies(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("archspec.execution.reshaping.view_strides", lambda shape, strides, target: None)
    patch.setattr(Tape, "contiguous", lambda self, x, *_, **__: _copy(self, x))


def _copy(tape: Tape, x: Any) -> Any:
    y = tape.new(x.shape, x.dtype)
    tape.record("clone", (y,), (x,), (), lambda tape, node, grads: grads)
    return y


@fault
def gradients_are_never_freed(patch: pytest.MonkeyPatch) -> None:
    held: list[Any] = []
    total = autograd._sum

    def hoard(tape: Any, first: Any, second: Any) -> Any:
        held.extend(x for x in (first, second) if x is not None)
        return total(tape, first, second)

    patch.setattr(autograd, "_sum", hoard)


@fault
def saved_inputs_are_freed_early(patch: pytest.MonkeyPatch) -> None:
    """The input and the weight of a convolution are not kept alive until its backward."""
    record = Tape.record

    def light(self: Tape, node: str, outputs: Any, inputs: Any, saved: Any, backward: Any) -> None:
        record(self, node, outputs, inputs, saved, backward)
        made = outputs[0].node
        if made is not None and made.name == node == "convolution":
            made.saved = tuple(self.new((), x.dtype).view(x.shape, x.strides) for x in made.saved)

    patch.setattr(Tape, "record", light)


@fault
def weights_are_not_cast(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tape, "lower", lambda self, *tensors: list(tensors))


@fault
def the_input_needs_a_gradient(patch: pytest.MonkeyPatch) -> None:
    from archspec.execution.execute import _Running

    inputs = _Running._inputs
    patch.setattr(_Running, "_inputs", lambda self, graph: [self.tape.parameter("input", x) for x in inputs(self, graph)])


@fault
def the_optimizer_keeps_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("archspec.execution.setting.Optimizer.states", property(lambda self: 0))


@pytest.fixture(scope="module")
def sound() -> list[tuple[Any, Any]]:
    graphs = [valid_network(seed)[1] for seed in range(60)]
    return [(graph, static_figures(graph)) for graph in graphs]


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_changes_a_figure(name: str, sound: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound figures are torch's (`test_figures`), so a changed one is reported there."""
    assert BATCH == 2
    FAULTS[name](monkeypatch)
    for graph, figures in sound:
        if static_figures(graph) != figures:
            return
    raise AssertionError("no network of the fuzzer shows it")
