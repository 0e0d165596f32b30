"""The spec of a run folder, and why it cannot be read: the run has none, or needs a plugin that is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from archspec.api import Loaded, load
from archspec.diagnostics import SpecError, error
from archspec.files import is_regular, read_regular
from archspec.train.run_dir.saved_options import no_run
from archspec.train.run_dir.used_plugins import missing_plugins

_WITHOUT: Final = ": trained by archspec.fit, not from a spec"
_MAX_BYTES: Final = 1 << 16  # of a comment with a name in it


def comment_without_spec(name: str) -> str:
    """The `spec.yaml` of a run that `archspec.fit` trains. name: of the run."""
    return f"# {' '.join(name.split())}{_WITHOUT}\n"


def load_run(folder: Path) -> Loaded:
    """The spec of a run folder.

    Raises SpecError RUN360 if there is no run, RUN365 if it needs a plugin that is missing, RUN366 if it has no spec,
    and the errors of a spec.
    """
    if not is_regular(folder / "spec.yaml"):
        raise error("RUN360", f"there is no run in {folder}: {no_run(folder)}",
                    hint="name a folder that `archspec train` made")
    try:
        return load(folder / "spec.yaml")
    except SpecError as problem:
        raise explained(problem, folder) from problem


def explained(problem: SpecError, folder: Path) -> SpecError:
    """The cause of an error in the spec of a run: RUN366, or RUN365 for each missing plugin; or else the same error."""
    if _is_without_spec(folder):
        weights = folder / "weights.safetensors"
        return error(
            "RUN366", f"the run in {folder} was trained by `archspec.fit`, without a spec: its network exists only in "
            "Python", hint=f"in Python, `module.load_state_dict(safetensors.torch.load_file({str(weights)!r}))` loads "
            "its weights",
        )
    return SpecError(missing) if (missing := missing_plugins(problem, folder)) else problem


def _is_without_spec(folder: Path) -> bool:
    try:
        text = read_regular(folder / "spec.yaml", _MAX_BYTES).decode()
    except (OSError, ValueError):
        return False
    (line, *more) = text.splitlines() or [""]
    return line.startswith("# ") and line.endswith(_WITHOUT) and not "".join(more).strip()
