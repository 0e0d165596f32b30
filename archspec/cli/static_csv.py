"""Static figures as CSV: the layers of one batch size, or several batch sizes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from archspec.text import clean


def layers_csv(data: Mapping[str, Any]) -> str:
    """The layers of a static profile's JSON, with its keys as columns, and a row `(rest)` for what belongs to none.

    With that row the columns add up to the totals.
    """
    return table_csv([*map(_flat, data["layers"]), {"path": "(rest)", **data["rest"]}])


def table_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV. The columns are the keys, in the order in which rows first have them; what a row lacks is empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A row without nested figures: `{"a": {"b": 1}}` has a column `a.b`."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _cell(value: Any) -> Any:
    """A cell: shapes as `6x28x28`, truth values as JSON writes them."""
    if isinstance(value, (list, tuple)):
        return "x".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return clean(value) if isinstance(value, str) else value
