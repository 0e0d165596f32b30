"""Joins the processes that `torchrun` has started, and notices when one of them is no more."""

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

PATIENCE: Final = timedelta(hours=6)  # with processes that are alive: one may be downloading, or writing a checkpoint
BEAT_S: Final = 1.0
LEAVE_S: Final = 0.05  # between two looks at the end, when there is nothing else to do
DEAD_S: Final = 20.0  # without a beat; a process that is killed closes its connections, which is noticed at once
HEARD_S: Final = 3.0  # to wait for what process 0 has to say
_GONE: Final = "gone"
_LOST: Final = "archspec/lost"
_SAID: Final = "archspec/said"


def group_of(environment: Mapping[str, str]) -> ProcessGroup:
    """What torchrun, or whoever keeps to its environment variables, says of this process.

    Raises SpecError RUN330 where that cannot be.
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
    """The same at each restart: torchrun's name of the job, or where it gives none its process."""
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
    """Within the block this process can talk to the others: by nccl on GPUs, else by gloo.

    Restarts are then those of any of them, the job is that of process 0. A mistake that all processes find is reported
    by process 0 alone: in the others it becomes SystemExit. Raises SpecError RUN331 where another process has ended
    without leaving the block; where this one cannot even raise, since it waits for the other, it ends within half a
    minute.
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
        pulse.leave()  # the store may live in process 0, which therefore goes last
    except SystemExit:  # a signal, which all have heard
        pulse.stop(gone=True)
        raise
    except SpecError as problem:
        raise _in_one_voice(problem, group, store) from problem.__cause__
    except RuntimeError as problem:
        if not is_lost(problem):
            raise
        raise _in_one_voice(_lost(group), group, store) from problem
    finally:
        with suppress(RuntimeError):  # of a group that has lost a process
            dist.destroy_process_group()
        pulse.stop()  # no earlier: it would end a wait that nothing else ends


def own_store(group: ProcessGroup, store: Store) -> Store:
    """A part of the processes' common store that holds nothing yet.

    What processes have written that were there before a restart is still in it: their addresses, too. So each process
    draws a name, process 0 lists those it finds until all agree with its list, and its own name is the part's.
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
    """Whether it is torch's way to say that another process does not answer any more."""
    return isinstance(problem, dist.DistError) or "gloo" in str(problem)


def _lost(group: ProcessGroup) -> SpecError:
    return error(
        "RUN331", f"one of the {group.size} processes of this run has ended",
        hint="see its output, or that of torchrun; `archspec train --resume RUN_DIR` resumes from the last "
        "checkpoint, and `torchrun --max-restarts=N` does so by itself",
    )


def _in_one_voice(problem: SpecError, group: ProcessGroup, store: Store) -> BaseException:
    """What to raise for it: process 0 tells its user, the others only what it has not reported."""
    if group.leads:
        with suppress(RuntimeError):
            store.set(_SAID, str(problem))
        return problem
    told = None
    with suppress(RuntimeError):  # process 0 has found no mistake, or is no more
        store.wait([_SAID], timedelta(seconds=HEARD_S))
        told = store.get(_SAID).decode()
    if told is not None and (told == str(problem) or problem.diagnostics[0].code == "RUN331"):
        return SystemExit(1)
    note = f"found by process {group.rank} of {group.size}"
    return SpecError(replace(found, notes=(*found.notes, note)) for found in problem.diagnostics)


class Pulse(threading.Thread):
    """Shows the other processes that this one lives, and looks whether they do; without them it ends the program.

    A process that dies closes its connections, and whoever waits for it hears of that. Not so where a whole machine
    stops, or where the host waits for a GPU that waits for another: then this thread is what notices.

    Process 0 looks at all, the others at process 0 and at what it has found.
    """

    def __init__(self, group: ProcessGroup, store: Store, *, beat_s: float = BEAT_S, dead_s: float = DEAD_S) -> None:
        super().__init__(name="archspec-pulse", daemon=True)
        self._group, self._store, self._beat_s, self._dead_s = group, store, beat_s, dead_s
        self._wake, self._left, self._stopped = threading.Event(), False, False
        self._beats = 0
        others = range(1, group.size) if group.leads else [0]
        self._seen = dict.fromkeys(others, ("", time.monotonic()))  # the last beat of each, and when it was new

    def run(self) -> None:
        """Until `leave` or `stop`."""
        try:
            while not self._stopped:
                self._beats += 1
                left = self._left  # once: `leave` may come at any moment, and who returns must have said so
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
        """This process is done; wait until those are that it looks at."""
        self._left = True
        self._wake.set()
        self.join()

    def stop(self, *, gone: bool = False) -> None:
        """Look no more; `gone`: nor need the others look for this process."""
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
        """The main thread may be waiting in code that nothing interrupts."""
        stream = sys.__stderr__
        if stream is not None:
            with suppress(OSError):
                stream.write(f"error[RUN331]: process {self._group.rank} ends: {why}\n")
                stream.flush()
        os._exit(1)


def _key(rank: int) -> str:
    return f"archspec/beat/{rank}"
