"""A system whose calls fail where a test says so."""

import errno
import os
from contextlib import contextmanager
from unittest import mock

CALLS = (
    "open", "write", "fsync", "close", "mkdir", "rename", "replace", "unlink", "rmdir", "listdir", "scandir", "stat",
)


class Killed(BaseException):
    """The process ended here: nothing that comes after it runs."""


class System:
    """Counts the calls of `os` that change or read the disk, and spoils one of them.

    at: the call that fails, counted from 1. how: `error` (EIO), `full` (ENOSPC, and a part was written), `short`
    (a write takes but one byte, without error), `killed` (neither this call nor any later one happens) or
    `killed-after` (the call happens, no later one does).
    """

    def __init__(self, at=None, how="error"):
        self.at, self.how, self.count, self.log = at, how, 0, []
        self._real = {name: getattr(os, name) for name in CALLS} | {"fsync": lambda handle: None}  # a slow one

    def call(self, name, *args, **kwargs):
        self.count += 1
        self.log.append(name)
        real = self._real[name]
        if self.at is None or self.count < self.at or (self.count > self.at and not self.how.startswith("killed")):
            return real(*args, **kwargs)
        if self.how == "killed-after" and self.count == self.at:
            return real(*args, **kwargs)
        if self.how.startswith("killed"):
            raise Killed
        if name == "write" and self.how in ("short", "full"):
            handle, data = args
            done = real(handle, bytes(data)[: max(1, len(data) // 2)])
            if self.how == "short":
                return done
        elif self.how == "short":
            return real(*args, **kwargs)
        if name == "close":  # it reports an error, yet the handle is gone
            real(*args, **kwargs)
        raise OSError(errno.ENOSPC if self.how == "full" else errno.EIO, "no room" if self.how == "full" else "broken")


@contextmanager
def system(at=None, how="error"):
    """The disk's calls go through a `System` within the block."""
    faulty = System(at, how)
    with mock.patch.multiple(os, **{name: _through(faulty, name) for name in CALLS}):
        yield faulty


def _through(faulty, name):
    return lambda *args, **kwargs: faulty.call(name, *args, **kwargs)
