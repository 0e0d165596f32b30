"""Lists and comparisons stay within narrow terminals, also with long names, and never cut a figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.results.helpers import make_run

from .test_width import printed

WIDTHS = (60, 80, 100)
NAME = "a_network_with_a_long_name_that_nobody_would_write_but_a_generator"
SPEC = f"""archspec: 1
name: {NAME}
input: [3, 64, 64]
vars: {{a_rather_long_name_for_the_width: 8, kernel: 3, activation: relu, expansion_ratio: 1.5}}
stages:
  a_very_long_stage_name_for_the_stem_of_it: [conv2d: {{out_channels: $a_rather_long_name_for_the_width, kernel_size: $kernel}}, relu]
  head: [global_avg_pool2d, flatten, linear: $(int(expansion_ratio * 256)), $activation: , linear: 10]
train: {{data: cifar10, lr: 0.1, epochs: 3}}
"""
SWEEP = """archspec-sweep: 1
spec: big.yaml
grid:
  vars.a_rather_long_name_for_the_width: [8, 16, 4096]
  vars.kernel: [3, 5]
  vars.activation: [relu, hardswish, leaky_relu]
  vars.expansion_ratio: [1.25, 1.5, 2.125]
  train.label_smoothing: [0, 0.1, 0.0001]
  train.weight_decay: [0, 0.0005]
"""
DIVERGED = {"code": "RUN346", "step": 100, "title": "diverged from step 100: the rate 0.3 is too high for this network",
            "evidence": [], "advice": "try lr 0.1"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spec, a variant of it, a sweep, and six runs that differ in all they can."""
    monkeypatch.chdir(tmp_path)
    Path("big.yaml").write_text(SPEC, encoding="utf-8")
    changed = SPEC.replace("name: a_", "name: another_").replace("of_it", "of_all").replace("epochs: 3", "epochs: 4")
    Path("other.yaml").write_text(changed, encoding="utf-8")
    Path("sweep.yaml").write_text(SWEEP, encoding="utf-8")
    for k in range(6):
        make_run(
            Path("runs") / f"a_folder_of_a_run_with_a_long_name_that_goes_on_beyond_all_columns_{k}", lr=0.1 * (k // 2 + 1),
            name=f"{NAME}_{k % 2}", accuracies=(0.1, 0.9 - k / 10), findings=[DIVERGED] if k % 3 == 0 else [], seed=k % 2,
            momentum=0.1 * k, weight_decay=(1e-4, 5e-4)[k % 2], label_smoothing=0.1 * (k % 3), schedule=("cosine", "step")[k % 2],
        )


def lines(monkeypatch: pytest.MonkeyPatch, width: int, *words: object) -> list[str]:
    """The printed lines, none of which is wider than the terminal: only one long word may be."""
    found = [line.rstrip() for line in printed(monkeypatch, *words, columns=width)]
    assert [line for line in found if len(line) > width and " " in line.strip()] == []
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["specs", "blocks", "ops", "devices"])
def test_lists(monkeypatch: pytest.MonkeyPatch, kind: str, width: int) -> None:
    names = [match[1] for line in lines(monkeypatch, width, "list", kind) if (match := re.match(r"  (\w\S*)  ", line))]
    assert len(names) > 3
    for name in names if kind == "ops" else ():  # what the others print is a file
        lines(monkeypatch, width, "list", kind, name)


def test_the_paragraphs_of_an_op_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lines(monkeypatch, 60, "list", "multi_head_attention")
    start = next(k for k, line in enumerate(found) if line.startswith("Cost: "))
    end = next(k for k, line in enumerate(found) if line.startswith("Errors: "))
    assert end - start > 1 and all(len(line) > 30 and line.startswith("    ") for line in found[start + 1 : end - 1])


@pytest.mark.parametrize("width", WIDTHS)
def test_differences(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    found = lines(monkeypatch, width, "diff", "big.yaml", "other.yaml", "--set", "vars.expansion_ratio=2.125", "--target", "h200")
    wide = printed(monkeypatch, "diff", "big.yaml", "other.yaml", "--set", "vars.expansion_ratio=2.125", "--target", "h200", columns=200)
    figures = [re.findall(r"[+−]?[\d.]+ (?:[kMG]|[KMG]iB|ms)\b", line) for line in wide if "×" not in line]
    assert sum(map(len, figures)) >= 10
    for figure in {one for row in figures for one in row}:
        assert figure in "\n".join(found)


@pytest.mark.parametrize("width", WIDTHS)
def test_runs(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = "\n".join(lines(monkeypatch, width, "runs"))
    for figure in ("0.9000", "0.4000", "0.0001", "0.0005"):
        assert f" {figure} " in f"{text} ".replace("\n", " ")
    assert "no room for network; " in text


@pytest.mark.parametrize("width", WIDTHS)
def test_comparisons(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = "\n".join(lines(monkeypatch, width, "compare", "runs"))
    table, _, rest = text.partition("best by test acc: ")
    assert all(f" {0.9 - k / 10:.4f} " in table for k in range(6))
    varied = ["network", "lr", "momentum", "weight_", "label_", "schedule"]
    left_out = rest.partition("no room for ")[2]
    assert all((name in table) != (name in left_out) for name in varied)
    assert ("schedule" in left_out) == (width < 100)


@pytest.mark.parametrize("width", WIDTHS)
def test_populations(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = "\n".join(lines(monkeypatch, width, "population", "sweep.yaml"))
    whole = "\n".join(printed(monkeypatch, "population", "sweep.yaml", columns=200))
    figures = re.findall(r"[\d,]{5,}|[\d.]+ MiB", whole)
    assert len(figures) > 15 and all(figure in text for figure in figures)
    assert ("no room for" in text) == (width < 100)
