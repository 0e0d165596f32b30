"""The JSON Schema: it takes every spec and refuses the usual mistakes, and says what an editor should show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

import archspec
from archspec.diagnostics.codes import CODES
from archspec.language.files import standard_library
from archspec.language.schema import json_schema
from archspec.ops import OPS, Merge
from archspec.source import parse, read

ROOT = Path(__file__).parents[2]
SPECS = [*sorted((ROOT / "specs").rglob("*.yaml")), *sorted((ROOT / "archspec" / "stdlib").glob("*.yaml"))]
SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)
HEAD = "archspec: 1\ninput: [1, 28, 28]\n"


def stage(layer: str) -> str:
    return f"{HEAD}stages:\n  s: {layer}\n"


def accepts(text: str) -> bool:
    return bool(VALIDATOR.is_valid(parse(text, "spec.yaml").data))


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_spec_and_library_is_valid(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(read(path).data)] == []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_spec_names_the_schema_by_a_path_that_leads_to_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    modeline = "# yaml-language-server: $schema="
    assert first.startswith(modeline)
    assert (path.parent / first.removeprefix(modeline)).resolve() == ROOT / "docs" / "archspec.schema.json"


def test_the_file_in_docs_is_this_schema() -> None:
    """Else: `python docs/generate.py`."""
    assert json.loads((ROOT / "docs" / "archspec.schema.json").read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize(
    "code", [code for code in CODES if CODES[code].right.kind == "yaml" and not code.startswith("SWEEP")]
)
def test_the_right_example_of_each_code_is_valid(code: str) -> None:
    assert accepts(CODES[code].right.text)


@pytest.mark.parametrize(
    "code",
    ["SPEC010", "SPEC011", "SPEC012", "SPEC013", "SPEC021", "SPEC024", "SPEC042", "SPEC043", "SPEC045", "SPEC060"],
)
def test_the_wrong_example_of_a_code_about_form_is_not(code: str) -> None:
    assert not accepts(CODES[code].wrong.text)


@pytest.mark.parametrize(
    "layer",
    [
        "relu", "[]", "linear: 10", "{linear: 10}", "[linear: 10, relu]", "[linear: $n]", "{linear: $(2 * n)}",
        "{conv2d: {out_channels: $n, kernel_size: [1, $k], padding: same}}", "{max_pool2d: [2, 3]}", "$act",
        "{$block: [64, 1], repeat: $depths.0}", "[{relu: , when: $(a == b)}]", "{dropout: }",
        "{vgg_block: [2, 64]}", "{vgg_block: {convs: 2, channels: $n}}", "{residual: 64}",
        "{inception: [1, [2, 3], $c3, 4]}",
        "[{from: a}]", "{share: a}", "[{share: a, from: b, name: c, repeat: 2}]", "[{linear: 2, repeat: 2, share: true}]",
        "[{linear: 2, repeat: 2, share: $tied}]", "[{sequential: [relu], repeat: 3, name: b}]", "{add: {a: [], b: {from: input}}}",
        "{concat: {a: [relu], b: relu, dim: 2}}", "{layer_norm: }", "{layer_norm: {eps: 1e-3}}", "{reshape: [2, -1]}",
    ],
)  # fmt: skip
def test_forms_of_a_layer(layer: str) -> None:
    text = stage(layer if layer.startswith(("[", "{", "$")) or ":" not in layer else f"{{{layer}}}")
    assert accepts(text)


@pytest.mark.parametrize("layer", ["my_block", "{my_block: [1, x]}", "[{add: {a: my_block, b: [my_block: 3]}}]", "[{sequential: [my_block]}]"])
@pytest.mark.parametrize("head", ["blocks: {my_block: [relu]}\n", "use: lib.yaml\n", "extends: base.yaml\n"])
def test_a_name_that_may_be_a_block_is_accepted(layer: str, head: str) -> None:
    assert accepts(stage(layer) + head)
    assert not accepts(stage(layer))


BEST = [
    ("{conv2d: {out_chanels: 8, kernel_size: 3}}", ["conv2d"], "'out_chanels' was unexpected"),
    ("{conv2d: {out_channels: 8}}", ["conv2d"], "'kernel_size' is a required property"),
    ("{conv2d: {out_channels: ten, kernel_size: 3}}", ["conv2d", "out_channels"], "'ten' is not of type 'integer'"),
    ("{conv2d: {out_channels: 8, kernel_size: 3, padding: sane}}", ["conv2d", "padding"], "not one of ['same', 'valid']"),
    ("{conv2d: 3}", ["conv2d"], "3 is not of type 'object'"),
    ("conv2d", [], "'conv2d' is not of type 'object'"),
    ("{linear: ten}", ["linear"], "'ten' is not of type 'integer'"),
    ("{relu: 3}", ["relu"], "3 is not of type 'object', 'null'"),
    ("{relu: {x: 3}}", ["relu"], "'x' was unexpected"),
    ("{interpolate: {scale_factor: 2, mode: linearly}}", ["interpolate", "mode"], "is not one of ['nearest'"),
    ("rleu", [], "'rleu' is not one of"),
    ("[rleu]", [0], "'rleu' is not one of"),
    ("{rleu: }", [], "'rleu' is not one of"),
    ("{add: {a: [rleu], b: []}}", ["add", "a", 0], "'rleu' is not one of"),
    ("[{sequential: [rleu]}]", [0, "sequential", 0], "'rleu' is not one of"),
    ("[{relu: , when: maybe}]", [0, "when"], "'maybe' is not of type 'boolean'"),
    ("{linear: 3, share: tower}", ["share"], "'tower' is not of type 'boolean'"),
    ("[{share: [relu]}]", [0, "share"], "['relu'] is not of type"),
    ("{relu: , sigmoid: }", [], "'sigmoid' is not one of"),
    ("{residual: {chanels: 3}}", ["residual"], "'chanels' was unexpected"),
    ("{vgg_block: [1, 2, 3]}", ["vgg_block"], "(3 was unexpected)"),
    ("[[relu]]", [0], "is not of type 'string', 'object'"),
]


@pytest.mark.parametrize(("layer", "path", "message"), BEST, ids=[layer for layer, _, _ in BEST])
def test_the_best_match_says_what_is_wrong_and_where(layer: str, path: list[str | int], message: str) -> None:
    best = best_match(VALIDATOR.iter_errors(parse(stage(layer), "spec.yaml").data))
    assert best is not None
    assert [*best.absolute_path] == ["stages", "s", *path]
    assert message in best.message


RECIPES = [
    ("lr: fast", ["lr"], "'fast' is not of type 'number'"), ("optimizer: sdg", ["optimizer"], "not one of ['sgd'"),
    ("schedule: {stepp: 3}", ["schedule"], "'stepp' was unexpected"), ("schedule: cosin", ["schedule"], "not one of"),
    ("schedule: {step: {evry: 3}}", ["schedule", "step"], "'evry' was unexpected"), ("epoch: 3", [], "'epoch' was unexpected"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "path", "message"), RECIPES, ids=[field for field, _, _ in RECIPES])
def test_the_best_match_in_a_recipe(field: str, path: list[str], message: str) -> None:
    rate = "" if field.startswith("lr") else "lr: 0.1, "
    best = best_match(VALIDATOR.iter_errors(parse(f"{stage('relu')}train: {{data: digits, {rate}{field}}}\n", "x").data))
    assert best is not None
    assert ([*best.absolute_path], message in best.message) == (["train", *path], True), best.message


def test_its_size_is_reasonable() -> None:
    assert len(json.dumps(SCHEMA)) < 200_000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(stage("relu") + "stage: {}\n", id="unknown-key"),
        pytest.param(stage("rleu"), id="misspelt-op"),
        pytest.param(stage("[relu, {cnv2d: {out_channels: 3, kernel_size: 1}}]"), id="misspelt-op-with-fields"),
        pytest.param(stage("{conv2d: {out_channels: 8, kernel_sise: 3}}"), id="unknown-field"),
        pytest.param(stage("{conv2d: {out_channels: 8}}"), id="missing-field"),
        pytest.param(stage("conv2d"), id="op-without-its-fields"),
        pytest.param(stage("{conv2d: 3}"), id="op-without-a-main-argument"),
        pytest.param(stage("{linear: ten}"), id="text-for-a-number"),
        pytest.param(stage("{linear: 8.5}"), id="fraction-for-an-integer"),
        pytest.param(stage("{linear: 0}"), id="out-of-range"),
        pytest.param(stage("{dropout: 1.5}"), id="no-probability"),
        pytest.param(stage("{interpolate: {scale_factor: 2, mode: linearly}}"), id="no-such-mode"),
        pytest.param(stage("{relu: , sigmoid: }"), id="two-ops"),
        pytest.param(stage("{relu: , mine: 3}"), id="an-op-and-a-block"),
        pytest.param(stage("[linear: 3, repeat: 2]"), id="repeat-without-braces"),
        pytest.param(stage("{conv2d: {out_channels: 8, kernel_size: 3, repeat: 2}}"), id="repeat-among-fields"),
        pytest.param(stage("{add: {a: [], b: [], from: x}}"), id="from-among-branches"),
        pytest.param(stage("{relu: , repeat: -1}"), id="negative-repeat"),
        pytest.param(stage("{relu: , when: maybe}"), id="when-is-text"),
        pytest.param(stage("[{relu: , name: a b}]"), id="name-with-a-space"),
        pytest.param(stage("[[relu]]"), id="nested-list"),
        pytest.param(stage("{add: [[], []]}"), id="branches-without-names"),
        pytest.param(stage("{add: {a: []}}"), id="one-branch"),
        pytest.param(stage("add"), id="merge-without-branches"),
        pytest.param(stage("{sequential: relu}"), id="sequential-of-no-list"),
        pytest.param(stage(""), id="empty-stage"),
        pytest.param(stage("{vgg_block: 3}"), id="block-with-too-few"),
        pytest.param(stage("{vgg_block: [1, 2, 3]}"), id="block-with-too-many"),
        pytest.param(stage("{vgg_block: {conv: 1, channels: 3}}"), id="block-without-such-a-param"),
        pytest.param(stage("{vgg_block: [1, wide]}"), id="block-with-a-text"),
        pytest.param("archspec: 1\nstages: {a: relu}\n", id="no-input"),
        pytest.param("input: [1, 2, 3]\nstages: {a: relu}\n", id="no-version"),
        pytest.param("archspec: 1\ninput: [1, 0, 3]\nstages: {a: relu}\n", id="empty-input"),
        pytest.param(HEAD + "stages: {1a: relu}\n", id="stage-name"),
        pytest.param("archspec: 1\nblocks: {a: {params: {x: int}}}\n", id="block-without-body"),
        pytest.param(stage("relu") + "expect: {params: many}\n", id="count-is-text"),
        pytest.param(stage("relu") + "expect: {s: [a]}\n", id="shape-is-text"),
        pytest.param(stage("relu") + "train: {data: digits}\n", id="no-rate"),
        pytest.param(stage("relu") + "train: {data: digits, lr: 0.1, batchsize: 3}\n", id="unknown-recipe-field"),
        pytest.param(stage("relu") + "train: {data: digits, lr: 0.1, schedule: {stepp: 3}}\n", id="unknown-schedule"),
    ],
)  # fmt: skip
def test_usual_mistakes_are_refused_by_the_schema_and_by_archspec(text: str) -> None:
    assert not accepts(text)
    assert archspec.check(text)


def test_a_variant_may_remove_and_hold_only_what_differs() -> None:
    assert accepts("archspec: 1\nextends: a.yaml\nstages: {head: null}\ntrain: {lr: 0.1, momentum: null}\n")


# -- what an editor shows --------------------------------------------------------------------------------------


def definition(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["definitions"][name]
    return found


def fields_form(name: str) -> dict[str, Any]:
    found: dict[str, Any] = definition(name)
    found = found.get("then", found)
    assert "properties" in found
    return found


@pytest.mark.parametrize("name", OPS)
def test_each_op_is_offered_with_its_docs_and_all_its_fields(name: str) -> None:
    model = OPS[name]
    mapping = definition("layer")["then"]
    assert mapping["properties"][name] == {"$ref": f"#/definitions/op.{name}"}
    assert definition(f"op.{name}")["description"].startswith((model.__doc__ or "").split("\n")[0])
    properties = fields_form(f"op.{name}")["properties"]
    for field, info in model.model_fields.items():
        assert properties[field]["description"] == info.description
        assert ("default" in properties[field]) == (not info.is_required())
    alone = {form["const"]: form["description"] for form in definition("layer")["anyOf"] if "const" in form}
    bare = not issubclass(model, Merge) and not any(info.is_required() for info in model.model_fields.values())
    assert (name in alone) == bare
    assert not bare or alone[name]


@pytest.mark.parametrize("name", standard_library().blocks)
def test_each_standard_block_is_offered_with_its_params(name: str) -> None:
    assert list(fields_form(f"block.{name}")["properties"]) == [p.name for p in standard_library().blocks[name].params]
    assert name in definition(f"block.{name}")["description"]


def test_no_reference_leads_nowhere() -> None:
    text = json.dumps(SCHEMA)
    names = {part.split('"')[0] for part in text.split("#/definitions/")[1:]}
    assert names == set(SCHEMA["definitions"])


LIBRARY = "{vars: {n: 4}, blocks: {wide: {params: {k: int}, body: [linear: $(n * k)]}}}"


@pytest.mark.parametrize(
    "use", [LIBRARY, f"[{LIBRARY}]", "lib.yaml", f"[lib.yaml, {LIBRARY}]", f"{{use: [lib.yaml, {LIBRARY}], blocks: {{a: relu}}}}"]
)
def test_libraries_as_files_and_written_out(use: str) -> None:
    assert accepts(f"{HEAD}use: {use}\nstages: {{s: [wide: 3]}}\n")


@pytest.mark.parametrize("more", [
    "blocks: {residual: relu}\nstages: {a: residual}\n", "use: lib.yaml\nstages: {a: residual}\n",
    "use: lib.yaml\nstages: {a: [vgg_block: {width: 3}]}\n", "blocks: {}\nstages: {a: relu}\n",
    "blocks: {b: {params: , body: relu}}\nstages: {a: b}\n", "recipes: {}\nstages: {a: relu}\n",
])  # fmt: skip
def test_a_block_of_the_file_s_own_may_have_the_name_of_a_standard_one_and_sections_be_empty(more: str) -> None:
    assert accepts(HEAD + more)


@pytest.mark.parametrize("use", ["3", "{vars: {n: 4}}", "{blocks: {a: relu}, stages: {b: relu}}", "[[lib.yaml]]", "{blocks: {a: 3}}"])
def test_what_is_no_library(use: str) -> None:
    assert not accepts(f"{HEAD}use: {use}\nstages: {{s: [relu]}}\n")


def test_a_resolved_spec_with_its_libraries_is_valid(tmp_path: Path) -> None:
    (tmp_path / "lib.yaml").write_text("archspec: 1\nvars: {n: 4}\nblocks: {wide: {params: {k: int}, body: [linear: $(n * k)]}}\n")
    (tmp_path / "net.yaml").write_text(f"{HEAD}use: lib.yaml\nstages: {{s: [flatten, wide: 3]}}\n")
    text = archspec.load(tmp_path / "net.yaml").resolved_yaml()
    assert "lib.yaml" not in text
    assert accepts(text)
