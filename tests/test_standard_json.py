"""JSON that strict parsers read."""

import json
import math

import pytest

from archspec.standard_json import json_text


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_null(bad):
    text = json_text({"loss": bad, "rows": [{"a": (1.5, bad)}], "name": "é"})
    assert json.loads(text, parse_constant=pytest.fail) == {"loss": None, "rows": [{"a": [1.5, None]}], "name": "é"}


def test_other_data_are_what_json_writes():
    data = {"a": [1, 0.1, None, True], "b": {"c": "ü"}}
    assert json_text(data, indent=2) == json.dumps(data, indent=2, ensure_ascii=False)
    assert json_text(data, ascii_only=True) == json.dumps(data)
