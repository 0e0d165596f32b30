"""Every hint of these tests is followed (see tests.hints), and no builtin compares an unknown dimension."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helpers import comparisons_are_written_out
from tests.hints import following


@pytest.fixture(autouse=True, scope="package")
def _every_hint_works() -> Iterator[None]:
    with following(), comparisons_are_written_out():
        yield
