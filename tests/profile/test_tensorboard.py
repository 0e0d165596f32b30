"""TensorBoard with torch-tb-profiler opens a trace's folder."""

import gzip
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from importlib.util import find_spec

import pytest

from archspec.profile import measure
from archspec.profile.trace import ACTIVE, WAIT, WARMUP, WORKER
from tests.profile.helpers import tiny

GZIP = b"\x1f\x8b"
LIMIT_S = 120  # two processes import TensorBoard, pandas and the plugin, on whatever machine this is
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback needs no proxy

pytestmark = pytest.mark.skipif(
    not (find_spec("tensorboard") and find_spec("torch_tb_profiler")), reason="not installed"
)


@pytest.fixture
def tensorboard(tmp_path):
    """Start TensorBoard on a folder at a free port; yields a function that asks the profiler's plugin."""
    started = []

    def start(folder):
        log = (tmp_path / "tensorboard.log").open("w+", encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1", "--port", "0",
             "--load_fast", "false"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )
        started.extend((process, log))
        address = wait_for(lambda: address_in(tmp_path / "tensorboard.log"), process, log)

        def ask(route, **arguments):
            url = f"{address}data/plugin/pytorch_profiler/{route}?{urllib.parse.urlencode(arguments)}"
            with OPENER.open(url, timeout=30) as answer:
                body = answer.read()
            return json.loads(gzip.decompress(body) if body.startswith(GZIP) else body)

        wait_for(lambda: ask("runs")["runs"], process, log)
        return ask

    yield start
    if started:
        process, log = started
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
        log.close()


def address_in(log):
    words = log.read_text(encoding="utf-8").split()
    return next((word for word in words if word.startswith("http://127.0.0.1:") and word.endswith("/")), None)


def wait_for(find, process, log):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        if found := find():
            return found
        time.sleep(0.2)
    log.seek(0)
    pytest.fail(f"TensorBoard (exit code {process.poll()}) said:\n{log.read()}")


def test_tensorboard_shows_the_trace(tmp_path, tensorboard):
    loaded = tiny()
    measure(loaded, batch_size=2, warmup=1, steps=1, trace=tmp_path / "traces")
    ask = tensorboard(tmp_path / "traces")
    assert ask("runs")["runs"] == ["tiny"]
    assert {"Overview", "Operator", "Trace", "Memory"} <= set(ask("views", run="tiny"))
    assert ask("workers", run="tiny", view="Overview") == [WORKER]
    here = {"run": "tiny", "worker": WORKER, "span": "1"}
    assert ask("spans", **here) == ["1"]

    steps = [row[0] for row in ask("overview", **here)["steps"]["rows"]]
    assert steps == [str(k) for k in range(WAIT + WARMUP, WAIT + WARMUP + ACTIVE)]

    calls = {row["name"]: row["calls"] for row in ask("operation/table", group_by="Operation", **here)["data"]}
    convolutions = sum(node.op.op == "conv2d" for _, node, _ in loaded.graph.walk())
    assert calls["aten::conv2d"] == ACTIVE * convolutions

    shown = {event.get("name") for event in ask("trace", **here)["traceEvents"]}
    assert {path for path, _, _ in loaded.graph.walk()} <= shown
