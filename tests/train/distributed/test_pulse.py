"""`Pulse`: how a process notices that another one has died or left."""

import threading

import torch.distributed as dist

from archspec.train.distributed.launch import Pulse
from archspec.train.distributed.process_group import ProcessGroup


class Watched(Pulse):
    """Says why it would end the program."""

    why = None

    def _end(self, why):
        self.why = why
        self._stopped = True


def pulses(*ranks):
    store = dist.HashStore()
    found = [Watched(ProcessGroup(rank, 2), store, beat_s=0.01, dead_s=0.3) for rank in ranks]
    for pulse in found:
        pulse.start()
    return store, found


def test_a_process_that_is_silent_is_taken_for_dead():
    store, (pulse,) = pulses(0)
    store.set("archspec/beat/1", "17")
    pulse.join(60)
    assert pulse.why == "process 1 of 2 has not responded for 0.3 s"
    other = Watched(ProcessGroup(2, 3), store, beat_s=0.01, dead_s=60)
    other.run()
    assert other.why == "process 1 of 3 has been lost"


def test_one_that_has_left_is_not_missed():
    store, (first, second) = pulses(0, 1)
    second.stop(gone=True)
    first.join(1)
    assert first.is_alive()
    first.leave()
    assert (first.why, second.why) == (None, None)
    assert store.get("archspec/beat/0") == store.get("archspec/beat/1") == b"gone"


def test_all_leave_together():
    _, (first, second) = pulses(0, 1)
    waiting = threading.Thread(target=first.leave)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    second.leave()
    waiting.join(60)
    assert not first.is_alive()
    assert (first.why, second.why) == (None, None)


def test_who_leaves_says_so_whenever_that_is():
    """Also where it is decided between the beat and the look, and the other one is gone already."""
    store = dist.HashStore()
    store.set("archspec/beat/0", "gone")

    class Leaves(Watched):
        def _show(self, beat):
            super()._show(beat)
            self._left = True

    pulse = Leaves(ProcessGroup(1, 2), store, beat_s=0.01, dead_s=60)
    pulse.run()
    assert store.get("archspec/beat/1") == b"gone"


def test_without_a_store_there_is_no_run():
    pulse = Watched(ProcessGroup(1, 2), Broken(), beat_s=0.01)
    pulse.run()
    assert pulse.why == "the processes' common store does not answer: connection reset"


class Broken:
    def set(self, key, value):
        raise dist.DistNetworkError("connection reset\nmore")
