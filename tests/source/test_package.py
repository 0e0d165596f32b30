"""What documents hold on to, and what reading imports."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

from archspec.source import BROKEN, load, parse
from archspec.source.pure import PureParser
from tests.source.helpers import EXAMPLE


def test_broken_is_one_of_a_kind():
    assert copy.deepcopy([BROKEN])[0] is pickle.loads(pickle.dumps(BROKEN)) is BROKEN
    assert f"{BROKEN} {BROKEN!r}" == "BROKEN BROKEN"


def test_documents_can_be_pickled():
    document = parse(EXAMPLE, "t")
    again = pickle.loads(pickle.dumps(document))
    assert again.data == document.data
    assert again.span(("name",)) == document.span(("name",))


def test_reading_imports_neither_torch_nor_pydantic():
    heavy = "{'torch', 'pydantic', 'rich'} & set(sys.modules)"
    code = f"import sys, archspec.source, archspec.expressions; print(sorted({heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_libyaml_is_used_where_it_is(monkeypatch):
    assert load._event_parser().__name__ == "CParser"
    monkeypatch.setitem(sys.modules, "yaml._yaml", None)
    assert load._event_parser() is PureParser
