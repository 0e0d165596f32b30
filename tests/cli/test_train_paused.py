"""`--stop-after-epochs`: a run that is paused and resumed equals one that never was, and is tested at its end only."""

import json

import pytest

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.4, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 4, momentum: 0.9, schedule: cosine, validation: 0.2}
"""
FEW = ("--limit-train", "100", "--limit-test", "70", "--json")


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return tmp_path


def epochs(text):
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_s", "peak_memory_bytes")} for row in json.loads(text)["epochs"]]


def test_a_paused_run_goes_on_as_if_it_had_not_stopped(cli: Cli, spec):
    whole = cli("train", "tiny.yaml", "--run-dir", "whole", *FEW)
    parts = [
        cli("train", "tiny.yaml", "--run-dir", "run", "--stop-after-epochs", 1, *FEW),
        cli("train", "--resume", "run", "--stop-after-epochs", 3, "--json"),
        cli("train", "--resume", "run", "--stop-after-epochs", 9, "--json"),
    ]
    paused = [json.loads(part.out) for part in parts]
    assert [part.code for part in parts] == [0, 0, 0]
    assert [len(data["epochs"]) for data in paused] == [1, 3, 4]
    assert [data["test"] for data in paused] == [None, None, None]
    assert paused[0]["stopped_early"] == "paused after epoch 1 of 4: the run is not finished"
    assert not (spec / "run" / "weights.safetensors").exists()
    end = cli("train", "--resume", "run", "--json")
    assert epochs(end.out) == epochs(whole.out)  # the cosine is that of four epochs
    assert json.loads(end.out)["test"] == json.loads(whole.out)["test"] is not None
    assert (spec / "run" / "weights.safetensors").read_bytes() == (spec / "whole" / "weights.safetensors").read_bytes()


def test_a_pause_says_how_to_go_on(cli: Cli, spec):
    done = cli("train", "tiny.yaml", "--run-dir", "my run", "--stop-after-epochs", 1, *FEW[:-1])
    assert done.code == 0
    assert "paused after epoch 1 of 4" in done.out
    assert done.out.splitlines()[-1] == "`archspec train --resume 'my run'` continues"


def test_runs_of_several_seeds_are_not_paused(cli: Cli, spec):
    done = cli("train", "tiny.yaml", "--seeds", 2, "--stop-after-epochs", 1)
    assert done.code == 2
    assert "leave --stop-after-epochs out" in done.err
