"""Specs written in Python: to text and back, comments, and the Python places of their mistakes."""

from __future__ import annotations

import copy
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

import archspec
from archspec import ArchSpec, Block, Layer, Recipe, RecipeFields
from archspec import ops as exported
from archspec.ir.digest import graph_digest
from archspec.language.shipped import shipped_specs
from archspec.ops import OPS, Add, Concat, Conv2d, Linear, ReLU
from archspec.ops.placed import origin_of
from archspec.source import parse
from archspec.source.layout import formatted

ROOT = Path(__file__).parent.parent.parent


def same(spec: ArchSpec) -> str:
    """Its text, after a check that nothing is lost in it."""
    text = spec.to_yaml()
    assert parse(text, "made.yaml").data == spec.to_data()
    assert formatted(text, "made.yaml") == text
    assert ArchSpec.model_validate(parse(text, "made.yaml").data).to_data() == spec.to_data()
    return text


@pytest.mark.parametrize("name", shipped_specs())
def test_shipped_specs_go_to_models_and_back(name: str) -> None:
    loaded = archspec.load(name)
    again = archspec.load(loaded.spec.to_yaml())
    assert again.data == loaded.data and graph_digest(again.graph) == graph_digest(loaded.graph)
    assert again.recipes == loaded.recipes


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=8)
NAME = st.from_regex(r"[a-h]{1,3}", fullmatch=True)
SCALAR = st.one_of(st.booleans(), st.integers(-9, 99), st.floats(allow_nan=False, allow_infinity=False), TEXT, st.just("$w"))
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3), max_leaves=8)
OP = st.one_of(
    st.builds(Conv2d, out_channels=st.integers(1, 9), kernel_size=st.sampled_from([1, 3, (1, 3), [3, 3]])),
    st.builds(Linear, out_features=st.integers(1, 9)), st.builds(ReLU), st.builds(OPS["dropout"], p=st.floats(0, 1)),
)
COMMENT = st.one_of(st.just(""), TEXT, st.just("two\nlines"), st.just("a # and: [colon]"))
LAYER = st.recursive(
    st.one_of(OP, TEXT, st.dictionaries(NAME, VALUE, min_size=1, max_size=2)),
    lambda inner: st.one_of(
        st.builds(Layer, kind=OP, name=st.none() | NAME, repeat=st.none() | st.just(2), comment=COMMENT),
        st.builds(Layer, kind=NAME, args=st.lists(inner, max_size=2) | VALUE, comment=COMMENT),
        st.builds(Layer, kind=st.sampled_from([Add(), Concat(dim=2), "mul"]), branches=st.dictionaries(NAME, st.lists(inner, max_size=3))),
    ), max_leaves=6,
)
BODY = LAYER | st.lists(LAYER, max_size=4)
SPEC = st.builds(
    ArchSpec, name=st.none() | TEXT, description=TEXT, input=VALUE, vars=st.dictionaries(NAME, VALUE, max_size=3),
    stages=st.dictionaries(NAME, BODY, max_size=4), train=st.dictionaries(NAME, VALUE, max_size=3),
    blocks=st.dictionaries(NAME, st.builds(Block, params=st.dictionaries(NAME, VALUE, max_size=2), body=BODY, comment=COMMENT), max_size=2),
)


@given(SPEC)
@settings(max_examples=60, deadline=None)
def test_any_spec_goes_to_text_and_back(spec: ArchSpec) -> None:
    same(spec)


def test_short_forms_of_ops() -> None:
    layers = [Conv2d(out_channels=2, kernel_size=3, padding=(1, 0)), Linear(out_features=3), ReLU(), Linear(out_features=3, bias=False)]
    assert ArchSpec(stages={"a": layers}).to_data()["stages"]["a"] == [
        {"conv2d": {"out_channels": 2, "kernel_size": 3, "padding": [1, 0]}}, {"linear": 3}, "relu",
        {"linear": {"out_features": 3, "bias": False}},
    ]


def test_comments_stand_above_what_they_tell_of() -> None:
    spec = ArchSpec(
        input=[1, 8, 8], vars={"w": 4, "v": 1}, comments={"vars.v": "of v", "stages": "all\nstages", "stages.a": "a stage"},
        blocks={"b": Block(body=["relu"], comment="a block")},
        stages={"a": Layer(kind="b", comment="bare"), "c": ["relu", Layer(kind=Add(), comment="sum", branches={
            "x": [Layer(kind=ReLU(), comment="deep")], "y": []})]},
    )
    assert same(spec) == """\
archspec: 1
input: [1, 8, 8]
vars:
  w: 4
  # of v
  v: 1
blocks:
  # a block
  b: {body: [relu]}
# all
# stages
stages:
  # a stage
  # bare
  a: b
  c:
    - relu
    # sum
    - add:
        x:
          # deep
          - relu
        y: []
"""


@pytest.mark.parametrize("place", ["stages.z", "vars", "nothing.at.all"])
def test_a_comment_needs_a_place(place: str) -> None:
    with pytest.raises(ValueError, match=f"a comment at `{place}`, where the spec has nothing"):
        ArchSpec(input=[1], stages={"a": "relu"}, comments={place: "x"}).to_yaml()


def test_a_comment_has_no_control_characters() -> None:
    with pytest.raises(ValidationError, match=r"U\+001B"):
        Layer(kind="relu", comment="red: \x1b[31m")


@pytest.mark.parametrize("fields", [
    {"kind": ReLU(), "args": 1}, {"kind": ReLU(), "branches": {}}, {"branches": {}}, {"kind": "add", "args": 1, "branches": {}},
])
def test_layers_that_contradict_themselves(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Layer(**fields)


def test_a_recipe_may_be_its_model() -> None:
    recipe = Recipe(data="digits", lr=0.1, schedule="cosine", loss="mse", freeze="a")
    spec = ArchSpec(input=[4], stages={"a": Linear(out_features=2)}, train=recipe)
    assert archspec.load(spec).recipe() == recipe == archspec.load(same(spec)).recipe()


def test_the_types_of_a_recipe_are_those_of_its_model() -> None:
    assert [*RecipeFields.__annotations__] == [*Recipe.model_fields]
    adapter = TypeAdapter(RecipeFields)
    for name in shipped_specs():
        for data in (archspec.load(name).data.get("train", {}), *archspec.load(name).data.get("recipes", {}).values()):
            assert adapter.validate_python(data).keys() == data.keys()


def test_every_op_is_exported() -> None:
    assert [name for name, cls in ((cls.__name__, cls) for cls in OPS.values()) if getattr(exported, name) is not cls] == []
    assert {cls.__name__ for cls in OPS.values()} <= {*exported.__all__}


def test_a_spec_keeps_what_it_was_given() -> None:
    layers = ["relu"]
    spec = ArchSpec(stages={"a": layers})
    layers.append("gelu")
    assert spec.to_data()["stages"] == {"a": ["relu"]}


def test_data_that_contains_itself() -> None:
    layers: list[Any] = []
    layers.append(layers)
    with pytest.raises(archspec.SpecError, match="deeper than 64"):
        archspec.load(ArchSpec(input=[1], stages={"a": layers}))
    with pytest.raises(archspec.SpecError, match="deeper than 64"):
        ArchSpec(input=[1], stages={"a": layers}).to_yaml()


NET = '''\
from archspec import ArchSpec, Block, Layer
from archspec.ops import Add, Conv2d, Linear

def stage(width):
    return [Conv2d(out_channels=width,
                   kernel_size=31), "relu"]

layers = [Layer(kind="linear", args={"out_features": "ten"}, name="é", repeat="x")]
spec = ArchSpec(
    input=[1, 9, 9],
    stages={
        "a": stage(4),
        "b": ["rellu", {"linear": "ten"}, *layers],
        "c": Layer(kind=Add(), branches={"x": ["gellu"], "y": []}),
        "d": Layer(kind=Conv2d(out_channels=4, kernel_size=17), name="deep"),
    },
    blocks={"bad": Block(params={"c": "int"}, body=[{"linear": "$d"}])},
    train={"data": "digits", "lr": -1},
)
'''


def made(folder: Path, text: str) -> ArchSpec:
    (folder / "net.py").write_text(text, encoding="utf-8")
    return runpy.run_path(str(folder / "net.py"))["spec"]


@pytest.mark.parametrize(("message", "line", "quoted"), [
    ("31×31 window", 6, "31"), ("`rellu`", 13, '"rellu"'), ('`out_features` of `linear` must be an integer, at least 1, got "ten"', 13, '"ten"'),
    ("`gellu`", 14, '"gellu"'), ("unknown name `d`", 17, '"$d"'), ("`lr` must be more", 18, "-1"), ("`repeat` must be", 8, '"x"'),
])
def test_mistakes_are_shown_where_python_made_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, line: int, quoted: str) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = [d for d in archspec.check(made(tmp_path, NET)) if message in d.message and d.span and (d.span.line == line)]
    assert found.span is not None and found.span.path == "net.py" and found.path
    assert found.span.text[found.span.column - 1 :][: found.span.length] == quoted
    assert found.fix is None, "no edit of Python"
    with pytest.raises(archspec.SpecError) as caught:
        archspec.load(made(tmp_path, NET))
    assert f"--> net.py:{line}:{found.span.column}\n" in str(caught.value) and found.span.text in str(caught.value)


def test_a_mistake_of_the_whole_spec_is_at_its_call(tmp_path: Path) -> None:
    (found,) = archspec.check(made(tmp_path, "from archspec import ArchSpec\nspec = ArchSpec(input=[1])\n"))
    assert found.code == "SPEC011" and found.span is not None and (found.span.line, found.span.column) == (2, 8)


def test_a_file_that_cannot_be_read_is_named_without_its_line() -> None:
    names: dict[str, Any] = {}
    exec(compile("from archspec import ArchSpec\n\nspec = ArchSpec(input=[1])\n", "<cell 1>", "exec"), names)
    (found,) = archspec.check(names["spec"])
    assert str(found).split("\n")[1:3] == [" --> <cell 1>:3:1", "  = hint: write `stages={'name': [layer, …], …}`"]


def test_a_file_that_changed_since_is_no_reason_to_fail(tmp_path: Path) -> None:
    spec = made(tmp_path, NET)
    (tmp_path / "net.py").write_text("x = (\n" * 20)
    assert {d.span.text for d in archspec.check(spec) if d.span} == {"x = ("}


def test_origins_change_nothing_else() -> None:
    one = Conv2d(out_channels=2, kernel_size=3)
    two = Conv2d(out_channels=2, kernel_size=3)
    assert one == two and hash(one) == hash(two) and repr(one) == repr(two)
    assert pickle.loads(pickle.dumps(one)) == one == copy.deepcopy(one)
    assert one.model_dump() == two.model_dump()
    assert origin_of(one) is not None and origin_of(Conv2d.model_validate({"out_channels": 2, "kernel_size": 3})) is None


def test_ops_of_a_text_have_no_origin() -> None:
    graph = archspec.load("lenet").graph
    assert all(origin_of(node.op) is None for _, node, _ in graph.walk())


def test_a_layer_takes_from_by_either_name() -> None:
    assert Layer(from_="x") == Layer(**{"from": "x"}) and Layer(from_="x").to_data() == {"from": "x"}


WRONG = '''\
from archspec import ArchSpec, Layer
from archspec.ops import Add, Conv2d

layer = Layer(from_="x")
good = ArchSpec(stages={"a": {"add": {"x": ["relu"], "y": layer}}}, blocks={"b": {"body": "relu"}}, train={"lr": "$lr", "schedule": {"step": 3}})
Conv2d(out_channels="x", kernel_size=3)
Conv2d(out_channels=1, kernel=3)
ArchSpec(stages={"a": [Conv2d(out_channels=1, kernel_size=3), 5]})
ArchSpec(train={"data": "digits", "lr": 0.1, "epoch": 3})
ArchSpec(train={"optimizer": "sdg"})
Layer(kind=Add(), branches={"x": [1.5]})
Layer(kind=Add(dim=1))
ArchSpec(stage={"a": "relu"})
'''


@pytest.mark.slow
def test_a_type_checker_without_plugins_takes_the_right_and_finds_the_wrong(tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    (tmp_path / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"), "--cache-dir", str(tmp_path / "cache")]
    found = subprocess.run([*command, "docs/build_net.py", str(tmp_path / "wrong.py")], capture_output=True, text=True, cwd=ROOT, check=False)
    lines = re.findall(r"^(\S+):(\d+): error", found.stdout, re.MULTILINE)
    assert [int(line) for name, line in lines if name.endswith("wrong.py")] == [*range(6, 14)], found.stdout
    assert not [name for name, _ in lines if not name.endswith("wrong.py")], found.stdout


def test_the_network_of_the_page() -> None:
    path = ROOT / "docs" / "build_net.py"
    code = path.read_text(encoding="utf-8").partition("\n\n")[2]
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert code in page
    network = runpy.run_path(str(path))["network"]
    for widths, blocks in (([8, 16, 32], 2), ([4], 1)):
        spec = network(widths, blocks=blocks)
        report = archspec.analyze(spec)
        assert report.shapes["head"] == (10,)
        text = same(spec)
        assert archspec.analyze(text).params == report.params and "# digits\n" in text
