"""`archspec profile --static`: the table's figures, its form, and JSON."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.analysis import ReportNode, resources
from archspec.cli import run
from archspec.execution import Execution, Setting, execute
from archspec.ir import Graph
from archspec.printing.profile_table import FIGURES, default_depth, largest_op, levels

from .conftest import ROOT, Cli
from .profile_table import FIGURE, SCALE, rows_of, tolerance, totals_of, value


@pytest.mark.parametrize("depth", [1, 2, 9])
@pytest.mark.parametrize("spec", ["lenet", "resnet152", "googlenet", "unet", "densenet121", "vgg_small"])
def test_every_column_adds_up(cli: Cli, spec: str, depth: int) -> None:
    """The rows of one level below a row sum to it, those of the stages to the total: within what rounding took."""
    done = cli("profile", spec, "--static", "--depth", depth)
    assert done.code == 0
    *rows, total = rows_of(done.out)
    assert total[1] == "total"
    stages = archspec.analyze(spec).root.children
    assert [name.split()[0] for level, name, _ in rows if level == 1] == [stage.name for stage in stages]
    for index, (level, name, figures) in enumerate([(0, "total", total[2]), *rows]):
        below = []
        for deeper, _, child in rows[index:]:
            if deeper <= level:
                break
            if deeper == level + 1:
                below.append(child)
        if not below:
            continue
        for column, figure in enumerate(figures):
            parts = [child[column] for child in below]
            off = abs(sum(map(value, parts)) - value(figure))
            assert off <= sum(map(tolerance, parts)) + tolerance(figure) + 1e-6, (name, column, figure, parts)


@pytest.mark.parametrize("spec", ["lenet", "resnet18", "convnext_tiny"])
def test_totals_are_the_report_s(cli: Cli, spec: str) -> None:
    report = archspec.analyze(spec)
    assert totals_of(cli("profile", spec, "--static").out) == {
        "params": report.params, "buffers": report.buffers, "macs": report.macs,
    }


def test_repeats_are_one_row(cli: Cli) -> None:
    rows = rows_of(cli("profile", "resnet152", "--static", "--depth", 2).out)
    assert [name for level, name, _ in rows if level == 2 and "×" in name] == [
        "1–2 bottleneck ×2", "1–7 bottleneck ×7", "1–35 bottleneck ×35", "1–2 bottleneck ×2",
    ]


def test_depth(cli: Cli) -> None:
    deepest = [max(level for level, _, _ in rows_of(cli("profile", "resnet18", "--static", *a).out)) for a in (
        ("--depth", 1), ("--depth", 3), (), ("--depth", 99),
    )]
    assert deepest == [1, 3, 2, levels(archspec.analyze("resnet18").root)]


def test_depth_0_shows_the_totals_alone(cli: Cli) -> None:
    alone, full = cli("profile", "resnet18", "--static", "--depth", 0), cli("profile", "resnet18", "--static", "--depth", 1)
    assert (alone.code, alone.err) == (0, "")
    assert totals_of(alone.out) == totals_of(full.out)
    lines = alone.out.rstrip().splitlines()
    assert [line for line in full.out.splitlines() if line.strip() and line in lines] == [line for line in lines if line]
    assert not any(stage.name in alone.out for stage in archspec.analyze("resnet18").root.children)


def test_default_depth_leaves_a_large_table_at_the_stages() -> None:
    assert default_depth(archspec.analyze("densenet121").root) == 1
    assert default_depth(archspec.analyze("googlenet").root) == 2


def test_json_sums(cli: Cli) -> None:
    done = cli("profile", "resnet18", "--static", "--json")
    assert (done.code, done.err) == (0, "")
    data = json.loads(done.out)
    assert (data["format"], data["name"], data["input_shape"]) == (1, "resnet18", [1, 224, 224])
    for figure in ("params", "macs", "buffers", "activation_bytes"):
        assert sum(layer[figure] for layer in data["layers"]) == data["totals"][figure] > 0
    assert data["totals"]["flops"] == 2 * data["totals"]["macs"]
    last = data["layers"][-1]
    assert (last["path"], last["op"], last["output_shape"], last["params"]) == ("head.linear_1", "linear", [10], 5130)


def test_what_dominates(cli: Cli) -> None:
    lines = cli("profile", "vgg11", "--static").out.splitlines()
    found = {line.split()[0]: re.split(r"\s{2,}", line)[1:] for line in lines if line.startswith(tuple(FIGURES))}
    layers = [
        {"path": x.path, "parameters": x.params, "MACs": x.macs, "activations": x.activation_bytes}
        for x in archspec.analyze("vgg11").layers()
    ]
    assert set(found) == set(FIGURES)
    for figure, (stage, share, op, op_share, *_) in found.items():
        whole = sum(int(x[figure]) for x in layers)
        of_stage = sum(int(x[figure]) for x in layers if str(x["path"]).split(".")[0] == stage)
        top = max(int(x[figure]) for x in layers)
        alike = [str(x["path"]) for x in layers if x[figure] == top]
        assert share == f"{100 * of_stage / whole:.1f} %"
        assert op_share == f"{100 * top / whole:.1f} %"
        assert op == alike[0] + (f" and {len(alike) - 1} more" if len(alike) > 1 else "")


def test_largest_op_counts_all_the_copies_that_a_row_stands_for() -> None:
    root = archspec.analyze("resnet152").root
    op, alike = largest_op(root, FIGURES["MACs"])
    macs = [layer.macs for layer in archspec.analyze("resnet152").layers()]
    assert (op.cost.macs, alike) == (max(macs), macs.count(max(macs)))


def test_a_network_without_parameters(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "pool.yaml"
    spec.write_text("archspec: 1\ninput: [2, 8, 8]\nstages: {pool: {max_pool2d: 2}}\n", encoding="utf-8")
    done = cli("profile", spec, "--static")
    assert done.code == 0
    assert rows_of(done.out) == [(1, "pool max_pool2d", ["–", "–", "128 B"]), (1, "total", ["–", "–", "128 B"])]
    assert totals_of(done.out)["params"] == 0


def test_a_pipe_gets_whole_lines_without_escapes(cli: Cli) -> None:
    out = cli("profile", "inception_v3", "--static", "--depth", 9).out
    assert "\x1b" not in out
    assert "…" not in out


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_fits_a_terminal_and_cuts_no_figure(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    assert run(["profile", "inception_v3", "--static", "--depth", "3"]) == 0
    out = terminal.getvalue()
    assert "\x1b[" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert max(map(len, plain.splitlines())) <= columns
    rows = rows_of(plain)
    nodes = archspec.analyze("inception_v3").root
    assert len(rows) == 1 + _count(nodes, 3)
    assert all(re.fullmatch(FIGURE, figure) for _, _, figures in rows for figure in figures)


@pytest.mark.parametrize("spec", ["lenet", "resnet152", "inception_v3", "googlenet_aux"])
def test_the_tree_draws_shares_that_add_up(cli: Cli, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run(["profile", spec, "--static", "--tree", "--depth", "1"]) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert max(map(len, plain.splitlines())) <= 80
    rows = [line for line in plain.splitlines() if re.match(r" \w.* (%|–) *$", line)]
    assert len(rows) == len(archspec.analyze(spec).root.children)
    shares = [re.findall(r"([█▏▎▍▌▋▊▉]*) +(?:([\d.]+) %|–)", row) for row in rows]
    for column in range(3):
        assert sum(float(share[column][1] or 0) for share in shares) == pytest.approx(100, abs=0.05 * len(rows))
        for bar, percent in (share[column] for share in shares):
            assert len(bar) == -(-round(64 * float(percent or 0) / 100) // 8)


def test_the_tree_is_for_static_tables(cli: Cli) -> None:
    for words, message in (([], "--tree needs --static"), (["--static", "--json"], "--tree has no effect with --json")):
        done = cli("profile", "lenet", "--tree", *words)
        assert done.code == 2 and message in done.err


def _count(node: ReportNode, depth: int) -> int:
    return sum(1 + _count(child, depth - 1) for child in node.children) if depth else 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("--device", "cpu"), ("--threads", "1"), ("--steps", "3"), ("--warmup", "1"), ("--trace", "x")],
)
def test_static_refuses_options_of_a_run(cli: Cli, option: str, value: str) -> None:
    done = cli("profile", "lenet", "--static", option, value)
    assert (done.code, done.out) == (2, "")
    assert f"{option} has no effect with --static" in done.err


def test_wrong_spec(cli: Cli, folder: Path) -> None:
    done = cli("profile", "bad.yaml", "--static")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[SPEC012]")


def test_the_specs_all_have_a_profile(cli: Cli) -> None:
    for path in sorted((ROOT / "specs").rglob("*.yaml")):
        assert cli("profile", path, "--static").code == 0, path


@pytest.mark.parametrize(("optimizer", "name", "states"), [
    (["sgd", "--set", "train.momentum=0.9"], "SGD with momentum 0.9", 1), (["sgd"], "SGD", 0), (["adamw"], "AdamW", 2),
])
def test_the_static_profile_tells_what_a_training_step_needs(
    cli: Cli, optimizer: list[str], name: str, states: int
) -> None:
    """As is counted with torch, for the optimizer that is named."""
    import torch

    import archspec
    from archspec.backends.step import step_peak_bytes
    from archspec.backends.torch import build

    out = cli("profile", "resnet18", "--static", "--batch-size", 16, "--optimizer", *optimizer).out
    found = re.search(rf"^a training step with {name} needs ([\d.]+) (\w+): activations dominate", out, re.MULTILINE)
    assert found is not None
    shown = float(found[1]) * SCALE[found[2]]
    graph = archspec.load("resnet18").graph
    with torch.device("meta"):
        model = build(graph).train()
    counted = step_peak_bytes(model, (16, *graph.input.shape[1:]), states=states)
    assert shown == pytest.approx(counted, rel=0.02)


def test_the_macs_of_a_training_step(cli: Cli) -> None:
    out = cli("profile", "resnet18", "--static", "--json").out
    totals, layers = json.loads(out)["totals"], json.loads(out)["layers"]
    assert totals["backward_macs"] == sum(layer["backward_macs"] for layer in layers)
    first = next(layer for layer in layers if layer["macs"])
    assert first["backward_macs"] == first["macs"]  # no gradient for the image
    assert totals["backward_macs"] == 2 * totals["macs"] - first["macs"]
    text = cli("profile", "resnet18", "--static").out
    assert f"{totals['backward_macs']:,} MACs backward: a training step takes 2.98 × the MACs of its forward pass" in text


def test_the_counts_of_another_tool(cli: Cli) -> None:
    (figure,) = json.loads(cli("profile", "resnet18", "--static", "--json", "--convention", "thop").out)["conventions"]
    assert (figure["convention"], figure["unit"], figure["total"], figure["exact"]) == ("thop", "MACs", 1_744_148_480, True)
    assert figure["total"] == figure["macs"] + sum(each["amount"] for each in figure["differences"])
    assert {each["what"] for each in figure["left_out"]} == {"ReLU", "MaxPool2d", "Add"}
    text = cli("profile", "resnet18", "--static", "--convention", "thop").out
    assert "thop: 1,744,148,480 MACs of one sample" in text
    assert "+     9,232,384  BatchNorm2d ×17: a norm counts 4 per element, 2 without factor and offset" in text
    every = json.loads(cli("profile", "lenet", "--static", "--json", "--convention", "all", "--batch-size", "3").out)
    assert [each["convention"] for each in every["conventions"]].count("deepspeed") == 2
    assert {each["batch_size"] for each in every["conventions"]} == {1, 3}  # ptflops always runs one sample


def test_the_counts_of_another_tool_are_static(cli: Cli) -> None:
    done = cli("profile", "lenet", "--convention", "thop")
    assert done.code == 2 and "--convention needs --static" in done.err


def test_receptive_fields(cli: Cli) -> None:
    layers = json.loads(cli("profile", "resnet18", "--static", "--json", "--receptive-field").out)["layers"]
    last = [layer for layer in layers if layer["path"].startswith("b5.")][-1]
    assert last["receptive_field"] == {"size": [435, 435], "stride": [32, 32], "offset": [-217, -217]}
    rows = cli("profile", "resnet18", "--static", "--receptive-field").out.splitlines()
    assert next(row for row in rows if row.startswith(" b5 ")).split()[-1] == "435"
    assert next(row for row in rows if "0–1 residual ×2" in row).split()[-1] == "43"  # of the last copy
    two = json.loads(cli("profile", "siamese", "--static", "--json", "--receptive-field").out)["layers"]
    assert set(next(x for x in two if x["path"] == "distance.sub_1")["receptive_field"]) == {"left", "right"}
    assert cli("profile", "lenet", "--receptive-field").code == 2


def test_legal_sizes(cli: Cli) -> None:
    data = json.loads(cli("profile", "unet", "--static", "--json", "--sizes").out)
    assert data["totals"]["smallest_input"] == [3, 16, 16]
    assert data["totals"]["input_sizes"] == "height and width: multiples of 16 from 16"
    assert [(axis["axis"], axis["step"]) for axis in data["input_sizes"]] == [("height", 16), ("width", 16)]
    out = cli("profile", "lenet", "--static", "--sizes", "--depth", "1").out
    assert "smallest input 1×12×12; height and width: any from 12" in out
    assert "no legal sizes: the network takes no images" in cli("profile", "textcnn", "--static", "--sizes").out
    assert cli("profile", "lenet", "--sizes").code == 2


@pytest.mark.parametrize("options", [(), ("--json",), ("--target", "h100"), ("--target", "h100", "--json")], ids=" ".join)
def test_each_pass_is_simulated_once(cli: Cli, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    ran = []

    def counted(graph: Graph, setting: Setting, *args: Any, **kwargs: Any) -> Execution:
        ran.append(setting.training)
        return execute(graph, setting, *args, **kwargs)

    monkeypatch.setattr(resources, "execute", counted)
    assert cli("profile", "resnet18", "--static", *options).code == 0
    assert ran == [False, True]
