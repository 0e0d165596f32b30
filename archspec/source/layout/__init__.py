"""The canonical layout of a YAML text: read into a tree that keeps comments and styles, and printed from it.

Its own printer, and not a round trip of ruamel.yaml: that one resolves scalars by its own rules, moves comments where a
collection changes its form, and would be a second parser beside the one whose limits and places the project holds.
"""

from archspec.source.layout.format import WIDTH, formatted

__all__ = ["WIDTH", "formatted"]
