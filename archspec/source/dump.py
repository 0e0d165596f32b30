"""Plain data → YAML text that `parse` reads back to the same data."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes no aliases: the language has none."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def dump(data: dict[str, Any]) -> str:
    """Block style for the file's two outer levels, one line for what lies inside where it is short."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110,
                         default_flow_style=None))
