"""The specs that come with the package, by bare name."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent.parent
# In a wheel they lie inside the package; in a checkout (and an editable install) beside it.
ROOTS = (PACKAGE / "specs", PACKAGE.parent / "specs")


def shipped_root() -> Path | None:
    """The folder of the shipped specs."""
    return next((root for root in ROOTS if (root / "lenet.yaml").is_file()), None)


def shipped_specs() -> dict[str, Path]:
    """Bare name (`lenet`, `zoo/unet`) → file, in order."""
    root = shipped_root()
    if root is None:
        return {}
    files = [*sorted(root.glob("*.yaml")), *sorted(root.glob("zoo/*.yaml"))]
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in files}


def find_shipped(name: str) -> tuple[Path, Path] | None:
    """(folder that the spec may read, its file) for a bare name; a spec of the zoo also without `zoo/`."""
    root = shipped_root()
    if root is None or not all(part.isidentifier() for part in name.split("/")):
        return None
    for path in (root / f"{name}.yaml", root / "zoo" / f"{name}.yaml"):
        if path.is_file():
            return root, path
    return None
