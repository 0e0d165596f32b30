"""`--optimizer` and `--set train.optimizer=…` mean the same to `train`, `fit` and `profile`: another optimizer, plain."""

import json

import pytest

from tests.cli.conftest import Cli

SGD = "{data: digits, lr: 0.1, momentum: 0.9, weight_decay: 0.01, epochs: 1}"
ADAM = "{data: digits, lr: 0.1, optimizer: adam, betas: [0.8, 0.9], weight_decay: 0.01, epochs: 1}"
CASES = [
    (SGD, [], "sgd", 1), (SGD, ["--optimizer=adam"], "adam", 2), (SGD, ["--set=train.optimizer=adam"], "adam", 2),
    (SGD, ["--optimizer=sgd"], "sgd", 1), (SGD, ["--set=train.momentum=0"], None, 0),
    (ADAM, ["--optimizer=sgd"], "sgd", 0), (ADAM, ["--set=train.optimizer=sgd"], "sgd", 0),
    (ADAM, ["--optimizer=sgd", "--set=train.momentum=0.9"], "sgd", 1),
    (ADAM, ["--set=train.optimizer=sgd", "--set=train.momentum=0.9"], "sgd", 1),
    (ADAM, ["--set=train.momentum=0.9", "--set=train.optimizer=sgd"], "sgd", 1),
    (ADAM, ["--optimizer=adamw", "--set=train.optimizer=sgd"], "adamw", 2),
    (ADAM, ["--recipe=plain", "--set=train.optimizer=adamw"], "sgd", 1),
]


@pytest.mark.parametrize(("recipe", "options", "kind", "states"), CASES)
def test_all_commands_agree(cli: Cli, tmp_path, recipe, options, kind, states):
    (net := tmp_path / "net.yaml").write_text(
        f"archspec: 1\ninput: [1, 8, 8]\nstages: {{a: [flatten, linear: 10]}}\ntrain: {recipe}\n"
        "recipes: {plain: {optimizer: sgd, momentum: 0.5}}\n"
    )
    run = ("--limit-train=32", "--limit-test=16", "--device=cpu", "--run-dir", tmp_path / "run", "--json")
    trained = json.loads(cli("train", net, *options, *run).out)["recipe"]
    assert trained.get("optimizer", "sgd") == (kind or "sgd")
    assert (2 if trained.get("optimizer", "sgd") != "sgd" else int(trained.get("momentum", 0) > 0)) == states
    static = json.loads(cli("profile", net, "--static", *options, "--json").out)["totals"]
    fit = json.loads(cli("fit", net, "--memory=1GiB", "--batch-size=1", *options, "--json").out)
    weights = 4 * static["params"]
    assert fit["parts"]["optimizer state"] == static["optimizer_state_bytes"] == states * weights
    assert fit["peak_bytes"] == static["training_peak_bytes"]


def test_a_field_that_the_chosen_optimizer_does_not_take_is_an_error_everywhere(cli: Cli, tmp_path):
    (net := tmp_path / "net.yaml").write_text(
        f"archspec: 1\ninput: [1, 8, 8]\nstages: {{a: [flatten, linear: 10]}}\ntrain: {ADAM}\n")
    for command in (["train"], ["profile", "--static"], ["fit", "--memory=1GiB"], ["diff"], ["validate"]):
        done = cli(command[0], net, *command[1:], "--set=train.momentum=0.9")
        assert (done.code, "adam takes no `momentum`" in done.err) == (1, True)


def test_a_var_that_only_the_replaced_field_uses_is_used(cli: Cli, tmp_path):
    (net := tmp_path / "net.yaml").write_text(
        "archspec: 1\ninput: [1, 8, 8]\nvars: {m: 0.9}\nstages: {a: [flatten, linear: 10]}\n"
        "train: {data: digits, lr: 0.1, momentum: $m}\n")
    assert cli("validate", net, "--set=train.optimizer=adam").code == 0
