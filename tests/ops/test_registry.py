"""Every op of the registry against torch: none escapes, since a missing strategy fails."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archspec.merges import Add, Attention, Concat, Div, MatMul, Mul, Stack, Sub
from archspec.ops import OPS, Operation, cost_of, infer_outputs, make_op, register_op
from archspec.types import UNKNOWN, ShapeError, TensorType, is_unknown
from tests.helpers import comparisons_are_written_out
from tests.ops.draw import Case, random_of, types_of
from tests.ops.strategies import STRATEGIES

EACH_OP = pytest.mark.parametrize("name", sorted(OPS))
MANY = {"conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d"}  # most rules, most examples; other ranks share them

MERGES = (Add, Attention, Concat, Div, MatMul, Mul, Stack, Sub)
# Rules that archspec has beyond torch's: the batch is left alone, nothing is broadcast over ranks, no norm is constant.
STRICTER = re.compile(
    r"is the batch,|move dim 0|disagree in (rank|batch)|, a sample .* only|has no variance|"
    r"`(key|value)` disagree in (dim|length)|needs matrices|does not fit the scores|too small for integers|needs a sequence|"
    r"beside the batch|^(start|end) -?\d+ is not in"
)


def examples(name: str) -> Any:
    return settings(deadline=None, max_examples=120 if name in MANY else 30, database=None)


def check(name: str, body: Any, *more: st.SearchStrategy[Any]) -> None:
    """Run `body(case, …)` on drawn cases of this op."""
    examples(name)(given(STRATEGIES[name], *more)(body))()


def ours(name: str, case: Case) -> tuple[Operation, tuple[TensorType, ...], TensorType] | None:
    """The op, its inputs and its output; None where archspec refuses."""
    fields, shapes = case
    inputs = types_of(name, shapes)
    try:
        op = make_op(name, fields)
        return op, inputs, infer_outputs(op, inputs)[0]
    except (ValidationError, ShapeError):
        return None


def run(module: torch.nn.Module, inputs: tuple[TensorType, ...]) -> torch.Tensor:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch warns of slow paths
        return module(*arguments(module, [torch.zeros(x.shape, dtype=getattr(torch, x.dtype)) for x in inputs]))


def arguments(module: torch.nn.Module, tensors: list[torch.Tensor]) -> list[Any]:
    """A merge takes a list."""
    return [tensors] if isinstance(module, MERGES) else tensors


def test_every_op_has_a_strategy_and_no_strategy_is_left_over() -> None:
    assert set(STRATEGIES) == set(OPS)


@EACH_OP
def test_strategy_draws_enough_cases_that_are_accepted(name: str) -> None:
    accepted = 0

    def body(case: Case) -> None:
        nonlocal accepted
        accepted += ours(name, case) is not None

    settings(deadline=None, max_examples=40, database=None, derandomize=True)(given(STRATEGIES[name])(body))()
    assert accepted >= 10


@EACH_OP
def test_shape_cost_and_refusal_equal_torch(name: str) -> None:
    def body(case: Case) -> None:
        fields, shapes = case
        inputs = types_of(name, shapes)
        try:
            op = make_op(name, fields)
            expected = infer_outputs(op, inputs)[0]
        except (ValidationError, ShapeError) as refusal:
            if isinstance(refusal, ShapeError) and STRICTER.search(refusal.message):
                return
            assert torch_refuses(name, fields, inputs), refusal
            return
        module, cost = op.build(*inputs), cost_of(op, inputs, (expected,))
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # it knows no kernel of the CPU
            output = run(module, inputs)
        assert tuple(output.shape) == expected.shape
        assert 2 * cost.macs == counter.get_total_flops()
        assert cost.params == sum(p.numel() for p in module.parameters())
        assert cost.buffers == sum(b.numel() for b in module.buffers())
        assert cost.elementwise_flops >= 0

    check(name, body)


def torch_refuses(name: str, fields: dict[str, Any], inputs: tuple[TensorType, ...]) -> bool:
    """Whether torch alone, without the op's own rules, raises or gives an empty tensor."""
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    try:
        unchecked = make_op(name, fields)
    except ValidationError:
        unchecked = OPS[name].model_construct(**tuples)
    try:
        return run(unchecked.build(*inputs), inputs).numel() == 0
    except (RuntimeError, ValueError, IndexError):
        return True


@EACH_OP
def test_module_can_be_pickled(name: str) -> None:
    def body(case: Case) -> None:
        found = ours(name, case)
        if found is None:
            return
        module = found[0].build(*found[1]).eval()
        copy = pickle.loads(pickle.dumps(module))
        assert repr(copy) == repr(module)
        torch.testing.assert_close(run(copy, found[1]), run(module, found[1]), rtol=0, atol=0, equal_nan=True)

    settings(deadline=None, max_examples=5, database=None)(given(STRATEGIES[name])(body))()


@EACH_OP
def test_module_can_be_scripted(name: str) -> None:
    def body(case: Case) -> None:
        found = ours(name, case)
        if found is None:
            return
        module = found[0].build(*found[1]).eval()
        inputs = arguments(module, [random_of(x) for x in found[1]])
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch would rather have torch.export
            scripted = torch.jit.script(module)
            torch.testing.assert_close(scripted(*inputs), module(*inputs), equal_nan=True)
            if name == "stochastic_depth":  # its other way
                assert scripted.train()(*inputs).shape == inputs[0].shape

    settings(deadline=None, max_examples=4, database=None, derandomize=True)(given(STRATEGIES[name])(body))()


@EACH_OP
def test_unknown_dims_raise_nothing_and_known_dims_stay_true(name: str) -> None:
    def body(case: Case, data: st.DataObject) -> None:
        fields, shapes = case
        try:
            op = make_op(name, fields)
        except ValidationError:
            return
        hide = st.sampled_from([False, False, True])
        masked = tuple(
            x.reshaped(*(UNKNOWN if data.draw(hide) else size for size in x.shape)) for x in types_of(name, shapes)
        )
        found = ours(name, case)
        try:
            output = infer_outputs(op, masked)[0]
        except ShapeError as error:
            assert found is None, error.message
            check_error(error)
        else:
            cost_of(op, masked, (output,))
            if found is not None:
                true = found[2].shape
                assert len(output.shape) == len(true)
                assert all(is_unknown(a) or a == b for a, b in zip(output.shape, true, strict=True))

    with comparisons_are_written_out():
        check(name, body, st.data())


def check_error(error: ShapeError) -> None:
    """What holds of every ShapeError."""
    assert re.fullmatch(r"SHAPE10[1-7]", error.code)
    assert "\n" not in error.message
    assert len(error.message) < 400
    assert error.message[0].islower() or not error.message[0].isalpha()
    assert not error.message.endswith(".")
    if error.partial is not None:
        assert all(is_unknown(d) or 1 <= d < 2**63 for d in error.partial.shape)


HOSTILE = st.one_of(
    st.sampled_from([
        0, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**400, -(10**400), 10**5000, True, False, None, "", "same",
        "{x}", "zeros", "1", b"1", float("nan"), float("inf"), -float("inf"), 1e308, 5e-324, -0.0, 2.0, [], [[]],
        [1], [1, 2], [1, -1], [1, 2, 3, 4], [True, 1], [None, 1], [2**63, 1], [10**5000, 1], ["a", "b"], {}, {"a": 1},
        [0, 0], [-1, -1], list(range(70)), (3, 3), object(), 1j, 10**18, [10**18, 10**18], UNKNOWN,
    ]),
    st.integers(-5, 5),
    st.floats(),
)
DIM = st.one_of(st.integers(1, 5), st.sampled_from([1, 2**31, 10**18, 2**63 - 1]), st.just(UNKNOWN))


@EACH_OP
def test_no_value_and_no_shape_raises_anything_but_the_two_errors(name: str) -> None:
    def body(case: Case, data: st.DataObject) -> None:
        fields = dict(case[0])
        known = [*OPS[name].model_fields, "extra"]
        for field in data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True)):
            fields[field] = data.draw(HOSTILE)
        try:
            op = make_op(name, fields)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            assert len({e["loc"][:1] for e in found}) == len(found), "one error for each field"
            assert all(len(e["loc"]) <= 1 and "\n" not in e["msg"] and len(e["msg"]) < 200 for e in found)
            return
        shape = st.lists(DIM, min_size=1, max_size=6).map(tuple)
        inputs = tuple(x.reshaped(*data.draw(shape)) for x in types_of(name, case[1]))
        try:
            output = infer_outputs(op, inputs)[0]
        except ShapeError as error:
            check_error(error)
            return
        cost_of(op, inputs, (output,))
        assert all(is_unknown(d) or 1 <= d < 2**63 for d in output.shape)

    with comparisons_are_written_out():
        check(name, body, st.data())


@EACH_OP
def test_documentation_is_complete(name: str) -> None:
    cls = OPS[name]
    doc = cls.documentation()
    assert "__doc__" in vars(cls)
    for heading in ("Shapes: ", "Cost: ", "Errors: "):
        assert f"\n{heading}" in doc
    for field, info in cls.model_fields.items():
        assert info.description, field
    assert cls.op == name
    assert cls.main is None or cls.main in cls.model_fields


@EACH_OP
def test_json_schema_describes_every_field(name: str) -> None:
    schema = OPS[name].model_json_schema()
    assert set(schema.get("properties", {})) == set(OPS[name].model_fields)
    assert all(p["description"] for p in schema.get("properties", {}).values())
    assert schema["additionalProperties"] is False


@EACH_OP
def test_json_schema_agrees_with_validation(name: str) -> None:
    """What the model refuses field by field, an editor may still accept, but never the other way round."""
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(OPS[name].model_json_schema())

    def body(case: Case) -> None:
        try:
            make_op(name, case[0])
        except ValidationError:
            return
        given = {k: v for k, v in case[0].items() if v is not None or k != "stride"}
        assert not list(validator.iter_errors(given))

    settings(deadline=None, max_examples=10, database=None)(given(STRATEGIES[name])(body))()


def test_registering_a_name_twice_raises() -> None:
    with pytest.raises(ValueError, match="the op `relu` is built into archspec"):
        register_op(type("Other", (OPS["relu"],), {"op": "relu", "__module__": __name__}))


def test_unknown_op_and_unknown_field() -> None:
    with pytest.raises(KeyError):
        make_op("conv4d", {})
    with pytest.raises(ValidationError) as caught:
        make_op("linear", {"out_features": 3, "in_features": 4})
    assert [e["loc"] for e in caught.value.errors()] == [("in_features",)]


def test_everything_but_building_does_without_torch() -> None:
    code = (
        "import sys\n"
        "from archspec.ops import OPS, cost_of, make_op, infer_outputs\n"
        "from archspec.types import TensorType\n"
        "op = make_op('conv2d', {'out_channels': 3, 'kernel_size': 3})\n"
        "x = (TensorType((1, 3, 8, 8)),)\n"
        "cost_of(op, x, infer_outputs(op, x)), [cls.model_json_schema() for cls in OPS.values()]\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
