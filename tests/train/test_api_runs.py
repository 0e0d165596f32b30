"""Runs started from Python: what commands say of those without a spec; recipes of fields and overrides."""

import pytest
from safetensors.torch import load_file

import archspec
from archspec.cli import run as command_line
from archspec.diagnostics import SpecError
from tests.train.api_helpers import QUIET, SMALL, module, samples


@pytest.mark.parametrize("network", [module(), archspec.load(SMALL).graph])
def test_commands_say_that_a_run_was_trained_without_a_spec(tmp_path, capsys, network):
    run = tmp_path / "run"
    found = archspec.fit(network, samples(), samples(), lr=0.1, epochs=1, name="two\nlines", run_dir=run, **QUIET)
    for arguments in (["evaluate", run], ["predict", run, tmp_path], ["diagnose", run], ["train", "--resume", run]):
        assert command_line([str(argument) for argument in arguments]) == 1
        told = capsys.readouterr().err
        assert f"error[RUN366]: the run in {run} was trained by `archspec.fit`, without a spec" in told
        assert "SPEC012" not in told
    assert str(run / "weights.safetensors") in told
    found.model.load_state_dict(load_file(run / "weights.safetensors"))  # as the hint says


def test_an_empty_spec_of_a_run_is_not_taken_for_one_of_fit(tmp_path, capsys):
    archspec.fit(module(), samples(), samples(), lr=0.1, epochs=1, run_dir=tmp_path / "run", **QUIET)
    (tmp_path / "run" / "spec.yaml").write_text("# nothing\n")
    assert command_line(["evaluate", str(tmp_path / "run")]) == 1
    assert "SPEC012" in capsys.readouterr().err


WITHOUT_RECIPE = "archspec: 1\ninput: [1, 8, 8]\nstages: {head: [flatten, linear: 10]}\n"


def test_overrides_and_fields_make_the_recipe_of_a_spec_without_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(WITHOUT_RECIPE)
    few = {"limit_train": 60, "limit_test": 40}
    archspec.train("net.yaml", data="digits", lr=1e-5, sets=["train.epochs=1"], run_dir=tmp_path / "python", **few, **QUIET)
    assert command_line(["train", "net.yaml", "--data", "digits", "--lr", "1e-5", "--set", "train.epochs=1", "--run-dir", "cli",
                         "--limit-train", "60", "--limit-test", "40", "--no-doctor", "--device", "cpu"]) == 0
    recipes = [archspec.load(name + "/spec.yaml").recipe() for name in ("python", "cli")]
    assert recipes[0] == recipes[1]
    assert (recipes[0].data, recipes[0].lr, recipes[0].epochs) == ("digits", 1e-5, 1)
    own = archspec.train(SMALL.partition("train:")[0], samples(), samples(), lr=0.1, sets=["train.epochs=1"], **QUIET)
    assert (own.recipe.data, own.recipe.epochs) == ("python:TensorDataset", 1)


@pytest.mark.parametrize("given", [{"lr": 0.1}, {"data": "digits"}])
def test_overrides_and_fields_that_are_not_enough_for_a_recipe(given):
    with pytest.raises(SpecError) as problem:
        archspec.train(WITHOUT_RECIPE, sets=["train.epochs=1"], **given, **QUIET)
    assert [d.code for d in problem.value.diagnostics] == ["SPEC060"]
    assert ("`data`" if "lr" in given else "`lr`") in problem.value.diagnostics[0].message


def test_a_field_outranks_an_override():
    found = archspec.train(WITHOUT_RECIPE, data="digits", lr=0.1, sets=["train.lr=0.2", "train.epochs=1"],
                           limit_train=20, limit_test=10, **QUIET)
    assert found.recipe.lr == 0.1
