"""Joins the processes that `torchrun` has started, and detects when one of them dies."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from secrets import token_hex
from typing import TYPE_CHECKING, Final

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from archspec.diagnostics import SpecError, error
from archspec.train.distributed.process_group import ProcessGroup

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

PATIENCE: Final = timedelta(hours=6)  # timeout for live processes: one may be downloading, or writing a checkpoint
BEAT_S: Final = 1.0
LEAVE_S: Final = 0.05  # the interval between two looks once this process is done
DEAD_S: Final = 20.0  # without a beat; a killed process closes its connections, which is noticed at once
HEARD_S: Final = 3.0  # how long to wait for the error of process 0
_GONE: Final = "gone"
_LOST: Final = "archspec/lost"
_ERROR: Final = "archspec/error"


def group_of(environment: Mapping[str, str]) -> ProcessGroup:
    """The process group that torchrun, or another launcher with its environment variables, describes.

    Raises SpecError RUN330 for values that contradict each other.
    """
    size = _number(environment, "WORLD_SIZE", 1)
    rank = _number(environment, "RANK", 0)
    local_size = _number(environment, "LOCAL_WORLD_SIZE", size)
    local_rank = _number(environment, "LOCAL_RANK", rank)
    if not (0 <= rank < size and 0 <= local_rank < local_size <= size):
        raise _unfit(f"process {rank} of {size}, {local_rank} of {local_size} here")
    restarts, most = (_number(environment, f"TORCHELASTIC_{name}", 0) for name in ("RESTART_COUNT", "MAX_RESTARTS"))
    return ProcessGroup(rank, size, local_rank, local_size, restarts, most, _job(environment))


def _job(environment: Mapping[str, str]) -> str:
    """A name of the job that restarts share: torchrun's, or the launcher's machine and process id if it has none."""
    name = environment.get("TORCHELASTIC_RUN_ID", "none")
    return name if name != "none" else f"{platform.node()} {os.getppid()}"


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or len(text) > 9:
        raise _unfit(f"{name} is {text[:40]!r}")
    return int(text)


def _unfit(why: str) -> SpecError:
    return error(
        "RUN330", f"the environment variables for several processes are not valid: {why}",
        hint="start it with `torchrun --nproc-per-node=N -m archspec train …`, or unset RANK and WORLD_SIZE",
    )


@contextmanager
def join_group(group: ProcessGroup, device: torch.device) -> Iterator[ProcessGroup]:
    """Connect this process to the others within the block: with nccl on GPUs, otherwise with gloo.

    Yields the group with the largest number of restarts of any process, and with the job name of process 0. A mistake
    that all processes find is reported by process 0 only; the others raise SystemExit. Raises SpecError RUN331 if
    another process ends inside the block. If this process is blocked by a wait for the other and cannot raise, the
    program ends within half a minute.
    """
    store = own_store(group, next(iter(rendezvous("env://", timeout=PATIENCE)))[0])
    backend = "cpu:gloo"
    if device.type == "cuda":
        backend += ",cuda:nccl"
        torch.cuda.set_device(device)
    dist.init_process_group(backend, store=store, rank=group.rank, world_size=group.size, timeout=PATIENCE)
    pulse = Pulse(group, store.clone())
    pulse.start()
    try:
        yield replace(group, restarts=group.maximum(group.restarts), job=group.broadcast_text(group.job))
        pulse.leave()  # process 0 leaves last, because it may hold the store
    except SystemExit:  # a signal, which all processes have received
        pulse.stop(gone=True)
        raise
    except SpecError as problem:
        raise _reported_once(problem, group, store) from problem.__cause__
    except RuntimeError as problem:
        if not is_lost(problem):
            raise
        raise _reported_once(_lost(group), group, store) from problem
    finally:
        with suppress(RuntimeError):  # raised if the group has lost a process
            dist.destroy_process_group()
        pulse.stop()  # last, because only the pulse can end a wait for a dead process


def own_store(group: ProcessGroup, store: Store) -> Store:
    """An empty part of the store that the processes share.

    After a restart the store still holds entries of the processes before it, for example their addresses. So each
    process draws a random name, process 0 lists the names it finds until all others agree with its list, and the name
    of process 0 becomes the name of the part.
    """
    name = token_hex(8)
    store.set(f"archspec/name/{group.rank}", name)
    while True:
        if group.leads:
            names = [store.get(f"archspec/name/{rank}").decode() for rank in range(group.size)]
            store.set("archspec/names", " ".join(names))
            agreed = [store.get(f"archspec/agrees/{rank}").decode() == name for rank in range(1, group.size)
                      if store.check([f"archspec/agrees/{rank}"])]
            if len(agreed) == group.size - 1 and all(agreed):
                return _part(store, name)
        else:
            names = store.get("archspec/names").decode().split()
            if len(names) == group.size and names[group.rank] == name:
                store.set(f"archspec/agrees/{group.rank}", names[0])
                return _part(store, names[0])
        time.sleep(0.02)


def _part(store: Store, name: str) -> Store:
    return dist.PrefixStore(name, store)  # type: ignore[attr-defined]


def is_lost(problem: RuntimeError) -> bool:
    """Whether torch raised `problem` because another process no longer responds."""
    return isinstance(problem, dist.DistError) or "gloo" in str(problem)


def _lost(group: ProcessGroup) -> SpecError:
    return error(
        "RUN331", f"one of the {group.size} processes of this run has ended",
        hint="see its output, or that of torchrun; `archspec train --resume RUN_DIR` resumes from the last "
        "checkpoint, and `torchrun --max-restarts=N` does so by itself",
    )


def _reported_once(problem: SpecError, group: ProcessGroup, store: Store) -> BaseException:
    """The exception to raise: `problem` in process 0; in the others only if process 0 has not reported the same."""
    if group.leads:
        with suppress(RuntimeError):
            store.set(_ERROR, str(problem))
        return problem
    reported = None
    with suppress(RuntimeError):  # process 0 has found no mistake, or has ended
        store.wait([_ERROR], timedelta(seconds=HEARD_S))
        reported = store.get(_ERROR).decode()
    if reported is not None and (reported == str(problem) or problem.diagnostics[0].code == "RUN331"):
        return SystemExit(1)
    note = f"found by process {group.rank} of {group.size}"
    return SpecError(replace(found, notes=(*found.notes, note)) for found in problem.diagnostics)


class Pulse(threading.Thread):
    """A heartbeat thread: shows the other processes that this one is alive, and ends the program if one of them dies.

    A process that dies closes its connections, so a process that waits for it gets an error. There is no such error
    if a whole machine stops, or if the host waits for a GPU that waits for another GPU; this thread detects that.

    Process 0 watches all others; they watch process 0 and what it has found.
    """

    def __init__(self, group: ProcessGroup, store: Store, *, beat_s: float = BEAT_S, dead_s: float = DEAD_S) -> None:
        super().__init__(name="archspec-pulse", daemon=True)
        self._group, self._store, self._beat_s, self._dead_s = group, store, beat_s, dead_s
        self._wake, self._left, self._stopped = threading.Event(), False, False
        self._beats = 0
        others = range(1, group.size) if group.leads else [0]
        self._seen = dict.fromkeys(others, ("", time.monotonic()))  # the last beat of each, and when it changed

    def run(self) -> None:
        """Beat and watch until `leave` or `stop`."""
        try:
            while not self._stopped:
                self._beats += 1
                left = self._left  # read once, because `leave` may set it meanwhile: announce it before returning
                self._show(_GONE if left else str(self._beats))
                self._look()
                if left and all(beat == _GONE for beat, _ in self._seen.values()):
                    return
                if left:
                    time.sleep(LEAVE_S)
                else:
                    self._wake.wait(self._beat_s)
        except RuntimeError as problem:  # the store is no more, and with it the launcher or process 0
            if not self._left and not self._stopped:
                self._end(f"the processes' common store does not answer: {str(problem).splitlines()[0][:200]}")

    def leave(self) -> None:
        """Announce that this process is done, and wait for the processes that it watches."""
        self._left = True
        self._wake.set()
        self.join()

    def stop(self, *, gone: bool = False) -> None:
        """Stop watching. gone: also tell the others to stop watching this process."""
        self._stopped = True
        self._wake.set()
        self.join()
        if gone:
            with suppress(RuntimeError):
                self._show(_GONE)

    def _show(self, beat: str) -> None:
        self._store.set(_key(self._group.rank), beat)

    def _look(self) -> None:
        for rank, (before, when) in self._seen.items():
            beat = self._store.get(_key(rank)).decode() if self._store.check([_key(rank)]) else ""
            now = time.monotonic()
            if beat != before:
                self._seen[rank] = beat, now
            elif beat != _GONE and now - when > self._dead_s:
                self._store.set(_LOST, str(rank))
                self._end(f"process {rank} of {self._group.size} has not responded for {self._dead_s:g} s")
                return
        if self._store.check([_LOST]):
            self._end(f"process {self._store.get(_LOST).decode()} of {self._group.size} has been lost")

    def _end(self, why: str) -> None:
        """End the program from this thread, because the main thread may wait in code that cannot be interrupted."""
        stream = sys.__stderr__
        if stream is not None:
            with suppress(OSError):
                stream.write(f"error[RUN331]: process {self._group.rank} ends: {why}\n")
                stream.flush()
        os._exit(1)


def _key(rank: int) -> str:
    return f"archspec/beat/{rank}"
