"""The language server: what an editor asks of a spec, answered from its text.

Everything but `session.py` and `server.py` is plain functions of a text and a place, which need no pygls.
"""
