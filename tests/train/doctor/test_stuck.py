"""A network that learns nothing: the verdict, its patience, and the runs that it must leave alone."""

import pytest

from archspec.train.doctor.history import Activation, FirstBatch, Sample, Weight
from archspec.train.doctor.stuck import (
    ABOVE,
    CUT_OFF,
    JUMPED,
    LONG,
    SIGN,
    SLOW,
    learns_nothing,
)
from tests.train.doctor.helpers import LN10, history, sample


def stuck(steps, *samples, loss=LN10, start=(), **fields):
    losses = [*start, *[loss] * (steps - len(start))]
    return history(losses, samples=samples, **fields)


DEAD = [
    pytest.param("RUN341", CUT_OFF, {"stuck": 1.0, "gradients": (0.0, 0.1)}, {}, id="all-relus-dead"),
    pytest.param("RUN341", SIGN, {"stuck": 0.75}, {}, id="most-relus-dead"),
    pytest.param("RUN342", CUT_OFF, {"stuck": 1.0, "kind": "sigmoid", "gradients": (0.0, 1.0)}, {}, id="all-saturated"),
    pytest.param("RUN342", SIGN, {"stuck": 0.6, "kind": "sigmoid"}, {}, id="many-sigmoids-saturated"),
    pytest.param("RUN342", SIGN, {"stuck": 0.6, "kind": "tanh"}, {}, id="many-tanh-saturated"),
    pytest.param("RUN343", SIGN, {"gradients": (1e-9, 0.1)}, {}, id="gradient-gone"),
    pytest.param("RUN345", SLOW, {"ratio": 3e-5}, {"ratio": 3e-5}, id="weights-hardly-move"),
    pytest.param("RUN343", SIGN, {"gradients": (1e-5, 0.1)}, {"gradients": (1e-5, 0.1)}, id="vanishes-from-the-start"),
    pytest.param("RUN343", CUT_OFF, {"gradients": (1e-12, 1e-11)}, {"gradients": (1e-12, 1e-12)}, id="no-gradient"),
    pytest.param(
        "RUN341", CUT_OFF, {"stuck": 1.0, "gradients": (0.0, 0.1)}, {"stuck": 1.0, "gradients": (0.0, 0.1)},
        id="dead-from-the-start",
    ),
    pytest.param("RUN340", LONG, {}, {}, id="nothing-to-be-seen"),
]


@pytest.mark.parametrize(("code", "patience", "now", "first"), DEAD)
def test_verdicts_come_when_their_patience_is_over_and_not_before(code, patience, now, first):
    def seen(steps):
        begin = sample(1, kind=now.get("kind", "relu"), **first)
        return stuck(steps, begin, sample(steps - 25, **now), sample(steps, **now))

    assert learns_nothing(seen(patience - 20)) is None
    finding = learns_nothing(seen(patience))
    assert (finding.code, finding.step) == (code, patience)
    assert finding.evidence[0].values["loss"] == pytest.approx(LN10)
    assert "ln 10" in finding.evidence[0].text


@pytest.mark.parametrize(("now", "first", "patience", "final"), [
    pytest.param({"stuck": 0.9}, {}, SIGN, False, id="some-relus-are-alive"),
    pytest.param({"stuck": 1.0, "gradients": (0.0, 0.1)}, {}, CUT_OFF, True, id="none-is"),
    pytest.param({"stuck": 1.0}, {"stuck": 1.0}, SIGN, False, id="none-is-and-the-gradient-goes-another-way"),
    pytest.param({"stuck": 0.9, "kind": "sigmoid"}, {}, SIGN, False, id="some-sigmoids-are-not-saturated"),
    pytest.param({"stuck": 1.0, "kind": "sigmoid", "gradients": (0.0, 1.0)}, {}, CUT_OFF, True, id="all-are"),
    pytest.param({"stuck": 1.0, "kind": "sigmoid"}, {"stuck": 1.0}, SIGN, False, id="saturated-from-the-start"),
    pytest.param({"gradients": (1e-5, 0.1)}, {"gradients": (1e-5, 0.1)}, SIGN, False, id="a-small-gradient"),
    pytest.param({"gradients": (0.0, 0.1)}, {"gradients": (0.0, 0.1)}, CUT_OFF, True, id="no-gradient"),
    pytest.param({"ratio": 3e-5}, {"ratio": 3e-5}, SLOW, True, id="weights-hardly-move"),
])
def test_what_may_pass_is_told_so_until_the_long_patience_is_over(now, first, patience, final):
    def seen(steps):
        begin = sample(1, kind=now.get("kind", "relu"), **first)
        return learns_nothing(stuck(steps, begin, sample(steps - 25, **now), sample(steps, **now)))

    early, late = seen(patience), seen(LONG)
    assert early.final is final
    assert early.title.startswith("nothing learnt so far: ") is not final
    assert late.final
    assert late.title == early.title.removeprefix("nothing learnt so far: ")
    assert seen(LONG - 20).final is final


def test_a_rate_too_low_is_final_for_a_run_that_is_too_short_for_it():
    """At 3e-5 of its size a step a weight moves by a tenth in 3,333 steps."""
    def seen(total):
        slow = [sample(step, ratio=3e-5) for step in (1, 150, 200)]
        return learns_nothing(stuck(200, *slow, total_steps=total))

    assert seen(3500).final
    assert not seen(3600).final
    assert seen(3600).title == "nothing learnt so far: the weights hardly move: the rate 0.1 is too low"


def test_a_batch_for_which_no_gradient_arrives_cuts_nothing_off():
    """LeNet with ReLU at 0.6: some batches wake the last units of a layer, some do not."""
    flicker = [sample(150, stuck=0.94, gradients=(1e-3, 0.1)), sample(200, stuck=1.0, gradients=(0.0, 0.1))]
    assert not learns_nothing(stuck(200, sample(1), *flicker)).final


def test_the_long_patience_is_three_epochs_of_a_large_set():
    slow = {"kind": "sigmoid", "stuck": 0.9}
    at = [sample(1, kind="sigmoid"), sample(1450, **slow), sample(1500, **slow)]
    assert learns_nothing(stuck(1500, *at, steps_per_epoch=500)).final
    assert not learns_nothing(stuck(1500, *at, steps_per_epoch=520)).final
    assert not learns_nothing(stuck(1500, *at, steps_per_epoch=10**6)).final


def test_a_layer_that_died_is_found_beside_one_that_was_never_alive():
    """The second is the worse one, and was so when the network could still learn."""
    def layers(step, died):
        return Sample(step, 0.1, (Activation("a", "relu", 50, died), Activation("b", "relu", 50, 0.9)),
                      (Weight("a.weight", 1.0, 0.1, 1e-3), Weight("b.weight", 1.0, 0.1, 1e-3)))

    finding = learns_nothing(stuck(200, layers(1, 0.1), layers(150, 0.8), layers(200, 0.8)))
    assert finding.code == "RUN341"
    assert finding.evidence[1].values["layer"] == "a"


@pytest.mark.parametrize(("code", "patience", "now", "first"), DEAD)
def test_a_network_that_learns_is_left_alone(code, patience, now, first):
    losses = [LN10] * patience + [2.2, 2.1, 2.0, 1.9, 1.8] * 4
    seen = history(
        losses, [0.1] * patience + [0.2, 0.25, 0.3, 0.35, 0.4] * 4,
        samples=[sample(1, **first), sample(patience, **now), sample(patience + 20, **now)],
    )
    assert learns_nothing(seen) is None


def test_a_network_that_learns_slowly_is_left_alone():
    """alexnet28 at 0.001: after 100 steps the loss is 2.300, yet the accuracy 0.13."""
    slow = history([2.300] * 200, 0.13, samples=[sample(s, ratio=2e-5) for s in (1, 150, 200)], images=128)
    assert learns_nothing(slow) is None


def test_a_plateau_of_sound_sigmoids_is_left_alone():
    """LeNet at 0.9: 350 steps at ln 10, no unit stuck, update over weight 0.0015, first over last gradient 0.01."""
    plateau = stuck(
        400, *[sample(s, kind="sigmoid", gradients=(1e-3, 1e-1), ratio=1.5e-3) for s in (1, 50, 350, 400)],
        start=(2.57, 2.9, 2.96, 2.82, 2.63),
    )
    assert learns_nothing(plateau) is None


def test_relus_that_were_as_dead_when_the_run_began_are_no_sign():
    same = {"stuck": 0.7, "gradients": (1e-2, 1e-1)}
    assert learns_nothing(stuck(400, *[sample(s, **same) for s in (1, 350, 400)])) is None


def test_half_of_the_relus_dead_is_no_sign():
    assert learns_nothing(stuck(400, sample(1), sample(350, stuck=0.5), sample(400, stuck=0.5))) is None


def test_a_rate_that_still_warms_up_is_not_too_low():
    low = [sample(s, ratio=1e-5, rate=0.01) for s in (1, 150, 200)]
    assert learns_nothing(stuck(200, *low, lr=0.1)) is None
    full = [sample(s, ratio=1e-5, rate=0.1) for s in (1, 150, 200)]
    assert learns_nothing(stuck(200, *full, lr=0.1)).code == "RUN345"


def test_one_sample_is_not_enough():
    dead = {"stuck": 1.0, "gradients": (0.0, 0.1)}
    assert learns_nothing(stuck(200, sample(1, **dead))) is None
    assert learns_nothing(history([1.0] * 100 + [LN10] * 40, [0.5] * 100 + [0.1] * 40,
                                  samples=[sample(1), sample(50, **dead), sample(140, **dead)])) is None


def test_a_loss_above_chance_means_a_rate_too_high():
    finding = learns_nothing(stuck(ABOVE, sample(1), sample(50), sample(100), loss=3.1, start=(2.4, 9.0), lr=2.0))
    assert (finding.code, finding.title) == ("RUN344", "nothing learnt so far: the rate 2 is too high")
    assert finding.evidence[1].values == {"step": 2, "loss_before": 2.4, "loss_after": 9.0}


def test_a_loss_that_rose_without_a_jump():
    start = tuple(2.4 + 0.1 * k for k in range(7))
    finding = learns_nothing(stuck(ABOVE, sample(1), sample(50), sample(100), loss=3.1, start=start))
    assert finding.code == "RUN344"
    assert finding.evidence[1].text == "at step 1 the loss was 2.4"


def test_a_loss_that_was_above_chance_from_the_start_is_no_sign_of_a_rate_too_high():
    assert learns_nothing(stuck(500, sample(1), sample(450), sample(500), loss=3.1)) is None


@pytest.mark.parametrize(("ratio", "code"), [(0.9e-4, "RUN345"), (1.1e-4, "RUN344")])
def test_a_rate_that_hardly_moves_the_weights_is_too_low_wherever_the_loss_is(ratio, code):
    seen = [sample(step, ratio=ratio) for step in (1, 350, 400)]
    assert learns_nothing(stuck(400, *seen, loss=3.1, start=(2.4, 9.0))).code == code


def test_a_rate_too_low_is_found_too_after_the_schedule_has_lowered_it():
    """`--lr 3e-6` with a cosine: never was it higher than in the first half. The first loss is above ln 10."""
    rates = {1: 3e-6, 50: 2.8e-6, 100: 2e-6, 150: 1e-6, 200: 1e-7}
    seen = stuck(200, *[sample(s, ratio=rate, rate=rate) for s, rate in rates.items()], loss=2.74, lr=3e-6)
    finding = learns_nothing(seen)
    assert finding.code == "RUN345"
    assert (finding.evidence[1].values["step"], finding.evidence[1].values["rate"]) == (100, 2e-6)


def test_a_great_jump_and_a_long_plateau_mean_a_rate_too_high():
    def seen(steps):
        return stuck(steps, sample(1), sample(steps - 50), sample(steps), start=(2.5, 7.0, 4.0, 2.4))

    assert learns_nothing(seen(JUMPED)) is None
    finding = learns_nothing(seen(JUMPED + 20))
    assert finding.code == "RUN344"
    assert finding.evidence[1].values == {"step": 2, "loss_before": 2.5, "loss_after": 7.0}


def test_a_small_jump_is_no_sign():
    """LeNet at 1.5: from 2.6 to 4.0 at step 2, a plateau of 400 steps, then it learns."""
    assert learns_nothing(stuck(500, sample(1), sample(450), sample(500), start=(2.57, 3.96, 4.03))) is None


def test_the_words_of_a_dead_network():
    seen = stuck(200, sample(1, stuck=0.06), sample(150, stuck=0.9), sample(200, stuck=0.94), lr=0.6,
                 start=(2.3, 2.2, 2.1, 3.9))
    finding = learns_nothing(seen)
    assert finding.line() == (
        "doctor[RUN341]: step 200: nothing learnt so far: dead ReLUs: the rate 0.6 is too high: over the last 100 steps the loss is 2.303 and "
        "the accuracy 0.100, no better than one answer for every image (2.303 = ln 10); at step 200 94 % of the 50 "
        "units of layer1.act are zero for every image (6 % at step 1); the loss first jumped at step 4, from 2.2 to "
        "3.9; start again with a lower rate: try lr 0.1, or a warm-up"
    )


@pytest.mark.parametrize(("fields", "kind", "ratio", "text"), [
    ({"lr": 0.01}, "sigmoid", 5e-5, "raise the rate: try lr 0.2"),
    ({"lr": 0.01}, "sigmoid", 1e-9, "raise the rate: try lr 0.3"),
    ({"lr": 0.01, "init": "kaiming_normal"}, "relu", 5e-5, "raise the rate: try lr 0.2"),
    ({"lr": 0.01, "init": "xavier_uniform"}, "relu", 5e-5, "raise the rate: try lr 0.2, or set "
     "`init: kaiming_normal`, which is made for ReLUs"),
    ({"lr": 1e-7}, "relu", 1.3e-7, "raise the rate: try lr 0.0008"),
    ({"lr": 1e-7}, "relu", 0.0, "raise the rate: try lr 0.1"),
    ({"lr": 1e-9, "optimizer": "adam"}, "relu", 1e-11, "raise the rate: try lr 0.001"),
], ids=str)
def test_the_advice_for_a_low_rate(fields, kind, ratio, text):
    samples = [sample(s, kind=kind, ratio=ratio, rate=fields["lr"]) for s in (1, 150, 200)]
    assert learns_nothing(stuck(200, *samples, **fields)).advice == text


@pytest.mark.parametrize(("fields", "kind", "text"), [
    ({"lr": 3.0}, "sigmoid", "try lr 0.6, or a warm-up"),
    ({"lr": 3.0}, "relu", "try lr 0.1, or a warm-up"),
    ({"lr": 1e6}, "sigmoid", "try lr 0.1, or a warm-up"),
    ({"lr": 0.9, "optimizer": "adam"}, "sigmoid", "adam's usual one is lr 0.001"),
    ({"lr": 0.002, "optimizer": "adamw"}, "relu", "try lr 0.0004, or a warm-up"),
], ids=str)
def test_the_advice_for_a_high_rate(fields, kind, text):
    samples = [sample(1, kind=kind), *(sample(s, kind=kind, stuck=0.9) for s in (150, 200))]
    assert learns_nothing(stuck(200, *samples, **fields)).advice == f"start again with a lower rate: {text}"


@pytest.mark.parametrize(("init", "text"), [
    ("normal", "set `init: xavier_uniform` for sigmoid and tanh, use relu with `init: kaiming_normal`, or add batch_norm2d"),
    ("xavier_uniform", "use relu with `init: kaiming_normal`, or add batch_norm2d"),
])
def test_the_advice_for_a_gradient_that_vanishes_between_sigmoids(init, text):
    samples = [sample(s, kind="sigmoid", gradients=(1e-9, 0.1)) for s in (1, 150, 200)]
    finding = learns_nothing(stuck(200, *samples, init=init))
    assert (finding.code, finding.advice) == ("RUN343", text)


def test_broken_inputs_come_first():
    seen = stuck(200, sample(1), sample(150, stuck=0.9), sample(200, stuck=0.9))
    seen.inputs = FirstBatch(1, mean=73.0, std=90.0, spread=100.0)
    assert learns_nothing(seen).advice.startswith("mend the inputs first")


def test_lopsided_classes_have_a_chance_of_their_own():
    """Nine images of ten are of one class: 0.9 right with a loss of 0.325 is no better than always saying so."""
    seen = stuck(200, sample(1), sample(150, stuck=0.9), sample(200, stuck=0.9), loss=0.326, accuracy=0.9)
    seen.labels.clear()
    seen.labels.update({0: 900, 1: 100})
    assert learns_nothing(seen).code == "RUN341"
    assert learns_nothing(stuck(200, sample(1), sample(150, stuck=0.9), sample(200, stuck=0.9), loss=0.326)) is None
