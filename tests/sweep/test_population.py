"""Populations: every network of a sweep with its figures, and samples that spread over one of them."""

import csv
import json
from dataclasses import replace

import pytest

import archspec
from archspec.sweep.check import examine_sweep
from archspec.sweep.expand import expand
from archspec.sweep.model import FIGURES
from archspec.sweep.population import population, stratified
from archspec.sweep.read import sweep_text
from tests.cli.conftest import cli  # noqa: F401 - a fixture

NET = """\
archspec: 1
name: net
input: [1, 8, 8]
vars: {width: 4, act: relu}
stages:
  a: [conv2d: {out_channels: $width, kernel_size: 3}, $act]
  b: [flatten, linear: 10]
train: {data: digits, lr: 0.1, epochs: 1}
"""
HEAD = "archspec-sweep: 1\nspec: net.yaml\n"
WIDTHS = HEAD + "grid: {vars.width: [1, 2, 3, 4, 5, 6, 7, 8], vars.act: [relu, gelu]}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(NET)
    return tmp_path


def analysed(text):
    return population(sweep_text(text), "s.yaml")


def test_the_figures_are_those_of_the_full_analysis(folder):
    text = HEAD + (
        "grid: {vars.width: [1, 5], stages.b: [[flatten, linear: 10], [global_avg_pool2d, flatten, linear: 10]]}\n"
        "runs: [{input: [3, 8, 8]}, {train.batch_size: 7}, {}]\n"
    )
    found = analysed(text)
    trials = expand(sweep_text(text), "s.yaml").trials
    assert [(m.params, m.macs) for m in found.members] == [
        (t.loaded.report.params, t.loaded.report.macs) for t in trials
    ]
    assert [m.point.varied for m in found.members] == [t.varied for t in trials]


def test_memory_is_for_the_batch_and_the_optimizer_and_no_less_than_the_true_peak(folder):
    from archspec.sweep.search.costs import memory_bytes

    text = HEAD + "grid: {train.batch_size: [16, 64], train.optimizer: [sgd, adam]}\n"
    bounds = [member.memory_bound_bytes for member in analysed(text).members]
    true = [memory_bytes(trial) for trial in expand(sweep_text(text), "s.yaml").trials]
    assert all(bound >= peak for bound, peak in zip(bounds, true, strict=True))
    params = archspec.analyze(NET).params
    assert bounds[1] - bounds[0] == 2 * 4 * params  # adam keeps two tensors of each parameter's size
    assert bounds[2] > 3 * bounds[0]


def test_quantiles_are_values_of_members(folder):
    found = analysed(WIDTHS)
    params = sorted(member.params for member in found.members)
    assert [found.at("params", q).params for q in (0.0, 0.25, 0.5, 1.0)] == [params[0], params[3], params[7], params[-1]]
    assert found.varied == ("vars.width", "vars.act")


def test_where_leaves_out_and_what_cannot_be_built_is_named_at_its_place(folder):
    found = analysed(
        HEAD + "grid: {vars.width: [1, 4, 0], train.lr: [0.1, 1]}\nwhere: $(params > 500 and vars.width < 9 or train.lr < 1)\n"
    )
    assert [m.point.varied for m in found.members] == [
        {"vars.width": 1, "train.lr": 0.1}, {"vars.width": 4, "train.lr": 0.1}, {"vars.width": 4, "train.lr": 1},
    ]
    assert (found.left_out, len(found.invalid)) == (1, 2)
    assert {d.span.line for invalid in found.invalid for d in invalid.diagnostics} == {3}


def test_the_space_of_a_search(folder):
    text = HEAD + "search: {trials: 5, space: {vars.width: {uniform: [1, 9], whole: true}}}\n"
    assert len(analysed(text).members) == 5


SAMPLE = WIDTHS + "sample: {by: params, trials: 4, seed: %d}\n"


def test_a_sample_has_one_of_each_share(folder):
    found, sweep = analysed(WIDTHS), sweep_text(SAMPLE % 3)
    ranked = [member.point for member in found.ranked("params")]
    chosen = stratified(found, sweep.sample)
    assert sorted(next(k for k, p in enumerate(ranked) if p is point) // 4 for point in chosen) == [0, 1, 2, 3]
    assert chosen == [point for point in (m.point for m in found.members) if point in chosen]


def test_a_sweep_trains_its_sample_at_each_seed(folder):
    trials = expand(sweep_text(SAMPLE % 0 + "seeds: 2\n"), "s.yaml").trials
    assert [trial.seed for trial in trials] == [0, 1] * 4
    again = expand(sweep_text(SAMPLE % 0 + "seeds: 2\n"), "s.yaml").trials
    assert [trial.id for trial in trials] == [trial.id for trial in again]
    others = {tuple(t.varied.items()) for seed in range(1, 5) for t in expand(sweep_text(SAMPLE % seed), "s.yaml").trials}
    assert len(others) > 4


def test_a_sample_of_more_than_there_are_is_all(folder):
    sweep = sweep_text(SAMPLE % 0)
    assert len(expand(replace(sweep, sample=replace(sweep.sample, trials=99)), "s.yaml").trials) == 16


def test_validate_does_not_rank_a_space_to_check_it(folder):
    (folder / "good.yaml").write_text(SAMPLE % 0)
    assert examine_sweep("good.yaml").errors == ()
    (folder / "bad.yaml").write_text(SAMPLE.replace("[1, 2,", "[-1, 2,") % 0)
    assert [d.span.line for d in examine_sweep("bad.yaml").errors] == [3]


def test_the_command_prints_quantiles_and_every_network(cli, folder):  # noqa: F811
    (folder / "s.yaml").write_text(WIDTHS)
    done = cli("population", "s.yaml")
    assert (done.code, done.out.splitlines()[-1]) == (0, "16 networks")
    assert [line.split()[0] for line in done.out.splitlines()[2:9]] == ["min", "5", "25", "50", "75", "95", "max"]
    data = json.loads(cli("population", "s.yaml", "--json").out)
    assert data["quantiles"]["macs"][-1]["member"]["vars.width"] == 8
    assert len(data["members"]) == data["count"] == 16
    head, *rows = csv.reader(cli("population", "s.yaml", "--format", "csv").out.splitlines())
    assert head == ["vars.width", "vars.act", *FIGURES]
    assert len(rows) == 16


def test_a_sweep_without_valid_networks(cli, folder):  # noqa: F811
    (folder / "s.yaml").write_text(HEAD + "grid: {vars.width: [0, -1]}\n")
    done = cli("population", "s.yaml")
    assert (done.code, done.out) == (1, "0 networks; 2 combinations cannot be trained\n")
    assert "--format csv and --json exclude each other" in cli("population", "s.yaml", "--format", "csv", "--json").err
    assert json.loads(cli("population", "s.yaml", "--json").out)["members"] == []
