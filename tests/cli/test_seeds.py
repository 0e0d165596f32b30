"""`archspec train --seeds`: several runs side by side, and what they come to together."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import click
import pytest
import yaml

from archspec.cli.seeds import SeedsType
from archspec.diagnostics import error
from archspec.train.signals import Stopped

from .conftest import Cli, figures

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.3, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 50, epochs: 2, momentum: 0.9}
"""
FEW = ("--limit-train", "100", "--limit-test", "50")


def ends_with(monkeypatch: pytest.MonkeyPatch, seed: int, ending: BaseException) -> None:
    """The run of this seed ends so after its first epoch."""
    from archspec.train.run_dir.directory import RunFolder

    on_epoch = RunFolder.on_epoch

    def ended(self: RunFolder, run: object) -> None:
        on_epoch(self, run)
        if run.recipe.seed == seed:
            raise ending

    monkeypatch.setattr(RunFolder, "on_epoch", ended)


def test_each_run_is_the_run_of_its_seed(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--seeds", "0,3", "--validation", "0.2", "--run-dir", "runs")
    assert done.code == 0, done.err
    assert sorted(path.name for path in Path("runs").iterdir()) == ["seed-0", "seed-3", "seeds.json"]
    for seed in (0, 3):
        single = cli("train", spec, *FEW, "--seed", seed, "--validation", "0.2", "--run-dir", f"one-{seed}")
        assert single.code == 0, single.err
        assert figures(f"runs/seed-{seed}") == figures(f"one-{seed}")
        assert Path(f"runs/seed-{seed}/weights.safetensors").read_bytes() == \
            Path(f"one-{seed}/weights.safetensors").read_bytes()
        specs = [yaml.safe_load(Path(run, "spec.yaml").read_text()) for run in (f"runs/seed-{seed}", f"one-{seed}")]
        assert specs[0] == specs[1]
    assert figures("runs/seed-0") != figures("runs/seed-3")
    assert json.loads(cli("evaluate", "runs/seed-3", "--split", "validation", "--json").out)["accuracy"] == \
        figures("runs/seed-3")[-1]["validation_accuracy"]


def test_what_a_step_needs_is_said_once(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--seeds", "3", "--epochs", "1", "--run-dir", "runs")
    assert done.err.count("a step needs ") == 1
    assert done.err.index("seed 0 (1 of 3)") < done.err.index("a step needs ") < done.err.index("seed 1 (2 of 3)")


def test_mean_spread_and_interval(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--seeds", "3", "--run-dir", "runs", "--json")
    assert done.code == 0, done.err
    plain = json.loads(done.out)
    assert (plain["format"], plain["name"], plain["run_dir"]) == (1, "tiny", "runs")
    assert [(run["seed"], run["state"], run["run_dir"]) for run in plain["seeds"]] == [
        (k, "finished", f"runs/seed-{k}") for k in range(3)
    ]
    accuracies = [figures(f"runs/seed-{k}")[-1]["test_accuracy"] for k in range(3)]
    found = plain["statistics"]["test_accuracy"]
    assert (found["mean"], found["n"]) == (pytest.approx(statistics.fmean(accuracies)), 3)
    assert found["std"] == pytest.approx(statistics.stdev(accuracies))
    assert found["interval"]["high"] - found["mean"] == pytest.approx(4.30265273 * found["std"] / 3**0.5)
    assert json.loads(Path("runs/seeds.json").read_text(encoding="utf-8"))["statistics"] == plain["statistics"]
    assert "seed" not in plain["recipe"]


def test_the_table(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--seeds", "2", "--run-dir", "runs")
    lines = done.out.splitlines()
    assert lines[0].split("  ")[0] == "seed"
    assert [line.split()[:2] for line in lines[1:3]] == [["0", "2"], ["1", "2"]]
    assert any(line.startswith("test accuracy: ") and "(n = 2; 95 % interval of the mean: " in line for line in lines)
    assert any(line.startswith("test accuracy of the best epoch: ") for line in lines)
    assert lines[-1] == "run folders: runs"
    assert [line for line in done.err.splitlines() if line.startswith("seed")] == ["seed 0 (1 of 2)", "seed 1 (2 of 2)"]


def test_one_seed_has_no_interval(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--seeds", "1", "--set", "train.seed=7", "--run-dir", "runs")
    assert done.code == 0, done.err
    assert "(n = 1: standard deviation and interval are not known)" in done.out
    assert Path("runs/seed-7").is_dir()


def test_a_run_that_fails_costs_the_others_nothing(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, 1, error("RUN310", "the loss is nan at step 3"))
    done = cli("train", spec, *FEW, "--seeds", "3", "--run-dir", "runs")
    assert done.code == 1
    assert "error[RUN310]: the loss is nan at step 3" in done.err
    assert "seed 1 failed: RUN310: the loss is nan at step 3" in done.out
    assert "test accuracy: " in done.out
    assert "(n = 2; " in done.out
    assert len(figures("runs/seed-1")) == 1
    kept = json.loads(Path("runs/seeds.json").read_text(encoding="utf-8"))
    assert [run["state"] for run in kept["seeds"]] == ["finished", "failed", "finished"]
    assert kept["statistics"]["test_loss"]["n"] == 2


def test_all_fail(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, *FEW, "--seeds", "2", "--lr", "1e30", "--run-dir", "runs", "--json")
    assert done.code == 1
    plain = json.loads(done.out)
    assert [run["state"] for run in plain["seeds"]] == ["failed", "failed"]
    assert all(run["reason"].startswith("RUN310: ") for run in plain["seeds"])
    assert plain["statistics"] == {}


def test_a_signal_ends_all_and_what_is_there_is_kept(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends_with(monkeypatch, 1, Stopped(2))
    done = cli("train", spec, *FEW, "--seeds", "3", "--run-dir", "runs")
    assert done.code == 130
    assert "seed 1 stopped: `archspec train --resume runs/seed-1` resumes it" in done.out
    assert "(n = 1: " in done.out
    assert not Path("runs/seed-2").exists()
    monkeypatch.undo()
    monkeypatch.chdir(spec.parent)
    assert cli("train", "--resume", "runs/seed-1").code == 0
    assert len(figures("runs/seed-1")) == 2


def test_a_mistake_before_the_first_run_is_told_once(cli: Cli, spec: Path) -> None:
    done = cli("train", spec, "--limit-train", "20", "--seeds", "3", "--validation", "15", "--run-dir", "runs")
    assert (done.code, done.out) == (1, "")
    assert done.err.count("error[RUN370]") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize(("options", "says"), [
    (["--seeds", "0"], "a number of seeds is 1 to 1000"),
    (["--seeds", "1,2,1"], "has the seed 1 twice"),
    (["--seeds", "two"], "write a number of seeds (5), or the seeds themselves (0,1,7)"),
    (["--seeds", "2", "--seed", "3"], "leave --seed out"),
    (["--seeds", "2", "--find-lr"], "leave --seeds out"),
    (["--seeds", "2", "--resume", "x"], "--resume RUN_DIR/seed-K"),
])
def test_what_does_not_go_together(cli: Cli, spec: Path, options: list[str], says: str) -> None:
    done = cli("train", spec, *options)
    assert (done.code, says in done.err) == (2, True)


def test_not_in_several_processes() -> None:
    import click

    from archspec.cli.seeds import Seeds
    from archspec.train.distributed.process_group import ProcessGroup

    with pytest.raises(click.UsageError, match="leave torchrun out"):
        Seeds(2).check(given={}, resumed=False, find_lr=False, group=ProcessGroup(size=2))


def test_the_settings_are_tuned_once(cli: Cli, spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from archspec.cli.tuning import Computing

    asked = []

    def tuned(self: Computing, *arguments: object) -> object:
        asked.append(arguments)
        return arguments[-1].settings

    monkeypatch.setattr(Computing, "tuned", tuned)
    assert cli("train", spec, *FEW, "--seeds", "2", "--tune", "--run-dir", "runs").code == 0
    assert len(asked) == 1


def test_the_hint_for_one_seed_works_in_each_command() -> None:
    """A sweep has no --seed."""
    with pytest.raises(click.BadParameter, match=r"for seed K alone write K and a comma: 0,$"):
        SeedsType().convert("0", None, None)
    assert SeedsType().convert("0,", None, None).listed == (0,)
