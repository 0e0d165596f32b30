"""Whether a resumed run is the run that was stopped: what must be equal, and what makes it equal to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue

from archspec.diagnostics import SpecError, error
from archspec.ir import Graph
from archspec.ir.diff import diff
from archspec.ir.digest import graph_digest
from archspec.train.checkpoint.digest import needs_length

# Of environment.json: what decides the last bits, and how it is called. `settings` counts whole.
_DECIDE: Final = ("versions", "cpu", "cpu_kernels", "device", "threads", "settings", "world", "fsdp", "flush_denormal")
UNRECORDED: Final[Mapping[str, JsonValue]] = {"flush_denormal": False}  # what 0.1.0 did without recording it
SHOWN: Final = 6  # changes; who changed more has meant another run
_TEST: Final = ("validation", "test")  # of a recipe: as where nothing is said of it
_DATA: Final = ("train_images", "validation_images", "test_images")


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
    if value is None:
        return "nothing"
    return (value if isinstance(value, str) else json.dumps(value))[:80]  # as a spec writes it: true, not True


def check_same_data(then: Mapping[str, JsonValue], now: Mapping[str, JsonValue]) -> None:
    """Raise SpecError RUN315 where the number of training images has changed: the order of all is another one."""
    key = "data.train_images"
    if then.get(key) is not None and then[key] != now.get(key):
        raise changed_spec(f"the run had {then[key]} training images, now it has {now.get(key)}", [])


def changed_spec(message: str, notes: Sequence[str], mend: str = "") -> SpecError:
    """SpecError RUN315 of a run that would go on as another one. mend: how to undo what was changed."""
    more = [f"and {len(notes) - SHOWN} more"] if len(notes) > SHOWN else []
    return error("RUN315", message, notes=[*notes[:SHOWN], *more],
                 hint=f"{mend or 'restore it'}, or add --allow-changes to continue with what fits")


def recipe_changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Field of a recipe → `lr was 0.1, is 0.5`, for each that differs, its values apart; `now` is a whole recipe.

    The number of epochs only where the schedule depends on it.
    """
    changes = {}
    then, now = ({key: value for key, value in data.items() if (key, value) != _TEST} for data in (then, now))
    for key in sorted(then.keys() | now.keys()):
        if key == "epochs" and not needs_length(now):
            continue
        said = differences(*(dict(_flat({key: data[key]} if key in data else {}, "")) for data in (then, now)))
        if said:
            changes[key] = ", ".join(said)
    if "epochs" in changes:
        changes["epochs"] += ": the schedule is stretched over all epochs, so its rates change"
    return changes


def network_change(then: Graph | None, now: Graph) -> str | None:
    """Where two networks differ first, in words; None where they do not, or one is not known."""
    if then is None or graph_digest(then) == graph_digest(now):
        return None
    changes = diff(then, now)
    if not changes:
        return "the network is different: its layers are nested otherwise"
    more = f"; differences: {len(changes)}" if len(changes) > 1 else ""
    return f"the network is different: {changes[0]}{more}"
