"""What an earlier start of a run has noted in its folder, for the command line: without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_CHOICES: Final = {  # option of `archspec train` → where environment.json has it
    "device": ("device", "type"), "threads": ("threads",), "fsdp": ("fsdp",), "data_root": ("data", "root"),
    "limit_train": ("data", "limit_train"), "limit_test": ("data", "limit_test"),
}


def read_json(path: Path) -> dict[str, Any]:
    """The mapping that a JSON file holds; an empty one where there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def no_run(folder: Path) -> str:
    """Why there is no run in a folder without a `spec.yaml`, in words."""
    if folder.is_dir():
        return "it has no spec.yaml"
    return "it is not a folder" if folder.exists() else "there is no such folder"


def last_environment(folder: Path) -> dict[str, Any]:
    """The environment of the run's last start, as `environment.json` tells it; what it says is not trusted."""
    first = read_json(folder / "environment.json")
    resumes = first.get("resumes")
    last = resumes[-1] if isinstance(resumes, list) and resumes else first
    return last if isinstance(last, dict) else {}


def earlier_choices(folder: Path) -> dict[str, Any]:
    """Options of the command line as they were: what is not given anew stays as it was. None is left out."""
    environment = last_environment(folder)
    settings = environment.get("settings")
    chosen = dict(settings) if isinstance(settings, dict) else {}
    for option, keys in _CHOICES.items():
        value: Any = environment
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        chosen[option] = value
    return {option: value for option, value in chosen.items() if isinstance(value, (bool, int, float, str))}
