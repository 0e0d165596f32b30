"""A Ray cluster of two nodes on this machine, and sweeps on it. pytest's process never loads Ray's core, which ends its process
when it loses a cluster."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.cli.conftest import Result
from tests.sweep.helpers import until

ROOT = Path(__file__).parents[3]
PATIENCE_S = 240
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "GRPC_ENABLE_FORK_SUPPORT": "0",  # else what Ray's client server forks sometimes crashes in gRPC
    "RAY_memory_monitor_refresh_ms": "0",  # nothing is killed because the machine is full
    "RAY_health_check_failure_threshold": "40",  # a busy machine answers slowly
    "RAY_gcs_server_request_timeout_seconds": "180",
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "180",
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "180",
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Process:
    """leads: its parent is none of the same kind."""

    number: int
    parent: int
    command: str
    leads: bool = True


class Nodes:
    """The cluster. folder: in which its nodes keep the trials that they train. client: where Ray's client connects."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))  # pytest's own are too long for the names of Ray's sockets
        environment = {**os.environ, **ENVIRONMENT, "TMPDIR": str(self.folder)}
        environment.pop("RAY_ADDRESS", None)
        self._log = (self.folder / "cluster.log").open("w")
        self._cluster = subprocess.Popen(
            [sys.executable, "-m", "tests.sweep.cluster.cluster"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            text=True, cwd=ROOT, env=environment, start_new_session=True,
        )
        self.address, self.client, self._parts = "", "", {}

    def begin(self):
        """Wait until it has started."""
        about = self._answer()
        self.address, self.client, self._parts = about["address"], about["client"], about["parts"]

    def _answer(self):
        line = self._cluster.stdout.readline()
        assert line, f"the cluster has died: {(self.folder / 'cluster.log').read_text()[-2000:]}"
        return json.loads(line)

    def _ask(self, **command):
        self._cluster.stdin.write(json.dumps(command) + "\n")
        self._cluster.stdin.flush()
        return self._answer()

    def add(self, folder):
        """A further node, which keeps its trials in a folder of its own."""
        return self._ask(add=str(folder))["number"]

    def kill(self, node):
        self._ask(kill=node)

    def kill_part(self, name):
        """Kill `head`, `client server`, `node` (of the head's machine) or `other node`."""
        for number in self._parts[name]:
            os.kill(number, signal.SIGKILL)

    def works(self):
        """Whether all its parts run."""
        return self._cluster.poll() is None and all(runs(number) for part in self._parts.values() for number in part)

    def end(self):
        """End all of it."""
        with suppress(BrokenPipeError):
            self._cluster.stdin.close()
        try:
            self._cluster.wait(60)
        except subprocess.TimeoutExpired:
            self._cluster.kill()
            self._cluster.wait()
        self._cluster.stdout.close()
        self._log.close()
        for number in self._own():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        until(lambda: not self._own())
        shutil.rmtree(self.folder, ignore_errors=True)

    def training(self, folder=None):
        """The run folders of trials that have finished an epoch, and train on."""
        return [path.parent for path in (folder or self.folder).glob("archspec-trial-*/run/metrics.jsonl")]

    def servers(self):
        """What starts trials: a process on each node that has trained."""
        return [process for process in self.processes() if "trial_server" in process.command and process.leads]

    def processes(self):
        """Trials, and what starts them, on any of the nodes."""
        found = [process for process in self._own().values() if "archspec" in process.command]
        own = {process.number for process in found}
        return [replace(process, leads=process.parent not in own) for process in found]

    def client_processes(self):
        """What serves the connections of Ray's client."""
        return [number for number, process in self._own().items() if "specific-server" in process.command]

    def _own(self):
        """Number → process of all that the cluster has started."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
                state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if f"TMPDIR={self.folder}\0".encode() in variables and state != "Z":
                found[int(process.name)] = Process(int(process.name), int(parent), command.replace(b"\0", b" ").decode())
        return found


def runs(number):
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started(tries=3):
    """A new cluster. Ray gives up a node that does not start within 30 s, as on a busy machine: then try again."""
    found = Nodes()
    try:
        found.begin()
    except AssertionError:
        found.end()
        if tries == 1:
            raise
        return started(tries - 1)
    return found


class Clusters:
    """The cluster of all tests: a new one if a test has broken it."""

    def __init__(self):
        self.nodes = None

    def working(self):
        if self.nodes is not None and not self.nodes.works():
            self.end()
        if self.nodes is None:
            self.nodes = started()
        return self.nodes

    def end(self):
        if self.nodes is not None:
            self.nodes.end()
        self.nodes = None


@pytest.fixture(scope="session")
def clusters():
    if importlib.util.find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    found = Clusters()
    yield found
    found.end()


@pytest.fixture
def nodes(clusters):
    return clusters.working()


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path


class Started:
    """A sweep in a process of its own."""

    def __init__(self, process):
        self._process = process

    def stop(self):
        """As Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def result(self):
        try:
            out, err = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            pytest.fail(f"the sweep did not end: {self._process.communicate()[1][-2000:]}")
        return Result(self._process.returncode, out, err)

    def end(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def start(work):
    """Start `archspec sweep s.yaml OPTIONS`. replaced: `module:name` → value, in its process; variables: its environment."""
    started = []

    def begin(*options, replaced=None, **variables):
        command = [sys.executable, "-m", "tests.sweep.cluster.program", json.dumps(replaced or {}), "sweep", "s.yaml", *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=work,
            env={**os.environ, **ENVIRONMENT, "COLUMNS": "80", **variables},
        )
        started.append(Started(process))
        return started[-1]

    yield begin
    for sweep in started:
        sweep.end()


@pytest.fixture
def sweep(start):
    """Run it to its end."""
    return lambda *options, **given: start(*options, **given).result()


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # Ray's own: it leaves files and processes to Python
