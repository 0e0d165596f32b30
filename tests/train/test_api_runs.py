"""Runs of `archspec.fit`: what the commands say of a run folder without a spec."""

import pytest
from safetensors.torch import load_file

import archspec
from archspec.cli import run as command_line
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
