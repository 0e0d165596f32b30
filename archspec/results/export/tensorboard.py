"""Exports runs to TensorBoard: scalars over epochs and steps, and settings with figures for the HPARAMS tab."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from archspec.atomic_files import make_folder, whole_file, write_file
from archspec.files import MiB, read_regular
from archspec.results.export.run import ExportedRun
from archspec.results.export.target import Done, folder, need
from archspec.text import shell
from archspec.train.run_dir.full_disk import explain_write_failures

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

EVENTS: Final = "events.out.tfevents.0.archspec"  # one file per run, which the next export overwrites
_VERSION: Final = "brain.Event:2"


def export(runs: Sequence[ExportedRun], place: str, project: str) -> Done:
    """Write `PLACE/RUN/events…` for each run."""
    need("tensorboard")
    path = folder(place)
    done = Done(shell("tensorboard", "--logdir", path))
    for run in runs:
        file, content = path / run.name / EVENTS, events_bytes(run)
        before = _read(file)
        if before == content:
            done.unchanged += 1
            continue
        with explain_write_failures("the events of a run", file, len(content)):
            make_folder(file.parent)
            with whole_file(file) as draft:
                write_file(draft, [content])
        done.written += before is None
        done.replaced += before is not None
    return done


def _read(file: Path) -> bytes | None:
    with suppress(OSError):
        return read_regular(file, 256 * MiB)
    return None


def events_bytes(run: ExportedRun) -> bytes:
    """The contents of an event file."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    out = io.BytesIO()
    writer = RecordWriter(out)
    for event in _events(run):
        writer.write(event.SerializeToString(deterministic=True))
    return out.getvalue()


def _events(run: ExportedRun) -> Iterator[Event]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    def scalars(step: int, time: float, values: dict[str, float]) -> Any:
        return Event(step=step, wall_time=time, summary=Summary(
            value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        ))

    yield Event(wall_time=run.started, file_version=_VERSION)
    yield Event(wall_time=run.started, summary=_session_start(run))
    for epoch, _, now, values in run.epochs():
        yield scalars(epoch, now, values)
    for point in run.steps:
        yield scalars(point.step, run.ended, point.scalars())
    if run.record.test is not None:
        last = len(run.record.epochs)
        yield scalars(last, run.ended, {f"{name}/test": value for name, value in run.record.test.items()})
    if run.record.status != "unfinished":
        yield Event(wall_time=run.ended, summary=_session_end(run))


def _session_start(run: ExportedRun) -> Summary:
    from tensorboard.plugins.hparams import plugin_data_pb2, summary_v2

    settings = {key: value for key, value in run.settings.items() if key != "seed"}  # sessions of a group differ in it
    found = summary_v2.hparams_pb(settings, trial_id=run.group, start_time_secs=run.started)
    about = found.value[0].metadata.plugin_data
    data = plugin_data_pb2.HParamsPluginData.FromString(about.content)
    about.content = data.SerializeToString(deterministic=True)  # otherwise its order differs between processes
    return found


def _session_end(run: ExportedRun) -> Summary:
    """Like `hparams.summary.session_end_pb`, which needs TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if run.record.status == "finished" else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=run.ended)
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=info))
    value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])
