"""Reads from a run folder what the command line needs of earlier starts, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from archspec.files import is_regular, kind_of, read_regular

MAX_JSON_BYTES: Final = 1 << 24  # enough for thousands of classes with long names and thousands of resumes
_CHOICES: Final = {  # option of `archspec train` → its place in environment.json
    "device": ("device", "type"), "threads": ("threads",), "fsdp": ("fsdp",), "data_root": ("data", "root"),
    "limit_train": ("data", "limit_train"), "limit_test": ("data", "limit_test"),
}


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file of a run folder; empty if the file has none."""
    data = _json(path)
    return data if isinstance(data, dict) else {}


def _json(path: Path) -> dict[str, Any] | str:
    """The mapping in a JSON file, or a text that explains why there is none: `it is missing`."""
    try:
        data = json.loads(read_regular(path, MAX_JSON_BYTES))
    except FileNotFoundError:
        return "it is missing"
    except OSError as problem:
        return f"it {(problem.strerror or str(problem)).lower()}"
    except (ValueError, RecursionError):
        return "it is not JSON"
    return data if isinstance(data, dict) else "it is not a mapping"


def no_run(folder: Path) -> str:
    """A text that explains why there is no run in a folder whose `spec.yaml` is not a regular file."""
    if folder.is_dir():
        kind = kind_of(folder / "spec.yaml")
        return f"its spec.yaml is {kind}, not a regular file" if kind else "it has no spec.yaml"
    return "it is not a folder" if folder.exists() else "there is no such folder"


def last_environment(folder: Path) -> dict[str, Any]:
    """The environment of the run's last start, from `environment.json`. Its contents are not trusted."""
    first = read_json(folder / "environment.json")
    resumes = first.get("resumes")
    last = resumes[-1] if isinstance(resumes, list) and resumes else first
    return last if isinstance(last, dict) else {}


def unknown_choices(folder: Path) -> str | None:
    """A warning if the run folder no longer records the options of the run; None otherwise."""
    found = _json(folder / "environment.json")
    if isinstance(found, dict) or not is_regular(folder / "spec.yaml"):
        return None
    return (f"warning: {folder / 'environment.json'} cannot be used: {found}; give --limit-train, --threads and the "
            "other options that the run was started with again")


def earlier_choices(folder: Path) -> dict[str, Any]:
    """The command-line options of the run, which apply unless they are given again; without those that were not set."""
    environment = last_environment(folder)
    settings = environment.get("settings")
    chosen = dict(settings) if isinstance(settings, dict) else {}
    for option, keys in _CHOICES.items():
        value: Any = environment
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        chosen[option] = value
    return {option: value for option, value in chosen.items() if isinstance(value, (bool, int, float, str))}
