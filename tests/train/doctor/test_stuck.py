"""A network that learns nothing: the verdict, its patience, and the runs that it must leave alone."""

import pytest

from archspec.train.doctor.history import Activation, Facts, FirstBatch, Sample, Weight
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
    pytest.param("RUN345", SLOW, {"ratio": 3e-5, "rate": 0.01}, {"ratio": 3e-5, "rate": 0.01}, id="weights-hardly-move"),
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
        return stuck(steps, begin, sample(steps - 25, **now), sample(steps, **now), lr=now.get("rate", 0.1))

    assert learns_nothing(seen(patience - 20)) is None
    finding = learns_nothing(seen(patience))
    assert (finding.code, finding.step) == (code, patience)
    assert finding.evidence[0].values["loss"] == pytest.approx(LN10)
    assert "ln 10" in finding.evidence[0].text


@pytest.mark.parametrize(("code", "patience", "now", "first"), DEAD)
def test_nothing_is_final_that_is_not_proven(code, patience, now, first):
    """Three NiN blocks at 0.3 came back after 850 steps, in which seven looks in a row saw a gradient of 0."""
    def seen(steps):
        begin = sample(1, kind=now.get("kind", "relu"), **first)
        return stuck(steps, begin, sample(steps - 25, **now), sample(steps, **now), lr=now.get("rate", 0.1))

    for steps in (patience, LONG, 10 * LONG):
        finding = learns_nothing(seen(steps))
        assert not finding.final
        assert finding.title.startswith("nothing learned so far: ")
    proven = seen(LONG)
    proven.sealed = LONG - 10
    finding = learns_nothing(proven)
    assert finding.final
    assert not finding.title.startswith("nothing learned so far: ")
    assert finding.evidence[-1].text == (
        f"at step {LONG - 10} a layer is constant for every training image, and no update reaches what lies before it"
    )


def test_the_long_patience_is_three_epochs_of_a_large_set():
    at = [sample(1), sample(1450), sample(1500)]
    assert learns_nothing(stuck(1500, *at, steps_per_epoch=500)).code == "RUN340"
    assert learns_nothing(stuck(1500, *at, steps_per_epoch=520)) is None
    assert learns_nothing(stuck(1500, *at, steps_per_epoch=10**6)) is None


def test_a_rate_near_the_usual_one_is_not_too_low():
    """GoogLeNet at 0.05 moves its weights as little, and begins to learn after 500 steps."""
    def seen(lr, **facts):
        return stuck(200, *[sample(s, ratio=3e-5, rate=lr) for s in (1, 150, 200)], lr=lr, facts=Facts(**facts))

    assert learns_nothing(seen(0.05)) is None
    assert learns_nothing(seen(0.01, momentum=0.9)) is None
    assert learns_nothing(seen(0.01)).code == "RUN345"


def decayed(norm, gradient, decay=1.0):
    weights = tuple(Weight(f"w{k}", norm, gradient, 1e-3) for k in range(2))
    late = [Sample(step, 0.1, (), weights) for step in (150, 200)]
    begin = Sample(1, 0.1, (), tuple(Weight(f"w{k}", 5.0, 1.0, 1e-3) for k in range(2)))
    return stuck(200, begin, *late, facts=Facts(weight_decay=decay))


def test_weights_that_weight_decay_has_shrunk():
    finding = learns_nothing(decayed(0.1, 0.12))
    assert (finding.code, finding.change) == ("RUN356", {"train.weight_decay": 0})
    assert finding.evidence[1].values["share"] == pytest.approx(0.02)


@pytest.mark.parametrize("seen", [decayed(4.0, 0.1), decayed(0.1, 0.12, 0.0), decayed(0.1, 2.0)], ids=["as-before", "none", "weak"])
def test_weights_for_which_weight_decay_is_not_to_blame(seen):
    assert learns_nothing(seen) is None


def test_a_gradient_of_zero_everywhere_has_words_of_its_own():
    seen = stuck(200, *[sample(s, gradients=(0.0, 0.0)) for s in (1, 150, 200)])
    assert learns_nothing(seen).evidence[1].text == "at step 200 the gradient is 0 in every weight"


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
    low = [sample(s, ratio=1e-5, rate=0.001) for s in (1, 150, 200)]
    assert learns_nothing(stuck(200, *low, lr=0.01)) is None
    full = [sample(s, ratio=1e-5, rate=0.01) for s in (1, 150, 200)]
    assert learns_nothing(stuck(200, *full, lr=0.01)).code == "RUN345"


def test_one_sample_is_not_enough():
    dead = {"stuck": 1.0, "gradients": (0.0, 0.1)}
    assert learns_nothing(stuck(200, sample(1, **dead))) is None
    assert learns_nothing(history([1.0] * 100 + [LN10] * 40, [0.5] * 100 + [0.1] * 40,
                                  samples=[sample(1), sample(50, **dead), sample(140, **dead)])) is None


def test_a_loss_above_chance_means_a_rate_too_high():
    finding = learns_nothing(stuck(ABOVE, sample(1), sample(50), sample(100), loss=3.1, start=(2.4, 9.0), lr=2.0))
    assert (finding.code, finding.title) == ("RUN344", "nothing learned so far: the rate 2 is too high")
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
    seen = [sample(step, ratio=ratio, rate=0.01) for step in (1, 350, 400)]
    assert learns_nothing(stuck(400, *seen, loss=3.1, start=(2.4, 9.0), lr=0.01)).code == code


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
        "doctor[RUN341]: step 200: nothing learned so far: dead ReLUs: the rate 0.6 is too high: over the last 100 steps the loss is 2.303 and "
        "the accuracy 0.100, no better than a constant prediction (2.303 = ln 10); at step 200 94 % of the 50 "
        "units of layer1.act are zero for every input (6 % at step 1); the loss first jumped at step 4, from 2.2 to "
        "3.9; a guess, not tried: start again with a lower rate: try lr 0.1, or a warm-up"
    )


@pytest.mark.parametrize(("fields", "kind", "ratio", "text"), [
    ({"lr": 0.01}, "sigmoid", 5e-5, "raise the rate: try lr 0.1"),
    ({"lr": 0.01}, "sigmoid", 1e-9, "raise the rate: try lr 0.1"),
    ({"lr": 0.01, "init": "kaiming_normal"}, "relu", 5e-5, "raise the rate: try lr 0.1"),
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


@pytest.mark.parametrize(("facts", "text"), [
    (Facts(norms=("batch_norm2d",)), "use relu with `init: kaiming_normal`, or add batch_norm2d after the layers with weights"),
    (Facts(norms=("batch_norm1d",)), "use relu with `init: kaiming_normal`, or add batch_norm1d after the layers with weights"),
    (Facts(batch_norm=True), "use relu with `init: kaiming_normal`, or use fewer layers, or skip connections"),
], ids=["convolutions", "linear-layers", "batch-norm"])
def test_the_advice_for_a_gradient_that_vanishes_between_sigmoids(facts, text):
    samples = [sample(s, kind="sigmoid", gradients=(1e-9, 0.1)) for s in (1, 150, 200)]
    finding = learns_nothing(stuck(200, *samples, facts=facts))
    assert (finding.code, finding.advice) == ("RUN343", text)


def test_broken_inputs_come_first():
    seen = stuck(200, sample(1), sample(150, stuck=0.9), sample(200, stuck=0.9))
    seen.inputs = FirstBatch(1, mean=73.0, std=90.0, spread=100.0)
    assert learns_nothing(seen).advice.startswith("fix the inputs first")


def test_lopsided_classes_have_a_chance_of_their_own():
    """Nine images of ten are of one class: 0.9 right with a loss of 0.325 is no better than always saying so."""
    seen = stuck(200, sample(1), sample(150, stuck=0.9), sample(200, stuck=0.9), loss=0.326, accuracy=0.9)
    seen.labels.clear()
    seen.labels.update({0: 900, 1: 100})
    assert learns_nothing(seen).code == "RUN341"
    assert learns_nothing(stuck(200, sample(1), sample(150, stuck=0.9), sample(200, stuck=0.9), loss=0.326)) is None
