"""A home in which nothing is found, and what several tests of data use."""

import pytest

from archspec.data.registry import DATASETS
from archspec.diagnostics import SpecError
from tests.data.helpers import TinyIdx


@pytest.fixture(autouse=True)
def nothing_at_home(tmp_path_factory, monkeypatch):
    """No test sees the data, or writes into the cache, of who runs it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.delenv("ARCHSPEC_DATA", raising=False)
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def tiny(monkeypatch):
    """A small `fashion-mnist` in place of the real one."""
    made = TinyIdx()
    monkeypatch.setitem(DATASETS, "fashion-mnist", made.info)
    return made


@pytest.fixture
def diagnostic():
    """The one diagnostic of what a call raises."""

    def of(call, *args, **kwargs):
        with pytest.raises(SpecError) as caught:
            call(*args, **kwargs)
        (only,) = caught.value.diagnostics
        return only

    return of
