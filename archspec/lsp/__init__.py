"""The language server, which answers an editor's requests about a spec from its text.

Except for `session.py` and `server.py`, it consists of plain functions of a text and a place, which do not need pygls.
"""
