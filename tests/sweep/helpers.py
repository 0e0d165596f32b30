"""Sweeps of texts, and trials that do not train."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

from archspec.source import dump
from archspec.sweep.expand import expand
from archspec.sweep.read import sweep_text


def expanded(text, file="sweep.yaml"):
    """The expansion of a sweep's text."""
    return expand(sweep_text(text), str(file))


SUMMARY = {
    "last": {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.6, "test_accuracy": 0.75},
    "best": {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.6, "test_accuracy": 0.75},
    "seconds": 1.5, "findings": [],
}


def begun(store, trial, name=None, **environment):
    """The folder of a training of this trial that has begun."""
    folder = store.folder / "trials" / (name or trial.id)
    folder.mkdir(parents=True)
    make_its_own(folder, trial, **environment)
    return folder


def make_its_own(folder, trial, **environment):
    """Let a folder say that this trial trained in it."""
    (folder / "spec.yaml").write_text(dump(dict(trial.data)))
    path = folder / "environment.json"
    about = json.loads(path.read_text()) if path.exists() else {}
    data = {**about.get("data", {}), "limit_train": None, "limit_test": None, **trial.limits}
    about |= {"recipe": trial.recipe.to_data(), "data": data, "world": trial.devices}
    path.write_text(json.dumps(about | environment))


class Pretended:
    """A launcher whose trials are small scripts: `behaviour(command)` gives the script.

    began: the commands in the order in which they were started.
    """

    def __init__(self, behaviour=None):
        self.behaviour = behaviour or (lambda command: succeed())
        self.began = []

    def start(self, command):
        self.began.append(command)
        with open(command.output, "wb") as output, open(command.errors, "wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-S", "-c", self.behaviour(command)], stdout=output, stderr=errors,
                env={**os.environ, **command.environment},
            )

    def close(self):
        pass


def until(condition, seconds=240):
    """Wait for it."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@contextmanager
def meanwhile(action):
    """Run it beside the block. Where it fails, what runs in the block is stopped as by Ctrl-C."""
    problems = []

    def run():
        try:
            action()
        except (AssertionError, OSError, ValueError, LookupError) as problem:
            problems.append(problem)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    assert not problems, problems


def succeed(**changes):
    """A trial that prints a summary."""
    return f"print({json.dumps(json.dumps(SUMMARY | changes))})"


def fail(line, code=1):
    """A trial that ends with a message."""
    return f"import sys; print({line!r}, file=sys.stderr); sys.exit({code})"


def die(number=signal.SIGKILL):
    """A trial that a signal ends."""
    return f"import os; os.kill(os.getpid(), {int(number)})"


def wait(seconds=60):
    """A trial that goes on until it is stopped, and then says so as a training does."""
    return (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"time.sleep({seconds})"
    )
