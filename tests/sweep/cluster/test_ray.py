"""The engine `ray` on a real cluster of two nodes: the same table as `local`, whatever becomes of a node."""

import json
import os
import signal

import pytest

from archspec.diagnostics import plural
from archspec.results.trials import Store
from archspec.sweep.cluster.host import remove_abandoned
from tests.cli.conftest import cli  # noqa: F401
from tests.sweep.helpers import until

SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.2, linear: 10]}
train: {data: digits, lr: 0.1, epochs: 2, batch_size: 32}
"""
SWEEP = "archspec-sweep: 1\nspec: tiny.yaml\nlimit_train: 200\nlimit_test: 100\n"
TABLE = SWEEP + "runs: [{train.lr: 0.1, seeds: 2}, {train.lr: 1.0e+30}, {train.data: 'folder:/no/such/folder'}]\n"
LONG = SWEEP + "set: {train.epochs: 80}\nseeds: 3\n"
OPTIONS = ("--device=cpu", "--threads=1")
TIMES = ("seconds", "measured_step_ms", "images_per_s", "run_dir", "peak_memory_bytes", "data")


def steady(value):
    """A result without what differs between two runs of the same training."""
    if isinstance(value, dict):
        return {k: steady(v) for k, v in value.items() if not any(k.startswith(t) or k.endswith(t) for t in TIMES)}
    return [steady(item) for item in value] if isinstance(value, list) else value


def lay_out(folder, sweep):
    (folder / "tiny.yaml").write_text(SPEC)
    (folder / "s.yaml").write_text(sweep)


def results_of(folder):
    """Every result of a sweep's folder by its trial."""
    return {path.stem: json.loads(path.read_text()) for path in (folder / "results").iterdir()}


def weights_of(folder):
    return {path.parent.name: path.read_bytes() for path in folder.glob("trials/*/weights.safetensors")}


def ray(nodes):
    return ("--engine=ray", f"--ray-address={nodes.address}", *OPTIONS)


def test_both_engines_give_the_same_table_and_the_same_files(nodes, cli, sweep, work):  # noqa: F811
    lay_out(work, TABLE)
    one = cli("sweep", "s.yaml", "--json", "--dir=local", *OPTIONS)
    other = sweep("--json", "--dir=ray", *ray(nodes))
    assert (one.code, other.code) == (1, 1)
    assert other.err.count("\n") == 4, other.err
    tables = [json.loads(done.out)["groups"] for done in (one, other)]
    keys = ("values", "seeds", "n", "finished", "verdict", "diagnosis")
    assert [[g[k] for k in keys] for g in tables[0]] == [[g[k] for k in keys] for g in tables[1]]
    results = [steady(results_of(work / name)) for name in ("local", "ray")]
    assert results[0] == results[1]
    assert sorted(result["status"] for result in results[1].values()) == ["done", "done", "failed", "failed"]
    reasons = sorted(result["reason"] for result in results[1].values())
    assert reasons[2].startswith("error[DATA") or "no/such/folder" in reasons[2]
    assert weights_of(work / "local") == weights_of(work / "ray") != {}
    again = cli("sweep", "s.yaml", "--json", "--dir=ray", "--engine=ray", "--ray-address=127.0.0.1:1", *OPTIONS)
    assert (again.code, again.err, again.out) == (1, "", other.out)  # nothing is left to run: no cluster is asked for
    run = next((work / "ray" / "trials").iterdir())
    assert {path.name for path in run.iterdir()} == {path.name for path in (work / "local" / "trials" / run.name).iterdir()}


def test_a_trial_whose_node_dies_goes_on_elsewhere(nodes, start, work):
    lay_out(work, LONG)
    doomed = work / "doomed"
    doomed.mkdir()
    third = nodes.add(doomed)
    copies = work / "runs" / "sweep-s" / "trials"

    def saved():
        """Whether a checkpoint of the trial on the third node has come here."""
        own = [(run / "spec.yaml").read_text() for run in nodes.training(doomed)]
        return any((run.parents[1] / "spec.yaml").read_text() in own for run in copies.glob("*/checkpoints/*"))

    running = start(*ray(nodes), replaced={
        "archspec.sweep.cluster.engine:SAVE_S": 0.1,
        "archspec.cli.sweep:_options": ["--device=cpu", "--checkpoint-every=35"],
    })
    until(saved)
    nodes.kill(third)
    done = running.result()
    assert done.code == 0, done.err
    assert done.err.count("note: a node was lost; its trial starts again, attempt 2 of 4") == 1
    results = results_of(work / "runs" / "sweep-s")
    assert [result["status"] for result in results.values()] == ["done"] * 3
    assert [len(result["summary"]["epochs"]) for result in results.values()] == [80] * 3
    logs = [path.read_text() for path in (work / "runs" / "sweep-s" / "logs").glob("*.log")]
    assert sum("note: resuming from " in log for log in logs) == 1
    assert sorted(path.name for path in copies.iterdir()) == sorted(results)


def test_ctrl_c_saves_and_the_other_engine_goes_on(nodes, cli, start, work):  # noqa: F811
    lay_out(work, LONG.replace("seeds: 3", "seeds: 2"))
    running = start(*ray(nodes))
    until(nodes.training)
    running.stop()
    done = running.result()
    left = 2 - len(results_of(work / "runs" / "sweep-s"))  # one may have come to its end just before
    assert (done.code, left > 0) == (130, True)
    assert f"stopped: {plural(left, 'trial')} left; the same command continues" in done.err
    assert nodes.training() == []
    until(lambda: not nodes.processes())
    done = cli("sweep", "s.yaml", *OPTIONS)
    assert done.code == 0
    logs = [path.read_text() for path in (work / "runs" / "sweep-s" / "logs").glob("*.log")]
    assert any("note: resuming from " in log for log in logs)


SEARCH = SWEEP + """\
set: {train.epochs: 4}
search: {trials: 4, space: {train.lr: {log_uniform: [0.01, 1]}}, prune: {asha: {min_epochs: 1, reduction: 2}}}
"""


@pytest.mark.slow
def test_a_search_pauses_and_resumes_its_trials_on_either_engine(nodes, cli, sweep, work):  # noqa: F811
    lay_out(work, SEARCH)
    one = cli("sweep", "s.yaml", "--json", "--dir=local", "--jobs=1", *OPTIONS)
    other = sweep("--json", "--dir=ray", "--jobs=1", *ray(nodes))
    assert (one.code, other.code) == (0, 0), other.err
    found = [steady(json.loads(done.out)) | {"folder": ""} for done in (one, other)]
    assert found[0] == found[1]
    statuses = sorted(result["status"] for result in results_of(work / "ray").values())
    assert (statuses.count("done"), statuses.count("paused")) == (1, 3)
    assert Store(work / "ray").order() == Store(work / "local").order()


def client(nodes):
    return ("--engine=ray", f"--ray-address={nodes.client}", *OPTIONS)


def test_through_ray_s_client_the_table_is_the_same(nodes, cli, sweep, work):  # noqa: F811
    """From a machine that is no node of the cluster."""
    lay_out(work, TABLE)
    one = cli("sweep", "s.yaml", "--json", "--dir=local", *OPTIONS)
    other = sweep("--json", "--dir=client", *client(nodes))
    assert (one.code, other.code) == (1, 1), other.err
    results = [steady(results_of(work / name)) for name in ("local", "client")]
    assert results[0] == results[1], other.err
    assert weights_of(work / "local") == weights_of(work / "client") != {}


LOST = "error[SWEEP411]: the connection to the Ray cluster is lost\n"


@pytest.mark.slow
def test_a_connection_of_ray_s_client_that_breaks_ends_the_sweep_which_can_go_on(nodes, start, sweep, work):
    lay_out(work, LONG.replace("seeds: 3", "seeds: 1"))
    running = start(*client(nodes), RAY_CLIENT_RECONNECT_GRACE_PERIOD="1")
    until(nodes.training)
    for number in nodes.client_processes():
        os.kill(number, signal.SIGKILL)
    done = running.result()
    assert (done.code, done.out) == (1, "")
    assert LOST in done.err
    assert results_of(work / "runs" / "sweep-s") == {}
    until(lambda: not nodes.processes())
    assert sweep(*client(nodes)).code == 0


@pytest.mark.slow
def test_through_ray_s_client_ctrl_c_saves(nodes, start, work):
    lay_out(work, LONG.replace("seeds: 3", "seeds: 2"))
    running = start(*client(nodes))
    until(nodes.training)
    running.stop()
    done = running.result()
    assert done.code == 130
    assert "the same command continues" in done.err
    until(lambda: not nodes.processes())
    assert list((work / "runs" / "sweep-s" / "trials").glob("*/checkpoints/*"))


def test_what_no_node_has_is_told_at_once(nodes, sweep, work):
    lay_out(work, SWEEP)
    engine = ("--engine=ray", f"--ray-address={nodes.address}")
    done = sweep(*engine, "--device=cpu", "--threads=5")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[SWEEP412]: a trial needs 5 CPUs on one node, and no node has that much\n")
    assert "use --threads 1 or fewer" in done.err


@pytest.mark.slow
def test_a_dry_run_counts_the_trials_at_once(nodes, sweep, work):
    lay_out(work, SWEEP)
    engine = ("--engine=ray", f"--ray-address={nodes.address}")
    done = sweep(*engine, "--device=cuda", "--threads=1")
    assert done.err.startswith("error[SWEEP412]: a trial needs 1 CPU and 1 GPU on one node")
    assert "add --device cpu" in done.err
    untimed = {"archspec.sweep.starts:measure_starts": None}
    planned = json.loads(sweep(*engine, "--dry-run", "--json", "--device=cpu", replaced=untimed).out)
    assert planned["at_once"] == 1


@pytest.mark.slow
def test_a_trial_that_its_worker_never_survives_is_a_row(nodes, start, work):
    lay_out(work, SWEEP + "runs: [{train.epochs: 100000}, {train.lr: 0.2}]\n")
    running = start("--json", "--jobs=1", *ray(nodes), replaced={"archspec.sweep.cluster.engine:ATTEMPTS": 1})
    until(nodes.training)
    (server,) = nodes.servers()
    os.kill(server.parent, signal.SIGKILL)
    done = running.result()
    dead, good = json.loads(done.out)["trials"]
    assert (done.code, dead["status"], good["status"]) == (1, "failed", "done")
    assert dead["reason"].startswith("error[SWEEP414]: its node or worker died 1 time: ")


@pytest.mark.slow
def test_a_node_with_another_archspec_ends_the_sweep(nodes, sweep, work):
    lay_out(work, SWEEP)
    done = sweep(*ray(nodes), replaced={"archspec:__version__": "0.0.1"})
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error[SWEEP413]: a node of the cluster has archspec ")
    assert "pip install archspec-nn==0.0.1" in done.err


def test_nothing_is_left_of_all_that(nodes, monkeypatch):
    until(lambda: not nodes.processes())
    monkeypatch.setattr("tempfile.tempdir", str(nodes.folder))
    (nodes.folder / "archspec-trial-link").symlink_to(nodes.folder.parent)
    remove_abandoned()  # as before each trial: of the worker that was killed
    assert [path.name for path in nodes.folder.glob("archspec-trial-*")] == ["archspec-trial-link"]
    assert nodes.folder.parent.is_dir()


@pytest.mark.slow
@pytest.mark.parametrize(("part", "through", "why"), [
    ("head", ray, "its head, "), ("head", client, ""), ("client server", client, ""),
])
def test_a_cluster_that_dies_ends_the_sweep(nodes, start, work, part, through, why):
    """The next test gets a new cluster."""
    lay_out(work, LONG.replace("80", "100000").replace("seeds: 3", "seeds: 2"))
    patience = {"archspec.sweep.cluster.pulse:_PATIENCE_S": 1.0}
    running = start(*through(nodes), replaced=patience, RAY_CLIENT_RECONNECT_GRACE_PERIOD="1")
    until(nodes.training)
    nodes.kill_part(part)
    done = running.result()
    assert (done.code, done.out) == (1, "")
    assert LOST + f"  = note: {why}" in done.err
    again = start(*through(nodes)).result()
    assert (again.code, again.out) == (1, "")
    assert "error[SWEEP411]: no Ray cluster answers at " in again.err
