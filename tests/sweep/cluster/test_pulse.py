"""The check that a cluster answers, with listeners in the place of its processes."""

import socket
from contextlib import contextmanager

import pytest

from archspec.diagnostics import SpecError
from archspec.sweep.cluster.pulse import Pulse, answers


@contextmanager
def listener(port=0):
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen()
        yield f"127.0.0.1:{found.getsockname()[1]}"


@pytest.fixture
def dead():
    """An address at which nothing listens: the port is taken, so that no one else gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


class Time:
    """A clock that only sleep moves. while_asleep: what happens meanwhile."""

    def __init__(self, while_asleep=lambda: None):
        self.now, self.while_asleep = 0.0, while_asleep

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.while_asleep()

    def pulse(self, head="", node=""):
        return Pulse(head, node, self.clock, self.sleep)


def message(problem):
    (found,) = problem.value.diagnostics
    return found.code, found.notes[0]


def test_what_answers():
    with listener() as address:
        assert answers(address)
    assert not answers(address)


def test_nothing_is_waited_for_while_both_answer():
    time = Time()
    with listener() as head, listener() as node:
        time.pulse(head, node).check()
    time.pulse().check()  # Ray's client: nothing to check
    assert time.now == 0


def test_a_head_that_starts_again_is_waited_for(dead):
    time = Time()
    with listener() as node:
        pulse = time.pulse(dead, node)
        time.while_asleep = lambda: setattr(pulse, "head", node) if time.now > 20 else None
        pulse.check()
    assert 20 < time.now < 22


def test_a_head_that_stays_away_is_lost_before_ray_ends_the_program(dead):
    time = Time()
    with listener() as node, pytest.raises(SpecError) as caught:
        time.pulse(dead, node).check()
    assert message(caught) == ("SWEEP411", f"its head, {dead}, has not answered for 30 s")
    assert 30 < time.now < 45


def test_a_dead_node_is_lost_at_once(dead):
    time = Time()
    with listener() as head, pytest.raises(SpecError) as caught:
        time.pulse(head, dead).check()
    assert message(caught) == ("SWEEP411", f"the Ray node of this machine, {dead}, has died")
    assert time.now == 0


def test_a_node_that_dies_while_the_head_is_away_is_lost(dead):
    time = Time()
    with listener() as node:
        pulse = time.pulse(dead, node)
        time.while_asleep = lambda: setattr(pulse, "node", dead)
        with pytest.raises(SpecError, match="is lost"):
            pulse.check()
    assert time.now < 1


def test_it_looks_at_most_every_0_2_seconds(dead):
    time = Time()
    with listener() as head:
        pulse = time.pulse(head)
        pulse.check()
    time.now += 0.1
    pulse.check()  # not looked at again
    time.now += 0.2
    with pytest.raises(SpecError):
        pulse.check()
