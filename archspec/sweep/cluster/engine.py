"""The engine `ray`: Ray places trials on the nodes of a cluster; a trial restarts if its node dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import archspec
from archspec.atomic_files import whole_file, write_file
from archspec.diagnostics import Diagnostic, SpecError, error, plural, render
from archspec.files import MiB, read_regular
from archspec.sweep.cluster.archive import BadArchive, pack, replace_folder
from archspec.sweep.cluster.connect import Need, alive, calls, gpus_of_trial, lacking, lost, threads_of_trial
from archspec.sweep.cluster.host import Host, Order, Outcome
from archspec.sweep.cluster.pulse import Pulse, pulse
from archspec.sweep.engine import Task
from archspec.sweep.slots import devices_of
from archspec.sweep.trial import DIED, Process

if TYPE_CHECKING:
    from archspec.sweep.expand import Trial

ATTEMPTS: Final = 4  # after as many dead hosts, the trial itself is probably the cause
PATIENCE_S: Final = 60.0  # without a suitable node, because one may be starting
SAVE_S: Final = 60.0  # between two copies of a new checkpoint, from which a trial resumes if its node dies
_SAVE_SHARE: Final = 0.05  # of the time for such copies, which are gigabytes for a large network
_LOOK_S: Final = 1.0
_BUSY_S: Final = 20.0


def ray_engine(
    trials: Sequence[Trial], device: str, gpu_share: float | None, jobs: int | None, threads: int | None,
    tell: Callable[[str], None],
) -> OnRay:
    """The engine for these trials on the cluster to which this process is connected.

    Raises SpecError SWEEP412 if a trial does not fit on any node, SWEEP411 if the connection breaks.
    """
    nodes, devices = alive(), devices_of(trials)
    gpus = gpus_of_trial(device, nodes, devices, gpu_share)
    threads = threads or threads_of_trial(nodes, gpus, devices, min(len(trials), jobs or len(trials)))
    return OnRay(Need(threads * devices, gpus), threads, jobs, tell, pulse())


class OnRay:
    """Runs trials on actors that Ray places; each actor trains one trial after another.

    need: the resources of a trial. jobs: the most trials at once; None for as many as fit on the cluster.
    tell: shows a note to the user. pulse: is checked before Ray is called.
    """

    def __init__(
        self, need: Need, threads: int, jobs: int | None = None, tell: Callable[[str], None] = lambda text: None,
        pulse: Pulse | None = None,
    ) -> None:
        self.need, self.threads, self.tell, self.pulse = need, threads, tell, pulse or Pulse()
        self._jobs = jobs
        self._capacity, self._looked = 0, 0.0
        self._idle: list[Hosted] = []
        self._running: set[_Trial] = set()
        if not self.capacity():
            raise lacking(need, alive())

    def capacity(self) -> int:
        """The number of trials that fit on the live nodes."""
        self.pulse.check()
        if time.monotonic() - self._looked > _LOOK_S:
            self._capacity, self._looked = sum(self.need.on(node) for node in alive()), time.monotonic()
        return self._capacity if self._jobs is None else min(self._capacity, self._jobs)

    def has_room(self) -> bool:
        """Whether another trial fits on the cluster."""
        return len(self._running) < max(1, self.capacity())

    def start(self, task: Task) -> Process:
        """Start a trial on an idle actor or on a new one."""
        trial = _Trial(self, task)
        self._running.add(trial)
        return trial

    def host(self) -> Hosted:
        """An idle actor, on a node or waiting for one."""
        return self.idle_host() or Hosted(self.need)

    def idle_host(self) -> Hosted | None:
        """An idle actor on a node; None if there is none."""
        return self._idle.pop() if self._idle else None

    def ended(self, trial: _Trial, host: Hosted | None) -> None:
        """Called when a trial has ended. host: its actor; None if it has died."""
        self._running.discard(trial)
        if host is not None:
            self._idle.append(host)

    def close(self) -> None:
        """End all trials and actors."""
        for trial in [*self._running]:
            trial.kill()
        for host in self._idle:
            host.kill()
        self._idle = []


class Hosted:
    """An actor on a node. `check` raises SpecError SWEEP413 if that node cannot train."""

    def __init__(self, need: Need) -> None:
        import ray

        # concurrent calls: one trains, others stop it or fetch checkpoints
        options = {"num_cpus": need.cpus, "num_gpus": need.gpus, "max_concurrency": 4, "max_restarts": 0}
        with calls():
            self.actor: Any = ray.remote(Host).options(**options).remote(str(Path.cwd()))
            self._version: Any = self.actor.version.remote()
        self._since = time.monotonic()
        self.placed = False

    def wait_s(self) -> float:
        """How long it has been waiting for a node, in seconds."""
        return 0.0 if self.placed else time.monotonic() - self._since

    def check(self) -> bool:
        """Whether it is on a node. Raises Ray's errors if that node has died."""
        import ray

        if not self.placed and _ready(self._version):
            try:
                version = _value(self._version)
            except ray.exceptions.RayError as problem:
                if "archspec" in str(problem) and ("No module named" in str(problem) or "import" in str(problem)):
                    raise _unlike("has no archspec") from problem
                raise
            if version != archspec.__version__:
                raise _unlike(f"has archspec {version}, this machine {archspec.__version__}")
            self.placed = True
        return self.placed

    def kill(self) -> None:
        """End the actor and its trial."""
        import ray

        if ray.is_initialized():
            with suppress(SpecError), calls():
                ray.kill(self.actor)


def _ready(reference: Any) -> bool:
    """Whether an actor has answered a call."""
    import ray

    with calls():
        return bool(ray.wait([reference], timeout=0)[0])


def _value(reference: Any) -> Any:
    """The answer. Raises RayError if the call has failed."""
    import ray

    with calls(but=ray.exceptions.RayError):
        return ray.get(reference)


def _unlike(what: str) -> SpecError:
    return error(
        "SWEEP413", f"a node of the cluster {what}",
        hint=f"install the same on every node: `pip install archspec-nn=={archspec.__version__}`",
    )


class _Trial:
    """A trial on the cluster, with all its attempts."""

    def __init__(self, engine: OnRay, task: Task) -> None:
        self._engine, self._task = engine, task
        self._code: int | None = None
        self._attempts, self._stopping, self._noted = 0, False, False
        self._begin()

    def _begin(self) -> None:
        self._attempts += 1
        task = self._task
        run = pack(task.folder) if (task.folder / "spec.yaml").is_file() else b""
        self._order = Order(read_regular(task.spec, 16 * MiB), run, list(task.options), task.devices)
        self._train_on(self._engine.host())

    def _train_on(self, host: Hosted) -> None:
        self._host = host
        with calls():
            self._answer: Any = host.actor.run.remote(tuple(self._order))
        self._copy: Any = None
        self._copy_time = time.monotonic() + SAVE_S  # of the pending or next copy

    def poll(self) -> int | None:
        """The exit code; None while the trial runs or waits for a node."""
        import ray

        if self._code is None:
            if not ray.is_initialized():
                raise lost()
            self._engine.pulse.check()
            try:
                self._look()
            except ray.exceptions.RayTaskError as problem:  # a fault of the host, such as a full disk
                self._fail(f"internal error: on its node: {str(problem.cause).splitlines()[0]}", self._host)
            except ray.exceptions.RayError as problem:
                self._lost(str(problem))
        return self._code

    def _look(self) -> None:
        if not self._host.check():
            self._wait()
        elif _ready(self._answer):
            self._take(Outcome(*_value(self._answer)))
        elif self._copy is not None and _ready(self._copy):
            copy, self._copy = _value(self._copy), None
            if copy:
                replace_folder(copy, self._task.folder)
            took = time.monotonic() - self._copy_time
            self._copy_time += took + max(SAVE_S, took / _SAVE_SHARE)
        elif self._copy is None and time.monotonic() > self._copy_time:
            with calls():
                self._copy, self._copy_time = self._host.actor.saved.remote(), time.monotonic()

    def _wait(self) -> None:
        idle = self._engine.idle_host()
        if idle is not None:  # it occupies the resources for which this trial waits
            self._host.kill()
            self._train_on(idle)
            return
        waited = self._host.wait_s()
        if waited > PATIENCE_S and not self._engine.capacity():
            raise lacking(self._engine.need, alive())
        if waited > _BUSY_S and not self._noted:
            self._noted = True
            self._engine.tell("note: a trial waits for a node: the cluster is fully used, or a node is starting")

    def _take(self, outcome: Outcome) -> None:
        _write(self._task.output, outcome.output)
        _write(self._task.errors, outcome.errors)
        try:
            if outcome.run:
                replace_folder(outcome.run, self._task.folder)
        except BadArchive as problem:
            self._fail(f"internal error: the run folder from its node is damaged: {problem}", self._host)
            return
        self._end(outcome.code, self._host)

    def _lost(self, why: str) -> None:
        """Start again after the node or the actor's process has died, or give up."""
        self._host.kill()
        if self._stopping:
            self._end(DIED, None)
        elif self._attempts < ATTEMPTS:
            self._begin()
            self._engine.tell(f"note: a node was lost; its trial starts again, attempt {self._attempts} of {ATTEMPTS}")
        else:
            reason = (why.splitlines() or [""])[0]
            died = f"its node or worker died {plural(self._attempts, 'time')}: {reason}"
            self._fail(render(Diagnostic("SWEEP414", died)).strip(), None)

    def _fail(self, line: str, host: Hosted | None) -> None:
        _write(self._task.errors, f"{line}\n".encode())
        self._end(1, host)

    def _end(self, code: int, host: Hosted | None) -> None:
        self._code = code
        if host is not None and self._stopping:
            host.kill()  # a host trains nothing after `terminate`
            host = None
        self._engine.ended(self, host)

    def terminate(self) -> None:
        """Ask the trial to save and stop; if it is not on a node yet, it ends immediately."""
        self._stopping = True
        if self._host.placed:
            self._engine.pulse.check()
            with calls():
                self._host.actor.terminate.remote()
        else:
            self.kill()

    def kill(self) -> None:
        """End the trial immediately."""
        if self._code is None:
            self._host.kill()
            self._end(DIED, None)


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as draft:
        write_file(draft, [content])
