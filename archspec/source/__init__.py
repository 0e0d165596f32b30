"""YAML text → plain data, with a place for every key and value. The only package that knows YAML and its limits."""

from archspec.source.document import DEFAULT_LIMITS, Document, Limits, Path, document_of
from archspec.source.dump import dump
from archspec.source.load import parse, read
from archspec.source.scalars import BROKEN, Broken

__all__ = ["BROKEN", "DEFAULT_LIMITS", "Broken", "Document", "Limits", "Path", "document_of", "dump", "parse", "read"]
