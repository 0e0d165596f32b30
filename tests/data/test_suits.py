"""What is told of a recipe and its data set before any is read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import archspec
from archspec.api import examine
from tests.helpers import assert_marked

SPEC = """\
archspec: 1
input: [1, 28, 28]
stages: {head: [flatten, linear: 10]}
train: {data: fashion-mnist, lr: 0.1}
"""


def warnings(text: str) -> list[tuple[str, str, str | None]]:
    found = examine(text, training=True)
    assert found.errors == ()
    return [(d.code, d.message, d.hint) for d in found.warnings]


@pytest.mark.parametrize(
    ("right", "wrong", "code", "message", "hint"),
    [
        pytest.param(
            "data: fashion-mnist", "data: «fashion»", "RUN304", "no data set is named `fashion`",
            "a similar name exists: `fashion-mnist`", id="name",
        ),
        pytest.param(
            "data: fashion-mnist", "data: «cifar10»", "RUN303", "cifar10 has 3 channels, the network's input (1, 28, 28) has 1",
            "write `input: [3, 28, 28]`", id="channels",
        ),
        pytest.param(
            "input: [1, 28, 28]\nstages: {head: [flatten, linear: 10]}\ntrain: {data: fashion-mnist",
            "input: [3, 28, 28]\nstages: {head: [flatten, linear: 10]}\ntrain: {data: «cifar100»", "RUN303",
            "cifar100 has 100 classes, the network has 10 outputs", "make the last layer `linear: 100`", id="classes",
        ),
        pytest.param(
            "flatten, linear: 10]}\ntrain", "relu]}\n«train»", "RUN311",
            "a classifier outputs one number for each class, this network outputs (1, 28, 28)",
            "end it with `global_avg_pool2d`, `flatten` and `linear`, or train it from Python with a data set of your own: "
            "`archspec.train`", id="no-classifier",
        ),
        pytest.param(
            "lr: 0.1", "lr: 0.1, normalize: «{mean: [0, 0], std: [1, 1]}»", "RUN303",
            "`normalize` has 2 numbers as mean, the network's input has 1 channel", "give one number", id="normalize",
        ),
    ],
)
def test_what_keeps_a_recipe_from_training(right: str, wrong: str, code: str, message: str, hint: str) -> None:
    assert right in SPEC
    text = SPEC.replace(right, wrong)
    (found,) = assert_marked(text, (code, message))
    assert found.hint == hint
    plain = text.replace("«", "").replace("»", "")
    assert archspec.load(plain).report.name == "network", "it can be used all the same"


@pytest.mark.parametrize("data", ["mnist", "digits", "folder:pictures"])
def test_data_that_suits_or_is_not_known(data: str) -> None:
    text = SPEC.replace("fashion-mnist", data)
    assert archspec.check(text) == ()
    assert warnings(text) == []


def test_named_recipes_are_told_where_they_are_written() -> None:
    assert_marked(
        f"{SPEC}recipes:\n  a: {{data: «cifar10»}}\n  b: {{lr: 0.2}}\n"
        "  c: {normalize: «{mean: [0, 0], std: [1, 1]}»}\n  d: {data: mnist}\n",
        ("RUN303", "3 channels"), ("RUN303", "`normalize` has 2 numbers"),
    )
    assert_marked("archspec: 1\ninput: [1, 28, 28]\nstages: {a: relu}\n«recipes»: {a: {data: mnist, lr: 0.1}}\n",
                  ("RUN311", "this network outputs"))


def test_an_override_is_told_at_the_override() -> None:
    (found,) = archspec.check(SPEC, sets=["train.data=cifar10"])
    assert found.span is not None and (found.span.path, found.code) == ("--set train.data", "RUN303")
    (found,) = archspec.check(SPEC.replace("flatten, linear: 10", "relu"), sets=["train.lr=0.2"])
    assert found.code == "RUN311"


def test_more_outputs_than_classes() -> None:
    assert warnings(SPEC.replace("linear: 10", "linear: 12")) == [(
        "SPEC062", "fashion-mnist has 10 classes, but the network has 12 outputs: the rest are unused", "make the last layer `linear: 10`",
    )]


@pytest.mark.parametrize(
    ("stages", "op"),
    [
        pytest.param("{head: [flatten, linear: 10, softmax: 1]}", "softmax", id="softmax"),
        pytest.param("{head: [flatten, linear: 10], out: sigmoid}", "sigmoid", id="sigmoid-as-a-stage"),
        pytest.param("{head: [flatten, sequential: [linear: 10, softmax: 1]]}", "softmax", id="nested"),
        pytest.param("{head: [flatten, linear: 10, log_softmax: 1]}", None, id="log-softmax-is-harmless"),
        pytest.param("{head: [flatten, sigmoid, linear: 10]}", None, id="inside"),
        pytest.param("{head: [flatten, linear: 10], out: []}", None, id="identity"),
    ],
)
def test_probabilities_before_the_cross_entropy(stages: str, op: str | None) -> None:
    text = SPEC.replace("{head: [flatten, linear: 10]}", stages)
    found = warnings(text)
    assert [(code, hint) for code, _, hint in found] == ([("SPEC061", f"remove `{op}`")] if op else [])
    assert warnings(text[: text.index("train:")]) == [], "without a recipe nobody knows the loss"


def test_nothing_is_warned_of_beside_an_unknown_network() -> None:
    found = examine(SPEC.replace("linear: 10", "linear: 10, softmax: 1, nope"), training=True)
    assert [d.code for d in found.errors] == ["SPEC020"]
    assert (found.loaded, found.warnings) == (None, ())


def test_the_data_sets_are_known_without_what_reads_them() -> None:
    code = (
        "import json, sys, archspec; archspec.check(sys.argv[1]); "
        "print(json.dumps([m for m in sys.modules if m.startswith('archspec.data.') or m in ('torch', 'PIL')]))"
    )
    done = subprocess.run([sys.executable, "-c", code, SPEC], capture_output=True, text=True, check=True)
    assert sorted(json.loads(done.stdout)) == [
        "archspec.data.outputs", "archspec.data.plan", "archspec.data.registry", "archspec.data.suits",
    ]


def test_a_loss_that_takes_no_classes_is_told_before_outputs_that_are_none() -> None:
    """As of an autoencoder: another end would not train it either."""
    text = SPEC.replace("linear: 10]", "linear: 784, reshape: [1, 28, 28]]")
    (found,) = assert_marked(
        text.replace("lr: 0.1", "lr: 0.1, loss: «mse»"),
        ("RUN323", "the images of fashion-mnist have classes, which mse does not take"),
    )
    assert found.hint.endswith("`archspec.train`; its targets have the output's shape")


def test_a_second_output_that_does_not_tell_classes_apart() -> None:
    two = SPEC.replace("}\ntrain", ", image: [{linear: 784}, {reshape: [1, 28, 28]}]}\noutputs: {head: always, image: always}\ntrain")
    assert_marked(
        two.replace("lr: 0.1", "lr: 0.1, loss: «{head: cross_entropy, image: cross_entropy}»"),
        ("RUN311", "a classifier outputs one number for each class, this network outputs (1, 28, 28)"),
    )
