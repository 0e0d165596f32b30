"""`archspec train --tune`, and the options that say how the arithmetic is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from archspec.train import tune as package
from archspec.train.tune import measure
from archspec.train.tune.child import Child

from .conftest import Cli

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages:
  conv: [conv2d: {out_channels: 4, kernel_size: 3, padding: 1}, relu, avg_pool2d: 2]
  head: [flatten, linear: 10]
train: {data: digits, lr: 0.1, batch_size: 100, epochs: 1}
"""
IN_A_PROCESS = Child.measure
FEW = ("--limit-train", "300", "--limit-test", "100", "--device", "cpu")


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(measure, "BLOCK_S", 0.0)
    measured_by(monkeypatch, measure.measure)
    threads = torch.get_num_threads()
    (tmp_path / "tiny.yaml").write_text(SPEC, encoding="utf-8")
    yield tmp_path / "tiny.yaml"
    torch.set_num_threads(threads)


def measured_by(monkeypatch: pytest.MonkeyPatch, function) -> None:
    """Let this measure, in this process: another takes seconds to start."""
    monkeypatch.setattr(Child, "measure", lambda self, *asked: function(*asked))


def settings_of(run: str) -> dict[str, object]:
    about = json.loads((Path(run) / "environment.json").read_text(encoding="utf-8"))
    return about["settings"] | {"threads": about["threads"]}


def test_the_choice_is_shown_used_and_remembered(cli: Cli) -> None:
    done = cli("train", "tiny.yaml", *FEW, "--tune", "--run-dir", "a", "--threads", 1)
    assert done.code == 0, done.err
    lines = [line for line in done.err.splitlines() if "thread" in line]
    assert len([line for line in lines if "images/s" in line]) == 8  # two precisions, two layouts, with own kernels and without
    (chosen,) = (line for line in done.err.splitlines() if line.startswith("chosen: "))
    settings = settings_of("a")
    words = chosen.removeprefix("chosen: ").partition(",")[0].split()
    assert words[:2] == ["--precision", settings["precision"]]
    assert words[-2:] == ["--threads", "1"]
    assert ("--channels-last" in words, "--own-kernels" in words) == (settings["channels_last"], settings["own_kernels"])
    again = cli("train", "tiny.yaml", *FEW, "--tune", "--run-dir", "b", "--threads", 1, "--lr", 0.2)
    assert again.err.splitlines()[0].startswith(f"tuned before: {' '.join(words)}, ")
    assert settings_of("b") == settings
    anew = cli("train", "tiny.yaml", *FEW, "--retune", "--run-dir", "c", "--threads", 1)
    assert "tuned before" not in anew.err
    assert "chosen: " in anew.err


def test_candidates_are_measured_in_a_process_of_their_own(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the network and recipe as the command line changes them."""
    text = SPEC.replace("name: tiny", "name: tiny\nvars: {width: 4}").replace("out_channels: 4", "out_channels: $width")
    Path("tiny.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(Child, "measure", IN_A_PROCESS)
    monkeypatch.setattr(measure, "train_epoch", lambda *a, **k: pytest.fail("it was measured here"))
    fixed = ("--precision", "fp32", "--no-own-kernels", "--no-compile", "--threads", 1)
    done = cli("train", "tiny.yaml", *FEW, "--tune", *fixed, "--run-dir", "a", "--set", "vars.width=5")
    assert done.code == 0, done.err
    rows = [line.split()[:2] for line in done.err.splitlines() if "images/s" in line and "ms" in line]
    assert rows == [["fp32,", "NCHW,"], ["fp32,", "NHWC,"]]


def test_what_is_given_is_not_tuned(cli: Cli) -> None:
    done = cli("train", "tiny.yaml", *FEW, "--tune", "--run-dir", "a", "--threads", 1, "--precision", "bf16", "--channels-last", "--no-own-kernels")
    assert done.code == 0, done.err
    assert settings_of("a") == {
        "precision": "bf16", "channels_last": True, "own_kernels": False, "compile": False, "cuda_graphs": False,
        "deterministic": False, "threads": 1,
    }


def test_a_run_that_goes_on_keeps_its_settings(cli: Cli) -> None:
    assert cli("train", "tiny.yaml", *FEW, "--own-kernels", "--run-dir", "a").code == 0
    assert settings_of("a")["own_kernels"] is True
    done = cli("train", "--resume", "a", "--epochs", 2)
    assert done.code == 0, done.err
    about = json.loads(Path("a/environment.json").read_text(encoding="utf-8"))
    assert about["resumes"][-1]["settings"] == about["settings"]
    refused = cli("train", "--resume", "a", "--tune")
    assert refused.code == 2
    assert "keeps its settings" in refused.err


def test_nothing_agrees_then_fp32_is_kept(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    real = package.measure.measure

    def odd(problem, candidate, best_s=None):
        row = real(problem, candidate, best_s)
        plain = candidate.settings == type(candidate.settings)()
        return row if plain else type(row)(candidate, 1e-9, tuple(2 * loss for loss in row.losses))

    measured_by(monkeypatch, odd)
    done = cli("train", "tiny.yaml", *FEW, "--tune", "--run-dir", "a", "--threads", 1)
    assert done.code == 0, done.err
    assert "rejected: its loss is off by 100.0 %" in done.err
    assert settings_of("a")["precision"] == "fp32"
    if settings_of("a") == {"precision": "fp32", "channels_last": False, "own_kernels": False, "compile": False,
                            "cuda_graphs": False, "deterministic": False, "threads": 1}:
        assert "chosen: --precision fp32 --threads 1, nothing was faster than fp32\n" in done.err


@pytest.mark.parametrize(("options", "refused", "says"), [
    ((), "fp32", "float32, the reference, cannot be measured: it runs out of memory"),
    (("--precision", "bf16"), "bf16", "no setting that the given options allow agrees with float32"),
])
def test_where_nothing_can_be_chosen_the_options_stay(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], refused: str, says: str
) -> None:
    real = package.measure.measure

    def short(problem, candidate, best_s=None):
        if candidate.settings.precision == refused:
            return package.Measured(candidate, None, refused="it runs out of memory")
        return real(problem, candidate, best_s)

    measured_by(monkeypatch, short)
    done = cli("train", "tiny.yaml", *FEW, "--tune", "--run-dir", "a", "--threads", 1, *options)
    assert done.code == 0, done.err
    assert f"not tuned: {says}" in done.err
    assert settings_of("a")["precision"] == (options[1] if options else "fp32")
    assert not Path("cache/archspec/tune").exists()


@pytest.mark.parametrize(("options", "says"), [
    (("--cuda-graphs",), "a CPU has no CUDA graphs"),
    (("--precision", "tf32"), "tf32"),
])
def test_what_a_cpu_cannot_do(cli: Cli, options: tuple[str, ...], says: str) -> None:
    done = cli("train", "tiny.yaml", *FEW, *options)
    assert done.code == 1
    assert "RUN320" in done.err
    assert says in done.err
    assert not Path("runs").exists()


def test_deterministic_is_recorded_kept_and_checked(cli: Cli) -> None:
    assert cli("train", "tiny.yaml", *FEW, "--deterministic", "--run-dir", "a").code == 0
    assert cli("train", "tiny.yaml", *FEW, "--deterministic", "--run-dir", "b").code == 0
    assert settings_of("a")["deterministic"] is True
    assert Path("a/weights.safetensors").read_bytes() == Path("b/weights.safetensors").read_bytes()
    assert cli("train", "--resume", "a", "--epochs", 2).code == 0
    about = json.loads(Path("a/environment.json").read_text(encoding="utf-8"))
    assert about["resumes"][-1]["settings"]["deterministic"] is True
    other = cli("train", "--resume", "b", "--epochs", 2, "--no-deterministic")
    assert "note: settings.deterministic was true, is false: the rest of the run will not be bitwise equal" in other.err


def test_deterministic_and_tune_exclude_each_other(cli: Cli) -> None:
    done = cli("train", "tiny.yaml", *FEW, "--deterministic", "--tune")
    assert done.code == 2 and "--tune chooses by speed" in done.err
