"""Both of PyYAML's parsers."""

from __future__ import annotations

import pytest

from archspec.source import load
from archspec.source.pure import PureParser


@pytest.fixture(params=["libyaml", "pure"])
def parser(request, monkeypatch):
    """Both parsers must say the same."""
    if request.param == "pure":
        monkeypatch.setattr(load, "EVENT_PARSER", PureParser)
    return request.param
