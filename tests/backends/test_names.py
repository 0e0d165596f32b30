"""No name that the language allows reaches generated code as it is."""

import builtins
import functools
import io
import keyword
import warnings
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import archspec
from archspec.language.names import MODULE_ATTRIBUTES
from archspec.train.distributed.fsdp import check_free_names

TRICKY = [
    "self", "x", "x1_self", "v_self", "v_x", "a_1", "a_1_1", "a", "add", "add_", "concat", "output", "input", "i", "inf",
    "nan", "torch", "nn", "fx", "device", "cls", "super", "root", "args", "kwargs", "T", "None_", "getattr", "print", "Body",
    "forward", "training", "parameters", "children", "graph", "code", "relu_1", "conv2d_1", "uninitialized", "fork",
    "_x", "__x", "__class__", "__dict__", "_modules", "0", "0_1", "é", "ﬁ", "a.1", "a-1", "match", "type", "case",
]
ALL = {*TRICKY, *keyword.softkwlist, *dir(builtins), *dir(torch)}
ALLOWED = sorted(name for name in ALL - MODULE_ATTRIBUTES if name.isidentifier() and name.isascii() and name[0] != "_"
                 and not keyword.iskeyword(name))
ROLES = ("first", "second", "layer", "branch", "other", "block", "param", "var")
PLAIN = dict(zip(ROLES, ROLES, strict=True))
X = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
names = st.one_of(st.sampled_from(ALLOWED), st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True))


def spec(first: str, second: str, layer: str, branch: str, other: str, block: str, param: str, var: str) -> dict[str, Any]:
    """Every kind of name, and every kind of value that generated code has a variable for."""
    body = [
        {"conv2d": {"out_channels": f"${var}", "kernel_size": 1}},
        {"add": {branch: [], other: {"relu": {}, "from": "input"}}, "when": "$(in.channels == input.channels)"},
        {"concat": {branch: f"${param}", other: []}},
    ]
    return {
        "archspec": 1, "input": [3, 4, 4], "vars": {var: 4}, "blocks": {block: {"params": {param: "layer"}, "body": body}},
        "stages": {
            first: [{"conv2d": {"out_channels": 4, "kernel_size": 1}, "name": layer}, "relu",
                    {"add": {branch: {"sigmoid": {}, "from": layer}, other: []}}],
            second: [{block: {param: {"from": first}}, "repeat": 2},
                     {"add": {branch: [], other: {"conv2d": {"out_channels": 8, "kernel_size": 1}, "from": first}}},
                     {block: {param: "relu"}}],
        },
    }


def renamed(key: str, given: dict[str, str]) -> str:
    """A state_dict key of the spec with plain names, as it is with these."""
    parts = [given.get(part, part) for part in key.split(".")]
    return ".".join(f"{given['block']}_{part[6:]}" if part.startswith("block_") else part for part in parts)


@functools.cache
def plain_model() -> nn.Module:
    return archspec.build(spec(**PLAIN), seed=1)


def assert_same_network(given: dict[str, str]) -> nn.Module:
    model, plain = archspec.build(spec(**given), seed=1), plain_model()
    assert torch.equal(model(X), plain(X))
    assert list(model.state_dict()) == [renamed(key, given) for key in plain.state_dict()]
    assert torch.equal(getattr(model, given["first"])(X), plain.first(X))
    assert f"({given['second']})" in str(model)
    return model


@settings(max_examples=40, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(ROLES, names)))
def test_names_change_nothing(given):
    assume(not archspec.check(spec(**given)))
    assert_same_network(given)


@pytest.mark.parametrize("role", ["first", "layer", "branch", "block"])
def test_every_name_in_every_role(role):
    """All names that may trick Python or torch; a name is refused by a diagnostic, or works."""
    refused = set()
    for name in TRICKY:
        given = {**PLAIN, role: name}
        if archspec.check(spec(**given)):
            refused.add(name)
        else:
            assert_same_network(given)
    if role != "block":  # `add` there is the op
        assert not refused & {"self", "x", "v_x", "a_1", "add", "torch", "match", "getattr", "inf"}
    assert {"0", "0_1", "é", "a.1"} <= refused


def test_one_name_for_all_that_may_share_it():
    given = dict.fromkeys(ROLES, "self") | {"second": "x", "other": "v_self", "param": "x"}
    assert not archspec.check(spec(**given))
    model = assert_same_network(given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have us use torch.export
        scripted = torch.jit.script(model)
        torch.jit.save(scripted, buffer := io.BytesIO())
        buffer.seek(0)
        assert torch.equal(torch.jit.load(buffer)(X), model(X))
    assert torch.equal(torch.compile(model, backend="eager", fullgraph=True)(X), model(X))
    torch.testing.assert_close(torch.export.export(model.eval(), (X,)).module()(X), model(X))


def test_a_value_named_by_a_copy_of_a_repeat():
    data = {
        "archspec": 1, "input": [3, 8, 8], "stages": {"a": [{"ir": {}, "repeat": 2}]},
        "blocks": {"ir": [
            {"conv2d": {"out_channels": 8, "kernel_size": 1}},
            {"add": {"main": [], "skip": {"relu": {}, "from": "input"}}, "when": "$(in.channels == input.channels)"},
        ]},
    }
    model = archspec.build(data, seed=0)
    x = torch.randn(1, 3, 8, 8)
    first = model.a.ir_1.get_submodule("0")(x)
    again = model.a.ir_1.get_submodule("1")
    torch.testing.assert_close(model(x), again.conv2d_1(first) + first.relu())


@pytest.mark.parametrize("name", ["my net (v2.1)", "2 nets", "résumé", "…", "class"])
def test_any_name_of_a_network(name):
    """It names the module's class, which a script asks for an identifier."""
    text = {"archspec": 1, "name": name, "input": [4], "stages": {"a": {"add": {"b": [], "c": "relu"}}, "d": {"add": {"e": [], "f": {"from": "a"}}}}}
    model = archspec.build(text)
    assert type(model).__name__.isidentifier() and type(model).__name__.isascii()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert torch.equal(torch.jit.script(model)(torch.ones(2, 4)), torch.full((2, 4), 4.0))


def test_methods_that_fsdp_adds_are_refused_as_names_there():
    """Found before a process group is needed; without --fsdp they are names like any other."""
    data = {"archspec": 1, "input": [4], "stages": {"unshard": "relu", "b": {"add": {"c": {"from": "unshard"}, "d": []}}}}
    model = archspec.build(data)
    assert model(torch.ones(1, 4)).tolist() == [[2.0] * 4]
    with pytest.raises(archspec.SpecError, match="`unshard`"):
        check_free_names(model)
    check_free_names(archspec.build("lenet"))
