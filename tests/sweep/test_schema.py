"""The JSON Schema of sweep files: it takes what the reader takes, and refuses the usual mistakes at their place."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from archspec.diagnostics import SpecError
from archspec.diagnostics.codes import CODES
from archspec.source import parse
from archspec.sweep.read import KEYS, sweep_text
from archspec.sweep.schema import sweep_schema

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "benchmarks").glob("s*/*.yaml"))
SCHEMA = sweep_schema()
VALIDATOR = Draft7Validator(SCHEMA)
HEAD = "archspec-sweep: 1\nspec: lenet\n"
GOOD = [
    "grid: {train.lr: [0.1, 1], vars.width: [1, $(2 + 2)], train.schedule: [cosine, {step: {every: 2}}]}",
    "zip: {train.batch_size: [64, 128], train.lr: [0.1, 0.2]}\nlimit_train: 100\nlimit_test: 50",
    "random: {trials: 3, seed: 1, train.lr: {log_uniform: [0.001, 1]}, train.batch_size: {uniform: [8, 64], whole: true}}",
    "runs: [{recipe: lenet-01}, {recipe: null}, {blocks.b: {body: relu}}, {stages.head: [flatten]}, null]\nseeds: [3, 7]",
    "where: $(params < 1000)\nset: {train.epochs: 1, input: [1, 28, 28]}\nseeds: 2",
    "search: {trials: 3, space: {train.lr: {log_uniform: [0.001, 1]}, vars.width: {choice: [1, 2]}}}",
    "search: {sampler: tpe, trials: 3, seed: 1, space: {train.lr: {uniform: [0.1, 1]}}, objective: [validation_loss, macs], "
    "constraints: {params: 1.0e+6, memory_bytes: 1000000000, milliseconds: 0.5}}",
    "search: {trials: 3, space: {train.lr: {uniform: [0.1, 1]}}, objective: validation_loss, prune: {asha: {min_epochs: 2}}}",
    "runs: [{recipe: lenet-01, seeds: 1}, {seeds: [3, 7]}, {train.lr: 1, seeds: null}]",
    "grid: {train.lr: [1, 2]}\nsample: {by: memory_bound_bytes, trials: 1, seed: 3}", "sample: null",
    "where: [$(params < 1000), $(train.lr < 1)]\ngrid:\nname: n\ndescription: d",
]
BAD = {
    "gird: {train.lr: [0.1]}": (), "grid: {lr: [0.1]}": ("grid",), "grid: {train.lr: 0.1}": ("grid", "train.lr"),
    "grid: {train.optimizer: [sgdd]}": ("grid", "train.optimizer", 0), "grid: {train.lr: [fast]}": ("grid", "train.lr", 0),
    "seeds: 0": ("seeds",), "seeds: [1, 1]": ("seeds",), "seeds: many": ("seeds",), "where: params < 3": ("where",),
    "random: {train.lr: {uniform: [0, 1]}}": ("random",), "limit_train: 0": ("limit_train",),
    "random: {trials: 2, train.lr: {uniform: [0, 1], choice: [1]}}": ("random", "train.lr"),
    "search: {trials: 2, space: {lr: {choice: [1]}}}": ("search", "space"), "search: {trials: 2}": ("search",),
    "search: {trials: 2, space: {train.lr: {choice: [1]}}, objective: test_accuracy}": ("search", "objective"),
    "search: {trials: 2, space: {train.lr: {choice: [1]}}, sampler: tree}": ("search", "sampler"),
    "search: {trials: 2, space: {train.lr: {choice: [1]}}, prune: {asha: {reduction: 1}}}": ("search", "prune", "asha", "reduction"),
    "sample: {by: macs}": ("sample",), "sample: {by: mac, trials: 3}": ("sample", "by"),
    "runs: [{seeds: 0}]": ("runs", 0, "seeds"), "set: {seeds: 3}": ("set",),
    "runs: [{train.epochs: 1.5}]": ("runs", 0, "train.epochs"), "variants: [{spec: lenet}]": (),
    "set: {train.lr: [0.1]}": ("set", "train.lr"),
}


def errors(text):
    return list(VALIDATOR.iter_errors(parse(text, "sweep.yaml").data))


def test_it_is_a_schema_of_every_key_and_the_file_in_docs_is_this_one():
    Draft7Validator.check_schema(SCHEMA)
    assert list(SCHEMA["properties"]) == list(KEYS)
    assert json.loads((ROOT / "docs" / "archspec-sweep.schema.json").read_text(encoding="utf-8")) == SCHEMA


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_here_is_valid_and_names_the_schema(path):
    text = path.read_text(encoding="utf-8")
    assert errors(text) == []
    modeline = text.partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / modeline).resolve() == ROOT / "docs" / "archspec-sweep.schema.json"


@pytest.mark.parametrize("rest", GOOD)
def test_what_the_reader_takes_is_valid(rest):
    sweep_text(HEAD + rest)
    assert errors(HEAD + rest) == []


@pytest.mark.parametrize(("rest", "place"), BAD.items())
def test_a_mistake_is_found_where_it_stands(rest, place):
    (first,) = errors(HEAD + rest)
    assert tuple(best_match([first]).absolute_path)[: len(place)] == place


OF_A_RECIPE = ("grid: {train.optimizer", "grid: {train.lr: [fast", "runs", "set")  # checked with the spec


@pytest.mark.parametrize("rest", [rest for rest in BAD if not rest.startswith(OF_A_RECIPE)])
def test_the_reader_refuses_it_too(rest):
    with pytest.raises(SpecError):
        sweep_text(HEAD + rest)


@pytest.mark.parametrize("code", [code for code in CODES if code.startswith("SWEEP")])
def test_the_right_example_of_each_code_is_valid(code):
    assert CODES[code].right.kind != "yaml" or errors(CODES[code].right.text) == []
