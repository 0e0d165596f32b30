"""Worker processes that decode image files. If one dies or hangs, the error names its file.

torch's DataLoader does not serve: it reports a dead worker by an exception from a signal handler, at an arbitrary line
of the program, it cannot name the file, and it cannot pass on exceptions such as SpecError.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from archspec.data.decode import BadImage, Facts
from archspec.data.decoder import READY
from archspec.diagnostics import error, one_line
from archspec.text import shell

if TYPE_CHECKING:
    import numpy as np

PATIENCE_S: Final = 60.0  # for one image
_START_S: Final = 60.0  # for the start of a process
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from archspec.data.decoder import serve; serve()"
)


Request = dict[str, Any]
T = TypeVar("T")


def default_workers() -> int:
    """The default number of decoding processes: one for each processor that this program may use, at most 8."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, usable))


class _Refused(Exception):
    """A bad image: code, message, hint."""


def image_text(path: Path | str, index: int, what: str) -> str:
    """A message about an image of a folder. index: its number."""
    return one_line(f"{path} (image {index}) {what}")


class Decoders:
    """A pool of `workers` processes, started when first needed. Thread-safe; call `close` at the end."""

    def __init__(self, workers: int, *, patience_s: float = PATIENCE_S) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="archspec-decode")
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._running: set[_Decoder] = set()
        self._closed = False
        self._patience_s = patience_s

    def submit(
        self, path: Path, channels: int, out: np.ndarray[Any, Any], index: int
    ) -> Future[None]:
        """Decode `path` into `out`, uint8 (channels, H, W), resized to its size. index: its number, for messages.

        The future raises SpecError RUN303, RUN305 or RUN307 for the image, RUN308 if the process died or hung.
        """
        request = {"path": str(path), "channels": channels, "size": out.shape[1:]}
        return self._threads.submit(self._ask, request, index, lambda decoder, deadline: decoder.fill(out, deadline))

    def headers(self, paths: Sequence[Path], channels: int | None) -> Future[list[Facts | BadImage]]:
        """`decode.look` for the headers of several files. The future raises RUN308 for any of them."""
        request = {"path": str(paths[0]), "paths": list(map(str, paths)), "channels": channels}
        return self._threads.submit(self._ask, request, 0, _Decoder.looks)

    def look(self, path: Path, channels: int | None, index: int) -> Future[Facts]:
        """`decode.look` for the whole file. The future raises the same errors as for `submit`."""
        request = {"path": str(path), "channels": channels}
        return self._threads.submit(self._ask, request, index, _Decoder.facts)

    def _ask(self, request: Request, index: int, read: Callable[[_Decoder, float], T]) -> T:
        decoder = self._decoder()
        try:
            return decoder.ask(request, index, read)
        except _Refused as refused:  # the process can continue: its pipes are empty
            code, message, hint = refused.args
            raise error(code, image_text(request["path"], index, message), hint=hint) from None
        except BaseException:  # the rest in its pipes belongs to this image, so the process cannot be used again
            self._drop(decoder)
            raise

    def _decoder(self) -> _Decoder:
        """The process of this thread."""
        found: _Decoder | None = getattr(self._mine, "decoder", None)
        if found is None:
            with self._lock:
                if self._closed:
                    raise RuntimeError("the decoders are closed")
                found = _Decoder(self._patience_s)
                self._running.add(found)
            self._mine.decoder = found
        return found

    def _drop(self, decoder: _Decoder) -> None:
        self._mine.decoder = None
        with self._lock:
            self._running.discard(decoder)
        decoder.kill()
        decoder.release()

    def close(self) -> None:
        """End the processes, even if they are busy."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        for decoder in running:
            decoder.kill()  # wakes the thread that waits for it
        self._threads.shutdown(wait=True)
        for decoder in running:
            decoder.release()


class _Decoder:
    """One process, used by one thread."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        # In a new session, so that Ctrl-C only reaches the trainer, which saves and then ends its decoders.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._started = False

    def ask(self, request: Request, index: int, read: Callable[[_Decoder, float], T]) -> T:
        """Send a request, and `read` the reply. Raises _Refused for a bad image, RUN308 if the process died or hung."""
        self._start()
        deadline = time.monotonic() + self._patience_s
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            problem = self._packed(deadline)
            if not problem:
                return read(self, deadline)
        except (EOFError, OSError) as failure:
            raise self._failure(request["path"], index, failure) from failure
        raise _Refused(*json.loads(problem))

    def fill(self, out: np.ndarray[Any, Any], deadline: float) -> None:
        """Read the image of a reply into `out`."""
        self._fill(out.data.cast("B"), deadline)

    def facts(self, deadline: float) -> Facts:
        """Read the facts of a reply."""
        return Facts(**json.loads(self._packed(deadline)))

    def looks(self, deadline: float) -> list[Facts | BadImage]:
        """Read the facts and errors of a reply."""
        found = json.loads(self._packed(deadline))
        return [Facts(**one) if isinstance(one, dict) else BadImage(*one) for one in found]

    def _packed(self, deadline: float) -> bytearray:
        """Read a length, and as many bytes."""
        (length,) = struct.unpack(">I", self._read(4, deadline))
        return self._read(length, deadline)

    def _start(self) -> None:
        """Wait until the process is ready."""
        if self._started:
            return
        try:
            self._read(len(READY), time.monotonic() + _START_S)
        except (EOFError, OSError) as problem:
            raise error(
                "RUN308", f"a process that decodes images did not start: it {self._end(problem, _START_S)}",
                hint=f"see whether `{shell(sys.executable, '-c', 'import numpy, PIL.Image')}` works",
            ) from problem
        self._started = True

    def _read(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        self._fill(memoryview(data), deadline)
        return data

    def _fill(self, window: memoryview, deadline: float) -> None:
        while window:
            self._wait(deadline)
            count = os.readv(self._replies.fileno(), [window])
            if not count:
                raise EOFError
            window = window[count:]

    def _wait(self, deadline: float) -> None:
        ready, _, _ = select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError

    def _failure(self, path: str, index: int, problem: Exception) -> Exception:
        what = self._end(problem, self._patience_s)
        return error(
            "RUN308", f"the process that decoded {image_text(path, index, what)}",
            hint="remove the file if it is damaged; if not, check the disk, and whether memory ran out",
        )

    def _end(self, problem: Exception, patience_s: float) -> str:
        """How the process ended, as a text."""
        if isinstance(problem, TimeoutError):
            return f"did not finish within {patience_s:g} s"
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        return f"ended ({_ending(self._process.returncode)})"

    def kill(self) -> None:
        """End the process, from any thread. A process that cannot be killed (on a dead network disk) is abandoned."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1)

    def release(self) -> None:
        """Close the pipes, once no thread uses them."""
        with suppress(OSError):  # closing flushes unsent data
            self._requests.close()
        self._replies.close()


def _ending(code: int | None) -> str:
    if code is None:
        return "and does not answer"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
