"""What a signal does where; the phases of a run are in tests/cli/test_train_signals.py."""

import signal
import threading

import pytest

from archspec.train.signals import SIGNALS, Stop, Stopped


def kill(number):
    signal.raise_signal(number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_at_once_where_nothing_can_be_lost(number, code):
    before = [signal.getsignal(n) for n in SIGNALS]
    with pytest.raises(Stopped) as caught, Stop():
        kill(number)
    assert (caught.value.code, caught.value.signal) == (code, number.name)
    assert [signal.getsignal(n) for n in SIGNALS] == before


def test_later_where_something_can():
    done = []
    with Stop() as stop, pytest.raises(Stopped), stop.deferred():
        kill(signal.SIGTERM)
        done.append("the block's work")
    assert done == ["the block's work"]
    assert stop.number == signal.SIGTERM


def test_the_blocks_own_error_is_not_hidden():
    with Stop() as stop, pytest.raises(ValueError, match="mine"), stop.deferred():
        kill(signal.SIGTERM)
        raise ValueError("mine")


def test_deferred_within_deferred():
    done = []
    with Stop() as stop, pytest.raises(Stopped), stop.deferred():
        with stop.deferred():
            kill(signal.SIGTERM)
        done.append("after the inner one")
    assert done


def test_between_items():
    """One that comes while an item is used is heard before the next; one that comes while it is made, at once."""
    used = []
    with Stop() as stop, pytest.raises(Stopped), stop.deferred():
        for item in stop.between(range(5)):
            if item == 2:
                kill(signal.SIGTERM)
            used.append(item)
    assert used == [0, 1, 2]

    closed = []

    def items():
        try:
            yield 0
            kill(signal.SIGTERM)
            yield 1
        finally:
            closed.append(True)

    used = []
    with Stop() as stop, pytest.raises(Stopped), stop.deferred():
        for item in stop.between(items()):
            used.append(item)
    assert (used, closed) == ([0], [True])


def test_without_a_signal_all_items_come():
    with Stop() as stop, stop.deferred():
        assert list(stop.between(iter("abc"))) == ["a", "b", "c"]
    assert list(Stop().between([])) == []


def test_what_is_left_early_is_closed():
    closed = []

    def items():
        try:
            yield from range(5)
        finally:
            closed.append(True)

    iterator = Stop().between(items())
    next(iterator)
    iterator.close()
    assert closed == [True]


def test_the_second_interrupt_stops_at_once_and_the_third_kills():
    with pytest.raises(KeyboardInterrupt), Stop() as stop, stop.deferred():
        kill(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == stop._receive
        try:
            kill(signal.SIGINT)
        finally:
            assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_a_second_sigterm_changes_nothing():
    with Stop() as stop, pytest.raises(Stopped) as caught, stop.deferred():
        kill(signal.SIGINT)
        kill(signal.SIGTERM)
    assert caught.value.signal == "SIGINT"


def test_an_interrupt_after_sigterm_stops_at_once():
    with pytest.raises(KeyboardInterrupt), Stop() as stop, stop.deferred():
        kill(signal.SIGTERM)
        kill(signal.SIGINT)


def test_in_another_thread_nothing_is_caught():
    found = []

    def work():
        with Stop() as stop, stop.deferred():
            found.append([*stop.between([1, 2])])

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [[1, 2]]
    assert signal.getsignal(signal.SIGTERM) == before
