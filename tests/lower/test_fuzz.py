"""Whatever comes in, only diagnostics come out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import archspec
from archspec.ops import OPS
from tests.helpers import assert_form

NAMES = [
    *OPS, "vgg_block", "nin_block", "inception", "residual", "sequential", "b", "c", "$b", "$x", "$x.0", "$(x)", "x", "y",
    "main", "skip", "input", "left", "a", "name", "repeat", "when", "from", "share", "params", "body", "channels", "act",
]
FIELDS = sorted({field for op in OPS.values() for field in op.model_fields})
SECTIONS = ["archspec", "name", "description", "input", "vars", "use", "blocks", "stages", "expect", "train", "recipes",
            "extends", "stage"]
EXPRESSIONS = [
    "$x", "$y", "$(x + 1)", "$(i)", "$in.channels", "$input.height", "$(1 / 0)", "$(", "$x[0]", "$$x", "$", "$x.y.0",
    "$(max(x, 8))", "$(x if y else 2)", "$(2 ** 99)", "$(not x)", "$(-1)", "$(x == 1)", "$(len(x))", "$in.shape[-1]",
    "$input.shape", "$x[i]",
]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 70), st.sampled_from([2**63, -(10**30), 10**18]), st.floats(),
    st.sampled_from([*NAMES, *EXPRESSIONS, "int", "layer", "any", "same", "[int, int]"]), st.text(max_size=4),
)
keys = st.one_of(st.sampled_from([*NAMES, *FIELDS]), st.text(max_size=3))
nested = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)), max_leaves=12
)
layer = st.deferred(lambda: st.one_of(
    st.sampled_from(NAMES), scalars, st.dictionaries(st.sampled_from(NAMES), st.one_of(
        scalars, bodies, st.dictionaries(st.sampled_from([*FIELDS, *NAMES]), st.one_of(scalars, bodies), max_size=3),
    ), min_size=1, max_size=3),
))
bodies = st.deferred(lambda: st.one_of(layer, st.lists(layer, max_size=4)))
blocks = st.one_of(bodies, st.fixed_dictionaries({
    "params": st.dictionaries(st.sampled_from(["x", "y", "act", "in", "b"]), st.one_of(scalars, bodies), max_size=3),
    "body": bodies,
}))
declared = st.fixed_dictionaries({}, optional={
    "shape": st.one_of(st.just([4]), st.just([3, 8, 8]), nested), "dtype": st.one_of(st.sampled_from(["int64", "float32"]), scalars),
    "below": st.one_of(st.integers(1, 9), scalars), "zzz": scalars,
})
inputs = st.dictionaries(st.sampled_from(["left", "right", "a", "input", "class", "shape"]),
                         st.one_of(st.just([3, 8, 8]), st.just([4]), declared, nested), max_size=3)
modes = st.one_of(st.sampled_from(["always", "training"]), scalars)
listed = st.one_of(st.sampled_from(["a", "b", "main", "left"]), scalars)
outputs = st.one_of(st.lists(listed, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "main", "left"]), modes, max_size=3), nested)
specs = st.fixed_dictionaries(
    {"archspec": st.just(1), "input": st.one_of(st.just([3, 8, 8]), st.just([4]), inputs, nested),
     "stages": st.dictionaries(st.sampled_from(["a", "b", "c", "half"]), bodies, min_size=1, max_size=4)},
    optional={
        "vars": st.dictionaries(st.sampled_from(["x", "y", "b"]), st.one_of(scalars, bodies), max_size=3),
        "blocks": st.dictionaries(st.sampled_from(["b", "c", "residual", "relu"]), blocks, max_size=3),
        "expect": st.dictionaries(st.sampled_from(["a", "output", "params", "zzz"]), nested, max_size=3),
        "train": st.dictionaries(st.sampled_from(["data", "lr", "epochs", "schedule", "betas", "zzz"]), nested, max_size=4),
        "recipes": st.dictionaries(st.sampled_from(["r", "train"]), nested, max_size=2),
        "outputs": outputs, "use": nested, "name": scalars, "description": scalars,
    },
)
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def only_diagnostics(source: Any) -> None:
    found = archspec.check(source)
    for diagnostic in found:
        if diagnostic.code not in ("SPEC007", "SPEC008", "SPEC009"):  # of data, these begin with its own keys
            assert_form(diagnostic)
    if not found:
        loaded = archspec.load(source)
        loaded.graph.verify()
        assert archspec.load(loaded.resolved_yaml()).report.params == loaded.report.params


@RELAXED
@given(specs)
def test_specs_made_of_the_right_words(data: dict[str, Any]) -> None:
    only_diagnostics(data)


@RELAXED
@given(specs)
def test_the_same_as_text(data: dict[str, Any]) -> None:
    """JSON is YAML, so every such text parses, and has places."""
    text = json.dumps(data, indent=1) + "\n"
    only_diagnostics(text)


@RELAXED
@given(st.dictionaries(st.one_of(st.sampled_from(SECTIONS), st.text(max_size=3)), nested, max_size=6))
def test_any_data(data: dict[str, Any]) -> None:
    only_diagnostics(data)


@RELAXED
@given(st.lists(st.sampled_from([
    "archspec: 1", "input: [3, 8, 8]", "stages:", "  a:", "  a: [", "]", "{", "}", "- relu", "    - conv2d:", "      ",
    "out_channels: 3", "input: {left: [3, 8, 8], right: {shape: [4], dtype: int64, below: 9}}", "{relu: , from: left}", "outputs: [a]", "$(max(1,", "2))", "vars: {x: $y}", "  b: {from: a}", "repeat: 2", "when: $", ", ", ": ", "#", "\t",
    '"', "'", "&a", "*a", "!!x", "|", ">", "? ", "---", "%YAML 1.2", "<<: ", "\n", "  ",
]), max_size=25), st.booleans())
@example(["---", "---", "---", "  a:"], False)
def test_any_text(pieces: list[str], lines: bool) -> None:
    only_diagnostics(("\n" if lines else " ").join(pieces) + "\n")
