"""What each op keeps for backward, for any fields, shapes and layouts of its inputs: to the byte as torch."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.execution import Setting, execute
from archspec.ir import Graph
from archspec.ops import OPS, infer_outputs
from archspec.types import BATCH, FLOATS, TensorType
from tests.execution.oracle import saved_by_torch
from tests.ir.graphs import Hand
from tests.ops.strategies import STRATEGIES
from tests.ops.test_registry import EACH_OP, MANY, ours

BEFORE = ("plain", "learned", "permuted", "permuted and learned")  # what an input comes from


@st.composite
def networks(draw: st.DrawFn, name: str, *, usual: bool = False) -> tuple[Graph, int, frozenset[str]] | None:
    """The op within a small network, the batch size, and frozen parameters; None where archspec refuses the op.

    usual: whether it stands between layers that learn, in NCHW, and learns too.
    """
    case = draw(STRATEGIES[name])
    found = ours(name, case)
    if found is None:
        return None
    op, inputs, y = found
    # With one thread torch also computes this op itself where the filters are 1 × 1: then a smaller output is kept larger.
    alone = name == "conv_transpose3d" and op.kernel_size[1:] == (1, 1) and torch.get_num_threads() == 1
    if len({x.shape[0] for x in inputs}) > 1 or (alone and y.numel < inputs[0].numel):
        return None
    ways = BEFORE[:2] if name == "local_response_norm" else BEFORE  # torch's module refuses some permuted inputs
    before = [("learned" if usual else draw(st.sampled_from(ways))) if x.dtype in FLOATS else "plain" for x in inputs]
    hand = Hand(**{f"x{k}": _input(x, how) for k, (x, how) in enumerate(zip(inputs, before, strict=True))})
    values = [_before(hand, k, how) for k, how in enumerate(before)]
    if infer_outputs(op, tuple(map(hand.type_of, values)))[0].dtype not in FLOATS:
        return None
    value = hand.add("op", op, *values)
    if y.ndim > 1 and (usual or draw(st.booleans())):
        value = hand.add("fc", "linear", hand.add("flat", "flatten", value), out_features=3)
    freezes = not usual and draw(st.integers(0, 3)) == 0
    frozen = frozenset(f"op.{key}" for key in op.parameters(*inputs)) if freezes else frozenset()
    return hand.graph(y=value, verify=False), inputs[0].shape[0], frozen


def _input(x: TensorType, how: str) -> TensorType:
    shape = x.shape[:0:-1] if how.startswith("permuted") else x.shape[1:]
    return TensorType((BATCH, *shape), x.dtype, x.below)


def _before(hand: Hand, k: int, how: str) -> Any:
    value = hand.inputs[k]
    if how.startswith("permuted"):
        n = hand.type_of(value).ndim
        value = hand.add(f"permute{k}", "permute", value, dims=[0, *range(n - 1, 0, -1)])
    return hand.add(f"scale{k}", "layer_scale", value) if how.endswith("learned") else value


def compare(network: tuple[Graph, int, frozenset[str]], **kinds: Any) -> None:
    graph, batch_size, frozen = network
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of slow paths
            expected = saved_by_torch(graph, batch_size, frozen=frozen, **kinds)
    except RuntimeError as refusal:
        assert "not implemented for 'BFloat16'" in str(refusal)
        return
    found = execute(graph, Setting(batch_size=batch_size, frozen=frozen, **kinds))
    assert found.saved_bytes == expected, (graph.nodes, batch_size, frozen, kinds)
    assert found.estimated == ()


KINDS = st.one_of(
    st.fixed_dictionaries({"precision": st.sampled_from(["fp32", "bf16"]), "channels_last": st.booleans()}),
    st.fixed_dictionaries({"dtype": st.sampled_from(["float64", "bfloat16"]), "channels_last": st.booleans()}),
)


@EACH_OP
def test_saved_bytes_of_every_op(name: str) -> None:
    @settings(deadline=None, max_examples=40 if name in MANY else 12, database=None)
    @given(networks(name), KINDS)
    def body(network: tuple[Graph, int, frozenset[str]] | None, kinds: dict[str, Any]) -> None:
        if network is not None:
            compare(network, **kinds)

    body()


@EACH_OP
def test_saved_bytes_of_every_op_between_layers_that_learn(name: str) -> None:
    """Which the few examples above may not have, and most networks do."""
    @settings(deadline=None, max_examples=4, database=None)
    @given(networks(name, usual=True))
    def body(network: tuple[Graph, int, frozenset[str]] | None) -> None:
        for precision in ("fp32", "bf16") if network is not None else ():
            compare(network, precision=precision)

    body()


def test_no_op_of_the_registry_is_estimated() -> None:
    from archspec.ops import Operation

    assert [name for name, op in OPS.items() if op.kernels is Operation.kernels] == []
