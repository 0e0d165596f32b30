"""trackio and wandb, each in a process of its own: both keep their state in the process."""

import json
import math
import struct
import sys
from pathlib import Path
from subprocess import run as process

import pytest

from tests.results.export.helpers import read, some_runs

SCRIPT = """
import json, sys
from pathlib import Path
from archspec.results.export.wandb import export_trackio, export_wandb
from tests.results.export.helpers import goes_on, read
tool, runs, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
found = {"counts": []}
def export():
    done = (export_trackio if tool == "trackio" else export_wandb)(read(runs), str(out), "größe")
    found["counts"].append([done.written, done.replaced, done.unchanged])
    found["look"] = done.look
export()
export()
goes_on(runs / "a0")
(out / "archspec-exported" / read(runs)[1].id).unlink()  # as if the export had been killed before that run was whole
export()
if tool == "trackio":
    import trackio
    from trackio.sqlite_storage import SQLiteStorage
    listed = list(trackio.Api().runs("größe"))
    found["runs"] = {run.name: [run.config, SQLiteStorage.get_logs("größe", run.name)] for run in listed}
    found["number"] = len(listed)
print(json.dumps(found))
"""


@pytest.mark.parametrize("tool", ["trackio", "wandb"])
def test_twice_is_once_and_a_run_that_went_on_is_replaced(tmp_path, tool):
    pytest.importorskip(tool)
    folder, out = some_runs(tmp_path / "runs", few=tool == "wandb"), tmp_path / "out"
    runs = read(folder)
    done = process(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, tool, str(folder), str(out)], check=False, capture_output=True, text=True, timeout=300,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == 1  # what the tools print goes to stderr
    found, n = json.loads(done.stdout), len(runs)
    assert found["counts"] == [[n, 0, 0], [0, 0, n], [0, 2, n - 2]]
    (check_trackio if tool == "trackio" else check_wandb)(found, runs, out)


def check_trackio(found, runs, out):
    assert found["number"] == 5 and set(found["runs"]) == {run.name for run in runs}
    config, logs = found["runs"][runs[1].name]
    assert (config["lr"], config["archspec_status"], config["early_stopping.patience"]) == (0.1, "finished", 3)
    assert [entry["step"] for entry in logs] == [5, 10, 15, 20]
    assert (logs[1]["accuracy/test"], logs[1]["steps/loss"], logs[3]["final/test_accuracy"]) == (0.5, 1.5, 0.75)
    assert len(found["runs"][runs[0].name][1]) == 4  # its third epoch has the step of the second
    bad = found["runs"][runs[2].name][1]
    assert [entry["step"] for entry in bad] == [1, 2]  # no steps were noted: over the epochs
    assert math.isnan(bad[0]["loss/train"])


def check_wandb(found, runs, out):
    folders = list((out / "wandb").glob("offline-run-*"))
    assert sorted(folder.name.rsplit("-", 1)[1] for folder in folders) == sorted(run.id for run in runs)
    assert found["look"] == f"wandb sync {out / 'wandb'}/offline-run-*"
    records = records_of(next(folder for folder in folders if folder.name.endswith(runs[1].id)))
    (begun,) = [record.run for record in records if record.HasField("run")]
    assert (begun.project, begun.display_name, begun.run_group) == ("größe", runs[1].name, runs[1].group)
    config = {item.key: json.loads(item.value_json) for item in begun.config.update}
    assert (config["lr"], config["network"], config["early_stopping.patience"]) == (0.1, "net", 3)
    logs = [log_of(record.history) for record in records if record.HasField("history")]
    assert [entry["_step"] for entry in logs] == [5, 10, 15, 20]
    assert (logs[1]["accuracy/test"], logs[3]["final/test_accuracy"]) == (0.5, 0.75)


def records_of(folder):
    """The records of a .wandb file: after 7 bytes of head blocks of 32 KiB in LevelDB's log format."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    data, place, pieces, found = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        pieces += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            found.append(wandb_internal_pb2.Record.FromString(pieces))
            pieces = b""
    return found


def log_of(history):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in history.item}
