"""The canonical layout of a YAML text: it is read into a tree that keeps comments and styles, and printed from that.

It does not use ruamel.yaml, which resolves scalars by its own rules, moves comments where a collection changes its
style, and would be a second parser with other limits and places.
"""

from archspec.source.layout.format import WIDTH, formatted

__all__ = ["WIDTH", "formatted"]
