"""Writes a result to the file that `-o` names."""

from __future__ import annotations

from pathlib import Path


def save_output(what: str, path: Path, text: str) -> None:
    """Write a text to a file that the user named. Raises SpecError RUN313 if it cannot be written.

    A regular file is replaced atomically; through a link, the file that it points to. A device or a pipe is written to:
    replacing it would destroy it.
    """
    from archspec.train.run_dir.full_disk import explain_write_failures, save_text

    if path.exists() and not path.is_file() and not path.is_dir():
        with explain_write_failures(what, path, len(text)):
            path.write_text(text, encoding="utf-8")
    else:
        save_text(what, path.resolve() if path.is_symlink() else path, text)
