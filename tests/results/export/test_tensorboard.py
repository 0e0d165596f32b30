"""What TensorBoard will read, read by its own library."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.results.export.tensorboard import export
from tests.results.export.helpers import goes_on, read, some_runs

pytest.importorskip("tensorboard")


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def scalars(folder):
    found = events(folder)
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_scalars_over_epochs_and_over_steps(tmp_path):
    runs = read(some_runs(tmp_path / "runs"))
    done = export(runs, str(tmp_path / "out"), "p")
    assert done.written == 5
    found = scalars(tmp_path / "out" / runs[0].name)
    assert found["accuracy/test"][:2] == [(1, 0.5), (2, 0.75)]
    assert found["steps/loss"] == [(5, 1.75), (10, 1.5), (15, 1.25), (20, 1.0)]
    assert found["peak_memory_bytes"] == [(1, 300 << 20), (2, 301 << 20)]
    bad = scalars(tmp_path / "out" / runs[2].name)
    assert math.isnan(bad["loss/train"][0][1]) and math.isinf(bad["loss/test"][0][1])


def test_the_hparams_tab_shows_settings_beside_figures(tmp_path):
    """The plugin itself answers, as it answers TensorBoard's page."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    runs = read(some_runs(tmp_path / "runs"))
    export(runs, str(tmp_path / "out"), "p")
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "out"))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(tmp_path / "out"))
    context = backend_context.Context(TBContext(data_provider=provider))
    request, identity = RequestContext(), ""
    metadata = context.hparams_metadata(request, identity)
    experiment = get_experiment.Handler(request, context, identity, api_pb2.GetExperimentRequest()).run()
    assert {"lr", "network", "vars.width"} <= {info.name for info in experiment.hparam_infos}
    assert {"accuracy/test", "loss/train"} <= {info.name.tag for info in experiment.metric_infos}
    assert metadata
    asked = api_pb2.ListSessionGroupsRequest(start_index=0, slice_size=20, aggregation_type=api_pb2.AGGREGATION_AVG, allowed_statuses=[
        api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING,
    ])
    asked.col_params.add(metric={"group": "", "tag": "accuracy/test"})
    groups = list_session_groups.Handler(request, context, identity, asked).run().session_groups
    by_name = {group.name: group for group in groups}
    assert set(by_name) == {run.group for run in runs}
    assert len(by_name[runs[0].group].sessions) == 2  # its seeds
    assert by_name[runs[0].group].hparams["lr"].number_value == 0.1
    assert by_name[runs[4].group].hparams["network"].string_value == "größe – 中文"


def test_twice_is_once_and_a_run_that_went_on_is_replaced(tmp_path):
    folder = some_runs(tmp_path / "runs")
    export(read(folder), str(tmp_path / "out"), "p")
    again = export(read(folder), str(tmp_path / "out"), "p")
    assert (again.written, again.replaced, again.unchanged) == (0, 0, 5)
    goes_on(folder / "a0")
    later = export(read(folder), str(tmp_path / "out"), "p")
    assert (later.written, later.replaced, later.unchanged) == (0, 1, 4)
    assert len(list((tmp_path / "out").rglob("*tfevents*"))) == 5
    assert [step for step, _ in scalars(tmp_path / "out" / read(folder)[0].name)["learning_rate"]] == [1, 2, 3]


def test_another_process_writes_the_same_bytes(tmp_path):
    code = (
        "import sys, hashlib; from pathlib import Path; from tests.results.export.helpers import read; "
        "from archspec.results.export.tensorboard import events_bytes; "
        "print(hashlib.sha256(b''.join(map(events_bytes, read(Path(sys.argv[1]))))).hexdigest())"
    )
    folder = some_runs(tmp_path)
    found = {
        subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]).stdout
        for _ in range(3)
    }
    assert len(found) == 1
