"""Conditions for CI."""

from __future__ import annotations

import re

import pytest

from archspec.difference import ConditionError, Difference, diff, parse_condition


@pytest.fixture(scope="module")
def difference() -> Difference:
    return diff("alexnet", "alexnet_simplified")  # params 46.76 M → 45.41 M, MACs 938.15 M → 1.35 G, 5.11 → 13.36 MiB


@pytest.mark.parametrize(("text", "holds"), [
    ("params > 1.05x", False), ("params < 1x", True), ("parameters<=45406986", True), ("macs > 1.43 x", True),
    ("MACs > 1.44×", False), ("macs >= 1.4G", False), ("macs > 1348M", True), ("macs > +40%", True),
    ("macs > + 44 %", False), ("macs > +400M", True), ("macs > +411M", False), ("params > -2M", True),
    ("params < -1M", True), ("activation_bytes > 13MiB", True), ("activations > 14MB", True), ("activations > 15 MB", False),
    ("activations > +8MiB", True), ("activations > 1GiB", False), ("buffers != 0", False), ("buffers == 0", True),
    ("changes > 0", True), ("changes > 7", True), ("changes > 8", False), ("buffers > 1.05x", False),
    ("params > 2.0", True), ("macs > 1.3G", True),
])
def test_holds(difference: Difference, text: str, holds: bool) -> None:
    condition = parse_condition(text)
    assert condition.holds(difference) is holds and condition.to_json(difference)["holds"] is holds


@pytest.mark.parametrize(("text", "why"), [
    ("params", "not a condition"), ("params > ", "not a condition"), ("> 5", "not a condition"), ("", "not a condition"),
    ("params > 1.05y", "the unit 'y' does not fit params; units: k, M, G, T, P, x, %"),
    ("macs > 2GiB", "the unit 'GiB' does not fit macs"), ("activation_bytes > 2G", "does not fit activation_bytes"),
    ("predicted_step_ms > 2k", "units: us, µs, ms, s, x, %"), ("macs > 5%", "write a change in per cent with its sign, as in '+5%'"),
    ("macs > +1.05x", "a factor has no sign; write '1.05x'"), ("macs > 1e999", "is not a number with a unit"),
    ("macs > __import__('os')", "is not a number with a unit"), ("macs > 1 or 1", "is not a number with a unit"),
    ("macs > 99999999999999999999999999999999999999999999", "not a condition"), ("macs => 1", "not a condition"),
    ("params > 1.5", "1.5 is not a whole number; write '1.5x'"), ("activation_bytes <= 0.9", "write '0.9x'"),
])
def test_what_is_not_a_condition(text: str, why: str) -> None:
    with pytest.raises(ConditionError, match=re.escape(why)):
        parse_condition(text)


def test_a_figure_that_there_is_not(difference: Difference) -> None:
    with pytest.raises(ConditionError, match="there is no figure `parms`; a similar name exists: params"):
        parse_condition("parms > 1").holds(difference)
    with pytest.raises(ConditionError, match="there is no figure `step_time`"):  # whose unit would be right for a time
        parse_condition("step_time > 3ms").holds(difference)
    with pytest.raises(ConditionError, match="the unit 'ms' does not fit buffers"):
        parse_condition("buffers > 3ms").holds(difference)
    with pytest.raises(ConditionError, match="figures: params, macs"):
        parse_condition("quux > 1").holds(difference)


def test_a_figure_that_only_one_network_has() -> None:
    text = "archspec: 1\nname: bare\ninput: [4, 8, 8]\nstages: {a: relu}\n"
    found = diff(text, text.replace("relu", "[relu, flatten, linear: 3]").replace("bare", "full"))
    with pytest.raises(ConditionError, match="bare does not have this figure"):
        parse_condition("training_peak_bytes > 1.05x").holds(found)
    with pytest.raises(ConditionError, match="add --target"):
        parse_condition("predicted_step_ms > 1ms").holds(found)


def test_explanation_has_both_sides(difference: Difference) -> None:
    assert parse_condition("macs > 1.05x").explanation(difference) == "macs > 1.05x holds: 1.35 G > 985.05 M, 938.15 M before"
    close = parse_condition("macs > 1348143103").explanation(difference)
    assert close == "macs > 1348143103 holds: 1,348,143,104 > 1,348,143,103.0, 938,146,176 before"
