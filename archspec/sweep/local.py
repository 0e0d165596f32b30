"""The local engine: runs trials as processes on this machine, as many at once as its cores or GPUs allow."""

from __future__ import annotations

from archspec.sweep.engine import Task
from archspec.sweep.slots import Slots
from archspec.sweep.trial import Command, Forked, Launcher, Process


class Local:
    """Runs one trial at a time in each slot."""

    def __init__(self, slots: Slots, launcher: Launcher | None = None) -> None:
        self.threads = slots.threads
        self._environments, self._launcher = slots.environments, launcher or Forked()
        self._free = list(reversed(range(len(slots.environments))))

    def capacity(self) -> int:
        """The number of slots."""
        return len(self._environments)

    def has_room(self) -> bool:
        """Whether a slot is free."""
        return bool(self._free)

    def start(self, task: Task) -> Process:
        """Start a trial in a free slot."""
        slot = self._free.pop()
        command = Command(task.arguments(), self._environments[slot], task.output, task.errors, task.devices)
        return _InSlot(self._launcher.start(command), slot, self._free)

    def close(self) -> None:
        """End all trials."""
        self._launcher.close()


class _InSlot:
    """A trial that releases its slot when it has ended."""

    def __init__(self, process: Process, slot: int, free: list[int]) -> None:
        self._process, self._slot, self._free = process, slot, free
        self._ended = False

    def poll(self) -> int | None:
        code = self._process.poll()
        if code is not None and not self._ended:
            self._ended = True
            self._free.append(self._slot)
        return code

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
