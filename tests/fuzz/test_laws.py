"""Laws that the static figures of any network obey, whatever torch does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from archspec.analysis import cost_report
from archspec.api.examination import examine
from archspec.execution import Optimizer, Setting, execute
from archspec.ir import Graph
from archspec.ir.digest import graph_digest
from archspec.source.layout.format import formatted
from tests.fuzz.check import learns
from tests.fuzz.draw import valid_network

SEEDS = range(30)


def network(data: Any) -> Graph:
    found = examine(data)
    assert not found.errors
    assert found.loaded is not None
    return found.loaded.graph


def figures(graph: Graph, batch_size: int = 2) -> dict[str, int]:
    report = cost_report(graph, batch_size=batch_size)
    found = {"params": report.params, "macs": report.macs, "backward": report.backward_macs}
    step = execute(graph, Setting(batch_size=batch_size, optimizer=Optimizer("adam"), training=learns(graph)))
    kernels = [(k.name, k.read_bytes, k.written_bytes, k.macs) for k in step.kernels]
    return found | {"saved": step.saved_bytes, "peak": step.peak_bytes, "kernels": hash(tuple(kernels))}


@pytest.fixture(scope="module")
def networks() -> list[tuple[dict[str, Any], Graph]]:
    return [valid_network(seed) for seed in SEEDS]


def written_out(value: Any) -> Any:
    """The same layers, the copies of each `repeat` one by one."""
    if isinstance(value, list):
        return [copy for item in value for copy in _copies(item)]
    return {key: written_out(item) for key, item in value.items()} if isinstance(value, dict) else value


def _copies(layer: Any) -> Iterator[Any]:
    if not isinstance(layer, dict) or "repeat" not in layer or layer.get("share"):
        yield written_out(layer)
        return
    for _ in range(layer["repeat"]):
        yield written_out({key: value for key, value in layer.items() if key != "repeat"})


def renamed(data: dict[str, Any]) -> dict[str, Any]:
    """Other names of stages, in an order that does not depend on them."""
    names = {name: f"stage_{k:02d}_of_it" for k, name in enumerate(data["stages"])}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, dict):
            return {key: names.get(item, item) if key in ("from", "share") else walk(item) for key, item in value.items()}
        return value

    stages = {names[name]: walk(body) for name, body in data["stages"].items()}
    outputs = {"outputs": {names[name]: mode for name, mode in data["outputs"].items()}} if "outputs" in data else {}
    return {**data, "stages": stages, **outputs}


def tidied(data: dict[str, Any]) -> str:
    return formatted(json.dumps(data, indent=1) + "\n", "net.yaml")


@pytest.mark.parametrize("change", [written_out, renamed, tidied])
def test_what_changes_nothing(networks: list[tuple[dict[str, Any], Graph]], change: Callable[[Any], Any]) -> None:
    changed = 0
    for data, graph in networks:
        other = change(data)
        changed += other != data
        assert figures(network(other)) == figures(graph), data
    assert changed > 3


def test_a_formatted_text_is_the_same_network(networks: list[tuple[dict[str, Any], Graph]]) -> None:
    for data, graph in networks:
        assert graph_digest(network(tidied(data))) == graph_digest(graph)


def test_figures_are_affine_in_the_batch(networks: list[tuple[dict[str, Any], Graph]]) -> None:
    """Weights, statistics and their casts stay, and the rest is proportional; MACs are proportional."""
    for data, graph in networks:
        two, four, six = (figures(graph, size) for size in (2, 4, 6))
        for name in ("macs", "backward"):
            assert four[name] == 2 * two[name], data
        assert six["saved"] - four["saved"] == four["saved"] - two["saved"], data
        assert six["peak"] >= four["peak"] >= two["peak"], data
