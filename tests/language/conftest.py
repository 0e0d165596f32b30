"""Every hint of these tests is followed: see tests.hints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hints import following


@pytest.fixture(autouse=True, scope="package")
def _every_hint_works() -> Iterator[None]:
    with following():
        yield
