"""Checks that the processes of a Ray cluster answer, before Ray is asked.

Without its head, Ray blocks for a minute and then ends this program without an exception; without the node of this
machine, it waits forever or ends the program at once.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from archspec.sweep.cluster.connect import calls, lost

_PATIENCE_S: Final = 30.0  # a head may restart; Ray ends the program 60 s after losing it
_CONNECT_S: Final = 2.0
_PAUSE_S: Final = 0.5
_LOOK_S: Final = 0.2


@dataclass(slots=True)
class Pulse:
    """The processes on which this program's connection depends; empty addresses are not checked.

    head: HOST:PORT of the cluster's head (its GCS). node: HOST:PORT of the node on this machine (its raylet).
    """

    head: str = ""
    node: str = ""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _looked: float = field(default=float("-inf"))

    def check(self) -> None:
        """Wait until both answer. Raises SpecError SWEEP411 if the node does not, or the head not for 30 seconds."""
        if self.clock() - self._looked < _LOOK_S:
            return
        since = self.clock()
        while True:
            if self.node and not answers(self.node):
                raise lost(f"the Ray node of this machine, {self.node}, has died")
            if not self.head or answers(self.head):
                break
            if self.clock() - since > _PATIENCE_S:
                raise lost(f"its head, {self.head}, has not answered for {_PATIENCE_S:.0f} s")
            self.sleep(_PAUSE_S)
        self._looked = self.clock()


def answers(address: str) -> bool:
    """Whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except OSError:
        return False
    return True


def pulse() -> Pulse:
    """The pulse of the cluster to which this program is connected. Ray's client checks its connection by itself."""
    import ray
    from ray.util.client import ray as client

    if client.is_connected():
        return Pulse()
    with calls():
        context = ray.get_runtime_context()
        own = context.get_node_id()
        addresses = {node["NodeID"]: f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}" for node in ray.nodes()}
    return Pulse(context.gcs_address, addresses.get(own, ""))
