"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The machines that run the tests are small, and tests run side by side: threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("loaded machine", settings(), deadline=None)  # where an example may wait for seconds
settings.load_profile("loaded machine")

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees no colour settings and no data folder of the person who runs it."""
    for name in ("NO_COLOR", "FORCE_COLOR", "ARCHSPEC_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("archspec.devices.calibration.cache_folder", lambda: Path("/nowhere"))  # no calibration


@pytest.fixture(autouse=True, scope="session")
def _every_graph_is_verified() -> Iterator[None]:
    """Whatever a test lowers without mistakes is a graph that keeps its promises."""
    from archspec.api import checks

    lower = checks.lower

    def verified(*args: Any) -> Any:
        lowered = lower(*args)
        if lowered.graph is not None and not args[1].found:
            lowered.graph.verify()
        return lowered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "lower", verified)
        yield
