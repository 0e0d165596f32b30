"""Connects to a Ray cluster, and queries the resources of its nodes."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archspec.diagnostics import SpecError, error, plural

Node = Mapping[str, float]  # the resources of a node: `CPU`, `GPU`, … → number
_ANSWER_S: Final = 5.0
_RETRY_S: Final = 60.0  # how long a connection that Ray's client server could not set up is tried again
_START: Final = "start one with `ray start --head`, or name its address: --ray-address HOST:6379"
_CLIENTS: Final = "ray://"
_AGAIN: Final = ("run the same command again; if that fails too, restart the cluster: `ray stop`, then "
                 "`ray start --head`")
_CLIENT: Final = ("name the port of its client server, 10001 unless it was started with `ray start --head "
                  "--ray-client-server-port=PORT`: --ray-address ray://HOST:10001")


@dataclass(frozen=True, slots=True)
class Need:
    """The resources that a trial needs on one node. gpus: a number, or a share of one GPU."""

    cpus: int
    gpus: float = 0.0

    def on(self, node: Node) -> int:
        """The number of such trials that fit on a node."""
        counts = [node.get("CPU", 0.0) / self.cpus]
        if self.gpus:
            counts.append(node.get("GPU", 0.0) / self.gpus)
        return int(min(counts) + 1e-6)

    def text(self) -> str:
        """`2 CPUs and 1 GPU`."""
        cpus = plural(self.cpus, "CPU")
        if not self.gpus:
            return cpus
        gpus = f"{self.gpus:g} GPU" if self.gpus < 1 else plural(int(self.gpus), "GPU")
        return f"{cpus} and {gpus}"


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to the cluster at an address within the block: host:port, ray://host:port, `local` or `auto`.

    `ray://` is Ray's client, for a machine outside the cluster; the port is that of the cluster's client server.
    If the program is already connected, that cluster is used. Raises SpecError SWEEP410 if Ray or its client is not
    installed, SWEEP411 if no cluster answers.
    """
    ray = _import_ray()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # Ray prints to stdout
        if ray.is_initialized():
            yield
            return
        address = address or "auto"
        _check_answers(address)
        on_sigterm = signal.getsignal(signal.SIGTERM)  # Ray replaces this handler
        try:
            _connect(address)
            yield
        finally:
            ray.shutdown()  # after a failure too: otherwise Ray's client stays half connected
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_sigterm)


def _connect(address: str) -> None:
    """Connect. Ray's client server sometimes cannot start the process that serves this connection: then try again."""
    import ray

    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    limit, pause = time.monotonic() + _RETRY_S, 1.0
    while True:
        try:
            with warnings.catch_warnings(action="ignore"):  # what they say comes with the error
                ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
            return
        except Exception as problem:  # Ray raises many kinds, plain `Exception` and AssertionError too
            if not isinstance(problem, ConnectionAbortedError) or time.monotonic() + pause > limit:
                raise _no_cluster(address, problem) from problem
        ray.shutdown()
        time.sleep(pause)
        pause *= 2


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it starts a cluster, as with `local`
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # with it, processes that gRPC forks sometimes crash
    try:
        import ray
    except ImportError:
        raise error(
            "SWEEP410", "--engine ray needs Ray, which is not installed", hint="run `pip install 'archspec-nn[ray]'`"
        ) from None
    return ray


def _check_answers(address: str) -> None:
    """Raise SpecError SWEEP411 if nothing listens at an address, because Ray itself would try for a minute."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        if address in ("auto", "local"):
            return
        raise _no_cluster(address, ValueError("an address is HOST:PORT or ray://HOST:PORT"))
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, OverflowError) as problem:
        raise _no_cluster(address, problem) from problem


def _no_cluster(address: str, problem: Exception) -> SpecError:
    why = str(problem)
    if "pip install ray[client]" in why:
        return error("SWEEP410", f"{address} needs Ray's client, which is not installed",
                     hint="run `pip install 'ray[client]'`")
    where = "there is no Ray cluster on this machine" if address == "auto" else f"no Ray cluster answers at {address}"
    notes = [] if address == "auto" else _summary(why)
    if isinstance(problem, ConnectionAbortedError):  # the client server answers: the port is right
        return error("SWEEP411", where, notes=notes, hint=_AGAIN)
    if "connect" in why.lower() and "RAY_AUTH_MODE" not in os.environ and address not in ("auto", "local"):
        notes.append("a cluster that requires a token needs RAY_AUTH_MODE=token here too")
    return error("SWEEP411", where, notes=notes, hint=_CLIENT if address.startswith(_CLIENTS) else _START)


def _summary(why: str) -> list[str]:
    """The first line of a message; of one with a traceback, the last one."""
    lines = [line for line in why.splitlines() if line.strip()]
    return lines[-1:] if any(line.startswith("Traceback ") for line in lines) else lines[:1]


def lost(why: str = "") -> SpecError:
    """SWEEP411: the connection broke."""
    return error("SWEEP411", "the connection to the Ray cluster is lost", notes=_summary(why),
                 hint="the same command connects again and continues the sweep")


def alive() -> list[Node]:
    """The resources of each live node. Raises SpecError SWEEP411 if the connection is lost."""
    import ray

    if not ray.is_initialized():  # Ray would connect to some cluster by itself
        raise lost()
    with calls():
        return [node["Resources"] for node in ray.nodes() if node["Alive"]]


@contextmanager
def calls(but: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """Raise SpecError SWEEP411 for whatever Ray raises within the block, except for `but`.

    When a connection breaks, Ray raises many kinds: RayError, ConnectionError, errors of gRPC and plain `Exception`.
    """
    try:
        yield
    except but:
        raise
    except Exception as problem:
        details = getattr(problem, "details", None)  # an error of gRPC: its text is a page
        raise lost(str(details() if callable(details) else problem)) from problem


def gpus_of_trial(device: str, nodes: Sequence[Node], devices: int, share: float | None) -> float:
    """The number of GPUs of a trial; with `auto` 0 if no node has a GPU."""
    if device == "cpu" or (device == "auto" and not any(node.get("GPU") for node in nodes)):
        return 0.0
    return float(devices) if devices > 1 else share or 1.0


def threads_of_trial(nodes: Sequence[Node], gpus: float, devices: int, trials: int) -> int:
    """The number of threads of each process of a trial, so that the running trials together use each core once."""
    fit = [node for node in nodes if Need(devices, gpus).on(node)]
    if not fit:
        return 1
    most = min(trials, sum(Need(devices, gpus).on(node) for node in fit))
    each = sum(node["CPU"] for node in fit) / max(1, most)
    return max(1, int(min(each, *(node["CPU"] for node in fit)) / devices))


def lacking(need: Need, nodes: Sequence[Node]) -> SpecError:
    """The error SWEEP412: no node has enough resources for a trial."""
    cpus = max((node.get("CPU", 0.0) for node in nodes), default=0.0)
    gpus = max((node.get("GPU", 0.0) for node in nodes), default=0.0)
    has = f"{plural(int(cpus), 'CPU')} and {plural(int(gpus), 'GPU')}"
    largest = f"the largest has {has}" if nodes else "no node is left"
    if need.gpus > gpus:
        hint = "add --device cpu, or a node with GPUs"
    elif need.cpus > cpus >= 1:
        hint = f"use --threads {int(cpus)} or fewer, or fewer `devices`"
    else:
        hint = "add a node: `ray start --address=HOST:6379`"
    return error("SWEEP412", f"a trial needs {need.text()} on one node, and no node has that much", notes=[largest],
                 hint=hint)
