"""What is offered at a place, also of a text that is broken there."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.lsp.completion import Completion, complete
from archspec.ops import OPS

from .helpers import PAIR, SPEC, marked

HEAD = "archspec: 1\ninput: [1, 8, 8]\nvars: {width: 8}\n"
SWEEP = "archspec-sweep: 1\nspec: lenet\n"


def offers(text: str, path: Path = Path("/nowhere/spec.yaml")) -> dict[str, Completion]:
    return {one.label: one for one in complete(*marked(text, path))}


CASES = {
    # text, some that are offered, some that are not
    "an empty file": ("¦", ["archspec", "archspec-sweep"], ["relu"]),
    "a section": (HEAD + "¦", ["stages", "blocks", "train", "expect"], ["input", "relu"]),
    "a section that is begun": (HEAD + "sta¦", ["stages"], ["train"]),
    "a layer of a list": (HEAD + "stages:\n  a:\n    - ¦", ["relu", "conv2d", "residual", "sequential"], ["out_channels"]),
    "a layer that is begun": (HEAD + "stages:\n  a:\n    - co¦", ["conv2d", "concat"], ["relu"]),
    "a layer in brackets": (HEAD + "stages:\n  a: [relu, ¦]", ["relu", "conv2d"], ["stages"]),
    "a layer in an open bracket": (HEAD + "stages:\n  a: [relu, ¦", ["relu", "conv2d"], []),
    "a bare layer": (HEAD + "stages:\n  a: ¦", ["flatten"], []),
    "a branch": (HEAD + "stages:\n  a:\n    - add: {main: [¦], skip: []}", ["conv2d"], ["out_channels"]),
    "fields": (HEAD + "stages:\n  a: [conv2d: {out_channels: 3, ¦}]", ["kernel_size", "bias"], ["out_channels", "relu"]),
    "fields in an open brace": (HEAD + "stages:\n  a: [conv2d: {¦", ["kernel_size", "out_channels"], ["relu"]),
    "fields below": (HEAD + "stages:\n  a:\n    - conv2d:\n        out_channels: 3\n        ¦", ["kernel_size"], ["relu"]),
    "words of a field": (HEAD + "stages:\n  a: [conv2d: {padding_mode: ¦}]", ["reflect", "zeros"], ["bias"]),
    "a flag": (HEAD + "stages:\n  a: [conv2d: {bias: ¦}]", ["true", "false"], ["relu"]),
    "beside a layer": (HEAD + "stages:\n  a:\n    - {relu: , ¦}", ["name", "repeat", "when", "from"], ["conv2d"]),
    "params of a block": (HEAD + "stages:\n  a: [residual: {¦}]", ["channels", "stride"], ["relu"]),
    "an own block": (SPEC.replace("[flatten,", "[¦, flatten,"), ["conv"], []),
    "a layer as an argument": (SPEC.replace("act: relu", "act: ¦"), [], ["lr"]),
    "a layer as an argument of a call": (SPEC.replace("[$double, sigmoid]", "{channels: 1, act: ¦}"), ["relu"], ["lr"]),
    "vars": (HEAD + "stages:\n  a: [linear: $¦]", ["width", "in", "input"], ["relu", "min"]),
    "params": (SPEC.replace("$channels,", "$¦,"), ["channels", "act", "width"], []),
    "in an expression": (HEAD + 'stages:\n  a: [linear: $(2 * wi¦)]', ["width"], ["min"]),
    "functions": (HEAD + "stages:\n  a: [linear: $(¦)]", ["min", "width"], []),
    "fields of a shape": (HEAD + "stages:\n  a: [linear: $in.¦]", ["channels", "features"], ["width_"]),
    "sources": (SPEC.replace("{from: first}", "{from: ¦}"), ["stem", "first", "input"], ["head", "body", "relu"]),
    "inputs": (PAIR.replace("from: words", "from: ¦"), ["left", "words", "a"], ["input", "head"]),
    "an input of one name": (HEAD.replace("[1, 8, 8]", "{image: [1, 8, 8]}") + "stages: {a: {relu: , from: ¦}}", ["image", "input"], []),
    "inputs in an expression": (PAIR.replace("input.left.width", "input.¦"), ["left", "words"], ["width"]),
    "fields of an input": (PAIR.replace("input.left.width", "input.left.¦"), ["width", "features"], ["left", "words"]),
    "parts of an input": (PAIR.replace("dtype: int64, below: 9", "¦"), ["dtype", "below"], ["shape", "relu"]),
    "dtypes": (PAIR.replace("dtype: int64", "dtype: ¦"), ["int64", "float32"], []),
    "outputs": (PAIR.replace("{head: always, b: training}", "{head: always, ¦}"), ["a", "b"], ["head", "left", "relu"]),
    "outputs in a list": (PAIR.replace("{head: always, b: training}", "[head, ¦]"), ["a", "b"], ["left", "relu"]),
    "when outputs are computed": (PAIR.replace("b: training", "b: ¦"), ["always", "training"], ["a"]),
    "stages to expect": (SPEC.replace("output: [10]", "¦"), ["body", "head", "params", "macs"], ["stem", "relu"]),
    "stages to freeze": (SPEC.replace("lr: $(0.01 * width)", "freeze: [stem, ¦]"), ["body", "head"], ["lr", "relu"]),
    "a stage to freeze": (SPEC.replace("lr: $(0.01 * width)", "freeze: ¦"), ["stem", "body"], ["lr", "relu"]),
    "stages with their rates": (SPEC.replace("lr: $(0.01 * width)", "lr_scale: {stem: 2, ¦}"), ["body", "head"], ["stem", "lr"]),
    "how weights start": (SPEC.replace("lr: $(0.01 * width)", "init: {¦}"), ["from", "strict", "weights"], ["lr", "source"]),
    "settings": (HEAD + "train:\n  data: digits\n  ¦", ["lr", "epochs", "optimizer"], ["data", "relu"]),
    "settings in braces": (HEAD + "train: {data: digits, ¦}", ["lr"], ["data"]),
    "settings of a recipe": (HEAD + "recipes:\n  long: {¦}", ["epochs"], []),
    "words of a setting": (HEAD + "train: {optimizer: ¦}", ["sgd", "adam"], ["lr"]),
    "fields of a setting": (HEAD + "train: {early_stopping: {¦}}", ["patience", "metric"], ["lr"]),
    "data sets": (HEAD + "train: {data: ¦}", ["digits", "fashion-mnist", "folder:"], ["lr"]),
    "types": (HEAD + "blocks:\n  b:\n    params: {c: ¦}\n    body: [relu]", ["int", "layer"], []),
    "parts of a block": (HEAD + "blocks:\n  b:\n    ¦", ["params", "body", "relu"], []),
    "keys of a sweep": (SWEEP + "¦", ["grid", "seeds", "where"], ["spec", "stages"]),
    "what a sweep changes": (SWEEP + "grid: {¦}", ["train.lr", "vars.num_classes", "stages.head"], ["lr"]),
    "a recipe of a sweep": (SWEEP + "runs:\n  - {recipe: ¦}", ["lenet-02"], ["train"]),
    "a spec of a sweep": ("archspec-sweep: 1\nspec: ¦", ["lenet", "resnet18"], []),
    "a condition": (SWEEP + "where: $(¦ < 3)", ["train", "params"], []),
    "a comment": (HEAD + "# see ¦", [], ["stages"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_offers(name: str) -> None:
    text, there, missing = CASES[name]
    found = offers(text)
    assert [label for label in there if label not in found] == []
    assert [label for label in missing if label in found] == []


def test_files_beside_the_spec(tmp_path: Path) -> None:
    for name in ("base.yaml", "spec.yaml", "notes.txt"):
        (tmp_path / name).write_text("")
    assert list(offers("archspec: 1\nextends: ¦", tmp_path / "spec.yaml")) == ["base.yaml"]


def test_what_is_written() -> None:
    found = offers(HEAD + "stages:\n  a:\n    - re¦")
    assert (found["relu"].insert, found["reshape"].insert) == ("relu", "reshape: ")
    assert (found["relu"].start, found["relu"].end) == (6, 8)
    assert "Nair" in found["relu"].docs and "Shapes:" in found["reshape"].docs
    found = offers(HEAD + "stages:\n  a: [con¦v2d: {out_channels: 1}]")
    assert (found["conv2d"].insert, found["conv2d"].start, found["conv2d"].end) == ("conv2d", 6, 12)


def test_every_op_is_offered_once() -> None:
    found = complete(*marked(HEAD + "stages:\n  a: [¦]"))
    labels = [one.label for one in found]
    assert OPS.keys() <= set(labels) and len(labels) == len(set(labels))
