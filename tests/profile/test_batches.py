"""Speed and memory against the batch size: a row for each, also where one does not run."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
import torch

from archspec.diagnostics import SpecError
from archspec.printing.batches_svg import batches_svg
from archspec.profile.batches import BatchRow, sweep_batches
from archspec.profile.workload import Workload
from tests.profile.helpers import spec, tiny

ONCE = {"device": "cpu", "steps": 1, "warmup": 1}


def test_each_batch_size_is_measured_once():
    rows = list(sweep_batches(tiny(), [2, 4, 2], **ONCE))
    assert [(row.batch_size, row.measured.batch_size, row.problem) for row in rows] == [(2, 2, None), (4, 4, None)]
    assert all(row.images_per_s == row.measured.step.images_per_s > 0 for row in rows)
    assert rows[0].peak_bytes < rows[1].peak_bytes


def test_a_batch_that_does_not_fit_is_a_row_and_not_the_end(monkeypatch):
    plain = Workload.forward

    def full(self):
        if len(self.labels) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return plain(self)

    monkeypatch.setattr(Workload, "forward", full)
    rows = list(sweep_batches(tiny(), [10**30, 4, 2], **ONCE))
    assert [(row.code, row.measured is None) for row in rows] == [("BUILD201", True), ("BUILD201", True), (None, False)]
    assert rows[0].problem.startswith(f"a training step with batches of {10**30} needs about")
    assert rows[1].problem == "profiling ran out of memory; CUDA out of memory. Tried to allocate 2 GiB"
    assert rows[1].to_json() == {"batch_size": 4, "problem": rows[1].problem, "code": "BUILD201", "measured": None}
    assert (rows[1].images_per_s, rows[1].peak_bytes) == (None, None)


def test_a_batch_that_is_too_small_for_a_norm_is_a_row():
    norm = {"batch_norm2d": {"track_running_stats": False}}
    loaded = spec(input=(4, 8, 8), head=["global_avg_pool2d", norm, "flatten", {"linear": 2}])
    assert [row.code for row in sweep_batches(loaded, [1, 2], **ONCE)] == ["BUILD203", None]


def test_other_errors_end_it(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SpecError) as raised:
        list(sweep_batches(tiny(), [2], device="cuda"))
    assert raised.value.diagnostics[0].code == "BUILD202"


@pytest.mark.parametrize("sizes", [[2, 4, 10**30], [2], [10**30]], ids=["several", "one", "none-runs"])
def test_the_picture(sizes):
    rows = list(sweep_batches(tiny(), sizes, **ONCE))
    text = batches_svg(rows, "a & b", "images")
    root = ET.fromstring(text)
    tag = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{tag}title").text == "a & b"
    run = [row for row in rows if row.measured]
    dots = root.findall(f"{tag}circle")
    assert len(dots) == 2 * len(run)  # two panels
    assert all(0 <= float(dot.get("cx")) <= 720 and 0 <= float(dot.get("cy")) <= 300 for dot in dots)
    gone = [path.find(f"{tag}title").text for path in root.iter(f"{tag}path") if path.get("class") == "gone"]
    assert gone == [f"{row.batch_size}: {row.problem}" for row in rows if not row.measured] * 2
    assert text == batches_svg(rows, "a & b", "images")


def test_a_picture_without_memory():
    """On a device whose allocator reports nothing."""
    (row,) = sweep_batches(spec(pool={"max_pool2d": 2}), [2], **ONCE)
    assert row.images_per_s == row.measured.forward.images_per_s
    ET.fromstring(batches_svg([BatchRow(2), row], "x", "images"))
