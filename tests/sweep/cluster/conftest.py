"""A Ray cluster of two nodes on this machine, started once for all tests that use it."""

import os
import shutil
import socket
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.sweep.helpers import until

ROOT = Path(__file__).parents[3]
SMALL = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@dataclass(frozen=True)
class Process:
    """leads: its parent is none of the same kind."""

    number: int
    parent: int
    command: str
    leads: bool = True


class Nodes:
    """The cluster. folder: in which its nodes keep the trials that they train. client: where Ray's client connects."""

    def __init__(self, cluster, folder, client):
        self.cluster, self.folder = cluster, folder
        self.address, self.client = cluster.address, client

    def add(self, folder):
        """A further node, which keeps its trials in a folder of its own."""
        return self.cluster.add_node(**SMALL, env_vars={"TMPDIR": str(folder)})

    def kill(self, node):
        self.cluster.remove_node(node, allow_graceful=False)

    def training(self, folder=None):
        """The run folders of trials that have finished an epoch, and train on."""
        return [path.parent for path in (folder or self.folder).glob("archspec-trial-*/run/metrics.jsonl")]

    def servers(self):
        """What starts trials: a process on each node that has trained."""
        return [process for process in self.processes() if "trial_server" in process.command and process.leads]

    def processes(self):
        """Trials, and what starts them, on any of the nodes."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
                state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if b"archspec" in command and f"TMPDIR={self.folder}\0".encode() in variables and state != "Z":
                found.append(Process(int(process.name), int(parent), command.replace(b"\0", b" ").decode()))
        own = {process.number for process in found}
        return [replace(process, leads=process.parent not in own) for process in found]


def free_port():
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def nodes():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # pytest's own are too long for the names of Ray's sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", "180")  # a busy machine starts it slowly
        patch.setenv("RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S", "180")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("TMPDIR", str(folder))
        patch.delenv("RAY_ADDRESS", raising=False)
        from ray.cluster_utils import Cluster

        port = free_port()
        head = {**SMALL, "include_dashboard": False, "ray_client_server_port": port}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(**SMALL)
    found = Nodes(cluster, folder, f"ray://127.0.0.1:{port}")
    yield found
    cluster.shutdown()
    until(lambda: not found.processes())
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # Ray's own: it leaves files and processes to Python
