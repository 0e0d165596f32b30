"""Whether a resumed run is the run that was stopped: what must be equal, and what makes it equal to the last bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from archspec.diagnostics import SpecError, error
from archspec.graph import Graph
from archspec.spec.recipe import Recipe
from archspec.tensors import Tensor

# Of environment.json: what decides the last bits, and how it is called. `settings` counts whole.
_DECIDE: Final = ("versions", "cpu", "cpu_kernels", "device", "threads", "settings", "world", "fsdp")
_DATA: Final = ("train_images", "test_images")


def spec_digest(graph: Graph, recipe: Recipe) -> str:
    """SHA-256 of what is trained and how: the lowered network and the recipe, its number of epochs left out.

    Spelling does not count: comments, blocks or vars that come to the same network have the same digest. A run
    of more epochs is the same run prolonged, but where the schedule depends on its length.
    """
    data = recipe.to_data()
    if data["schedule"] == "constant" or "step" in data["schedule"]:
        del data["epochs"]
    return _hash(graph_digest(graph), data)


def graph_digest(graph: Graph) -> str:
    """SHA-256 of a lowered network."""
    return _graph_digest(graph, {})


def _graph_digest(graph: Graph, known: dict[int, str]) -> str:
    """Of a graph, each sub-graph being looked at once."""
    if id(graph) not in known:
        nodes = [
            [
                node.name, node.inputs,
                _graph_digest(node.target, known) if isinstance(node.target, Graph)
                else [node.target.op, node.target.model_dump(mode="json")],
            ]
            for node in graph.nodes
        ]
        known[id(graph)] = _hash([_tensor(tensor) for _, tensor in graph.inputs], nodes, graph.output)
    return known[id(graph)]


def _tensor(tensor: Tensor) -> list[object]:
    return [tensor.shape, tensor.dtype]


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def conditions(environment: Mapping[str, Any]) -> dict[str, JsonValue]:
    """What of `environment.json` decides the last bits of a run, name → value."""
    chosen = {key: environment[key] for key in _DECIDE if key in environment}
    chosen["data"] = {key: environment.get("data", {}).get(key) for key in _DATA}
    return dict(_flat(chosen, ""))


def _flat(data: Mapping[str, Any], prefix: str) -> list[tuple[str, JsonValue]]:
    found: list[tuple[str, JsonValue]] = []
    for key, value in data.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


def differences(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> list[str]:
    """What is other than it was, in words: `threads was 4, is 2`."""
    return [
        f"{key.removeprefix('versions.')} was {_said(then.get(key))}, is {_said(now.get(key))}"
        for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)
    ]


def _said(value: JsonValue) -> str:
    return "nothing" if value is None else str(value)[:80]


def check_same_spec(digest: str, then: str, changes: Sequence[str]) -> None:
    """Raise SpecError RUN315 unless the digests are equal. changes: what is known to have changed, in words."""
    if digest != then:
        raise changed_spec("the spec is not the one that the checkpoint was trained with", changes)


def check_same_data(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """Raise SpecError RUN315 where the number of training images has changed: the order of all is another one."""
    key = "data.train_images"
    if then.get(key) is not None and then[key] != now.get(key):
        raise changed_spec(f"the run had {then[key]} training images, now there are {now.get(key)}", [])


def changed_spec(message: str, notes: Sequence[str]) -> SpecError:
    """SpecError RUN315 of a run that would go on as another one."""
    return error("RUN315", message, notes=notes,
                 hint="put it back, or add --allow-changes to go on with what fits")


def recipe_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`lr was 0.1, is 0.5` for each value of a recipe that differs."""
    return differences(dict(_flat(then, "")), dict(_flat(now, "")))
