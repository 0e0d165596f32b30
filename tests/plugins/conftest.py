"""A folder of its own for each test of plugins, and the example plugin, as if it were installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.helpers import EXAMPLE, STRIPES, forgotten, install


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    with forgotten():
        yield


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def installed(folder: Path) -> Path:
    """The example plugin, as if it were installed."""
    sys.path.insert(0, str(EXAMPLE))
    install(
        folder, "archspec-example", "1.2.0", {}, ops="gated_channels = archspec_example.gated_channels:GatedChannels",
        datasets="stripes = archspec_example.stripes:Stripes", losses="focal = archspec_example.focal:Focal",
    )
    (folder / "stripes.yaml").write_text(STRIPES, encoding="utf-8")
    return folder
