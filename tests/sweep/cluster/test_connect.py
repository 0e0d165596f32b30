"""What a trial takes of a cluster, and what is said where none is there; without a cluster."""

import socket
import sys
import time
import warnings
from types import SimpleNamespace

import pytest

from archspec.diagnostics import SpecError
from archspec.sweep.cluster.connect import Need, alive, calls, connected, gpus_of_trial, lacking, threads_of_trial
from tests.cli.conftest import cli  # noqa: F401
from tests.sweep.cluster.test_ray import SWEEP, lay_out

SMALL, LARGE, GPUS = {"CPU": 1.0}, {"CPU": 8.0}, {"CPU": 16.0, "GPU": 4.0}
HEAD = {"memory": 1e9}  # a node that runs nothing: `ray start --head --num-cpus 0`


@pytest.mark.parametrize(("need", "node", "count"), [
    (Need(1), SMALL, 1), (Need(2), SMALL, 0), (Need(3), LARGE, 2), (Need(1), HEAD, 0), (Need(1, 1.0), LARGE, 0),
    (Need(1, 1.0), GPUS, 4), (Need(1, 0.25), GPUS, 16), (Need(8, 0.25), GPUS, 2), (Need(1, 0.1), {"CPU": 99, "GPU": 1}, 10),
    (Need(4, 2.0), GPUS, 2),
])
def test_how_many_trials_a_node_carries(need, node, count):
    assert need.on(node) == count


def test_threads_use_each_core_once():
    assert threads_of_trial([SMALL, SMALL], 0, 1, 10) == 1
    assert threads_of_trial([LARGE], 0, 1, 2) == 4
    assert threads_of_trial([LARGE], 0, 2, 2) == 2
    assert threads_of_trial([LARGE, SMALL], 0, 1, 1) == 1  # any node must carry it
    assert threads_of_trial([GPUS, LARGE], 1.0, 1, 100) == 4
    assert threads_of_trial([HEAD], 0, 1, 1) == 1


@pytest.mark.parametrize(("device", "nodes", "devices", "share", "gpus"), [
    ("auto", [LARGE], 1, None, 0), ("auto", [LARGE, GPUS], 1, None, 1), ("auto", [GPUS], 1, 0.25, 0.25),
    ("cuda", [LARGE], 1, None, 1), ("cuda", [GPUS], 2, 0.25, 2), ("cpu", [GPUS], 2, None, 0),
])
def test_gpus_of_a_trial(device, nodes, devices, share, gpus):
    assert gpus_of_trial(device, nodes, devices, share) == gpus


@pytest.mark.parametrize(("need", "nodes", "hint"), [
    (Need(9), [LARGE, SMALL], "--threads 8 or fewer"), (Need(1, 1.0), [LARGE], "--device cpu"), (Need(1), [], "add a node"),
    (Need(1), [HEAD], "add a node"), (Need(1, 8.0), [GPUS], "--device cpu"),
])
def test_what_is_lacking_is_told_with_a_remedy(need, nodes, hint):
    (found,) = lacking(need, nodes).diagnostics
    assert (found.code, need.text() in found.message) == ("SWEEP412", True)
    assert hint in found.hint


@pytest.mark.parametrize(
    ("problem", "code", "hint"),
    [
        (ConnectionError("ray client connection timeout"), "SWEEP411", "10001 unless it was started with"),
        (ValueError("Ray Client requires pip package `ray[client]`. Try `pip install ray[client]`."), "SWEEP410", "ray[client]"),
        (RuntimeError("Version mismatch: The cluster was started with:"), "SWEEP411", "ray://HOST:10001"),
    ],
)
def test_what_ray_s_client_complains_of_is_told_with_a_remedy(monkeypatch, problem, code, hint):
    """At an address where something listens that is no client server, say."""
    import ray

    def init(*given, **options):
        warnings.warn("Ray Client connection timed out", UserWarning, stacklevel=1)
        raise problem

    monkeypatch.setattr(ray, "init", init)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"ray://127.0.0.1:{listener.getsockname()[1]}"
        with warnings.catch_warnings(action="error"), pytest.raises(SpecError) as caught, connected(address):
            pass
    (found,) = caught.value.diagnostics
    assert found.code == code and hint in found.hint


START = ("Initialization failure from server:\nTraceback (most recent call last):\n  File …\n"
         "RuntimeError: Starting Ray client server failed. See ray_client_server_23000.err")


@pytest.fixture
def client_server(monkeypatch):
    """Something that listens, and pauses that take no time. Its `tries`: what `ray.init` does each time."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    monkeypatch.setattr("archspec.sweep.cluster.connect.time", SimpleNamespace(sleep=lambda s: None, monotonic=time.monotonic))
    tries, ended = [], []

    def init(*given, **options):
        if (problem := tries.pop(0)) is not None:
            raise problem

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(len(tries)))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield SimpleNamespace(address=f"ray://127.0.0.1:{listener.getsockname()[1]}", tries=tries, ended=ended)


def test_a_client_server_that_fails_to_start_is_tried_again(client_server):
    client_server.tries += [ConnectionAbortedError(START), ConnectionAbortedError(START), None]
    with connected(client_server.address):
        assert client_server.tries == []
        assert client_server.ended == [2, 1]  # nothing is left of an attempt when the next one begins
    assert client_server.ended == [2, 1, 0]


def test_a_client_server_that_never_starts_is_told_with_ray_s_reason(client_server, monkeypatch):
    monkeypatch.setattr("archspec.sweep.cluster.connect._RETRY_S", -1.0)
    client_server.tries.append(ConnectionAbortedError(START))
    with pytest.raises(SpecError) as caught, connected(client_server.address):
        pass
    (found,) = caught.value.diagnostics
    assert (found.code, found.notes) == ("SWEEP411", (START.splitlines()[-1],))
    assert "run the same command again" in found.hint
    assert client_server.ended == [0]


@pytest.mark.parametrize("problem", [AssertionError(), Exception("Ray Client is not connected"), KeyError("node")])
def test_whatever_ray_raises_while_it_connects_is_told(client_server, problem):
    """And Ray is left as before: otherwise its next connection in this process fails."""
    client_server.tries.append(problem)
    with pytest.raises(SpecError) as caught, connected(client_server.address):
        pass
    assert [found.code for found in caught.value.diagnostics] == ["SWEEP411"]
    assert client_server.ended == [0]


class RpcError(Exception):
    """As gRPC's: its text is long, its details are short."""

    def details(self):
        return "unavailable"


@pytest.mark.parametrize(("problem", "note"), [
    (ConnectionError("gone\nand more"), "gone"), (RpcError("page"), "unavailable"), (Exception("not connected"), "not connected"),
])
def test_whatever_ray_raises_on_a_broken_connection_is_told(problem, note):
    with pytest.raises(SpecError, match="is lost") as caught, calls():
        raise problem
    assert caught.value.diagnostics[0].notes == (note,)


def test_an_error_of_a_trial_s_host_is_no_broken_connection():
    with pytest.raises(LookupError), calls(but=LookupError):
        raise KeyError("host")


def test_without_a_connection_no_other_cluster_is_asked(monkeypatch):
    """Ray would look for one by itself."""
    import ray

    monkeypatch.setattr(ray, "nodes", lambda: pytest.fail("asked"))
    with pytest.raises(SpecError, match="the connection to the Ray cluster is lost"):
        alive()


def test_without_ray_the_hint_says_how_to_install_it(cli, tmp_path, monkeypatch):  # noqa: F811
    lay_out(tmp_path, SWEEP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = cli("sweep", "s.yaml", "--engine=ray")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[SWEEP410]: --engine ray needs Ray, which is not installed\n")
    assert "pip install 'archspec-nn[ray]'" in done.err


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("address", ["PORT", "ray://PORT", "nowhere", "host.invalid:6379", "127.0.0.1:99999999"])
def test_an_address_without_a_cluster(address):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and it does not listen
        address = address.replace("PORT", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(SpecError) as caught, connected(address):
            pass
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("SWEEP411", f"no Ray cluster answers at {address}")
    assert "ray start --head" in found.hint


def test_a_share_of_a_gpu_is_for_ray(cli, tmp_path, monkeypatch):  # noqa: F811
    lay_out(tmp_path, SWEEP)
    monkeypatch.chdir(tmp_path)
    done = cli("sweep", "s.yaml", "--gpu-share=0.5")
    assert (done.code, "--gpu-share is for --engine ray" in done.err) == (2, True)
    done = cli("sweep", "s.yaml", "--ray-address=ray://nowhere:1")
    assert (done.code, "--ray-address is for --engine ray" in done.err) == (2, True)
