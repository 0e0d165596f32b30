"""In which order callbacks run, and that a run's three parts are what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.train.callbacks import Callback, Phase, in_phases
from archspec.train.checkpoint.policy import Checkpointer
from archspec.train.ema import Average
from archspec.train.loop import fit
from archspec.train.report.progress import PlainDisplay
from archspec.train.report.redraw import Redraw
from archspec.train.run_dir.directory import RunFolder
from archspec.train.run_dir.steps import StepLog
from tests.train.helpers import CPU, batches, data, network, recipe

EVENTS = ("on_start", "on_step", "on_epoch", "on_finish", "on_end")


def in_phase(which):
    return type(f"In{which.name}", (Callback,), {"phase": which})()


@given(st.lists(st.sampled_from(Phase)))
def test_phases_count_first_then_the_order_given(phases):
    given_order = [in_phase(phase) for phase in phases]
    ordered = in_phases(given_order)
    assert sorted(map(id, ordered)) == sorted(map(id, given_order))
    assert [callback.phase for callback in ordered] == sorted(phases)
    for phase in Phase:
        assert [c for c in ordered if c.phase is phase] == [c for c in given_order if c.phase is phase]


def test_a_checkpoint_is_written_after_the_average_and_the_folder_and_before_what_is_shown():
    order = [Average, RunFolder, Checkpointer, PlainDisplay, StepLog, Redraw]
    assert [kind.phase for kind in order] == sorted(kind.phase for kind in order)
    assert len({kind.phase for kind in order}) == len(order)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_goes_through_the_phases(event):
    seen = []

    def noting(phase):
        def note(self, run):
            seen.append(phase)

        return type("Noting", (Callback,), {"phase": phase, event: note})()

    chosen = recipe(epochs=1)
    test = batches(data(), chosen, shuffle=False)
    fit(network(), batches(data(), chosen), test, chosen, device=CPU, callbacks=[noting(p) for p in reversed(Phase)])
    assert seen[: len(Phase)] == list(Phase)


def test_a_callback_of_the_update_phase_is_seen_by_the_others_of_the_same_step():
    """As the average of the weights: a checkpoint of a step holds the average after that step."""
    seen = []

    class Changes(Callback):
        phase = Phase.UPDATE

        def on_step(self, run):
            run.state.averaged = run.state.step

    class Reads(Callback):
        phase = Phase.SAVE

        def on_step(self, run):
            seen.append((run.state.averaged, run.state.step))

        def on_epoch(self, run):
            run.state.averaged = None

    class Restores(Callback):
        def on_step(self, run):
            run.state.averaged = None

    chosen = recipe(epochs=1)
    test = batches(data(), chosen, shuffle=False)
    fit(network(), batches(data(), chosen), test, chosen, device=CPU, callbacks=[Restores(), Reads(), Changes()])
    assert seen and all(averaged == step for averaged, step in seen)
