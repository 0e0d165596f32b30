"""Measures candidates in a separate process, so that a candidate that crashes it does not end the run.

All candidates share one process, which is restarted only after a crash: so torch is warm and the CUDA context exists,
as in training. The processes communicate through pipes. A message is its length in eight bytes, followed by JSON;
after the first message come the batches as a safetensors file. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from typing import Any, BinaryIO, Final, Self

import torch
from safetensors.torch import load

from archspec.backends.denormals import denormals_flushed
from archspec.data.batches import Batch
from archspec.language.recipe import Recipe
from archspec.plugins import load as load_plugin
from archspec.plugins import named
from archspec.train.checkpoint.tensor_file import tensor_file
from archspec.train.step.precision import Settings
from archspec.train.tune.candidates import Candidate
from archspec.train.tune.measure import Measured, Problem, measure

START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from archspec.train.tune.child import serve; serve()"
)
_LENGTH: Final = struct.Struct(">Q")


class Child:
    """Measures candidates with `measure`, in a process that starts with the first one; a context manager that ends it.

    spec: the spec of the network. start: the Python code that the process runs.
    """

    def __init__(self, spec: str, *, start: str = START) -> None:
        self._spec, self._start_code = spec, start
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def measure(self, problem: Problem, candidate: Candidate, best_s: float | None = None) -> Measured:
        """See `measure.measure`. A candidate that ends the process is rejected."""
        try:
            if self._process is None:
                self._start(problem)
            settings = candidate.settings.to_json()
            reply = self._ask({"settings": settings, "threads": candidate.threads, "best_s": best_s})
        except (EOFError, OSError):
            return Measured(candidate, None, refused=f"it kills the process ({self._death()})")
        return Measured(candidate, reply["step_s"], tuple(reply["losses"]), reply["norm"], reply["refused"])

    def close(self) -> None:
        """Kill the process."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.kill()
            process.wait()
            with suppress(OSError):  # closing flushes unsent data
                process.stdin.close()
            process.stdout.close()

    def _death(self) -> str:
        """How the process ended, as a text."""
        process = self._process
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)  # a core dump may take this long
        self.close()
        return "it did not start" if process is None else _ending(process.returncode)

    def _start(self, problem: Problem) -> None:
        # In a new session, so that Ctrl-C only reaches this process, which then ends the other.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            [sys.executable, "-c", self._start_code, json.dumps(sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )
        assert self._process.stdin is not None
        tensors = {
            f"{name}{number}": getattr(batch, name)
            for number, batch in enumerate(problem.batches) for name in ("x", "y", "indices")
        }
        about = {"spec": self._spec, "recipe": problem.recipe.to_data(), "device": str(problem.device),
                 "plugins": named()}
        _send(self._process.stdin, about)
        pieces = list(tensor_file(tensors))
        self._process.stdin.write(_LENGTH.pack(sum(map(len, pieces))))
        self._process.stdin.writelines(pieces)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        _send(self._process.stdin, question)
        return _receive(self._process.stdout)


def serve() -> None:
    """The main function of the process: read the problem, then measure candidates until stdin ends."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that output of torch does not mix with the answers
    with denormals_flushed(), suppress(EOFError, BrokenPipeError):  # as in training, before torch starts its threads
        problem = _problem(_receive(questions), _read(questions))
        while True:
            asked = _receive(questions)
            row = _answer(problem, Candidate(Settings(**asked["settings"]), asked["threads"]), asked["best_s"])
            _send(answers, {"step_s": row.step_s, "losses": row.losses, "norm": row.norm, "refused": row.refused})


def _answer(problem: Problem, candidate: Candidate, best_s: float | None) -> Measured:
    try:
        return measure(problem, candidate, best_s)
    except Exception as failure:  # noqa: BLE001 - the table says what, whatever it is
        text = " ".join(str(failure).split())[:200]
        return Measured(candidate, None, refused=f"it fails: {type(failure).__name__}: {text}")


def _problem(about: dict[str, Any], batches: bytes) -> Problem:
    from archspec.api import load as load_spec
    from archspec.backends.allocator import keep_freed_memory

    for plugin in about["plugins"]:
        load_plugin(plugin)
    device = torch.device(about["device"])
    if device.type == "cpu":
        keep_freed_memory()
    tensors = load(batches)
    count = len(tensors) // 3
    return Problem(
        load_spec(about["spec"]).graph, Recipe.model_validate(about["recipe"]), device,
        [Batch(tensors[f"x{k}"].to(device), tensors[f"y{k}"].to(device), tensors[f"indices{k}"]) for k in range(count)],
    )


def _send(stream: BinaryIO | Any, message: dict[str, Any]) -> None:
    content = json.dumps(message).encode()
    stream.write(_LENGTH.pack(len(content)) + content)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_read(stream))
    return found


def _read(stream: BinaryIO | Any) -> bytes:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    content: bytes = stream.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _ending(code: int) -> str:
    """An exit code as text: `SIGSEGV`, `exit code 1`."""
    if code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name if -code in {number.value for number in signal.Signals} else f"signal {-code}"
