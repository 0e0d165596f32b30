"""What all tests share."""

import os

import pytest

# The machines that run the tests are small, and tests run side by side: threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _no_user_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees no colour settings and no data folder of the person who runs it."""
    for name in ("NO_COLOR", "FORCE_COLOR", "ARCHSPEC_DEBUG"):
        monkeypatch.delenv(name, raising=False)
