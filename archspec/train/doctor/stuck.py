"""Detects a network that learns nothing, and finds the cause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final

from archspec.diagnostics import plural
from archspec.ops.traits import FAMILIES, RECTIFIED, SIGMOID, TANH
from archspec.train.doctor import advice
from archspec.train.doctor.advice import Remedy
from archspec.train.doctor.chance import CLOSE, Chance, at_chance, chance_in, lately, steps_at_chance
from archspec.train.doctor.finding import Evidence, Figure, Finding, percent, short
from archspec.train.doctor.history import Activation, History, Sample, Weight
from archspec.train.doctor.inputs import out_of_range

# Steps at chance before a verdict, in whole blocks of 20. A network of sigmoids that learns well stays at chance for
# about 350 steps (LeNet at lr 0.9 on Fashion-MNIST), so a verdict without a known cause needs many steps. Even a
# saturated or dead network may recover late: LeNet at lr 3 with 4 of 5 seeds, after 400 to 750 steps; three NiN blocks
# at lr 0.3 after 850 steps, although the gradient was 0 in seven consecutive samples. So no number of steps makes a
# verdict final; only the proof that a layer is constant for every training image does, see `sealed`.
CUT_OFF: Final = 40  # no gradient reaches the first layers
SIGN: Final = 100
SLOW: Final = 140
MANY: Final = 200
ABOVE: Final = 100
JUMPED: Final = 300
LONG: Final = 1000
LONG_EPOCHS: Final = 3

STUCK_SIGMOIDS: Final = 0.5  # share of a layer's units. Good runs at chance: 0. LeNet at lr 3: 0.6 to 0.9
STUCK_RELUS: Final = 0.6  # good runs at chance: up to 0.5 for some steps. LeNet with ReLU at lr 0.6: 0.75 to 0.95
MOSTLY: Final = 0.85  # of the ReLUs of a layer, while the others still learn
POOR: Final = 0.4  # of chance: a network with a lower loss has learned enough
LITTLE: Final = 0.75  # of chance: a network with a higher loss has learned little
STILL: Final = 0.97  # of the loss of the 100 steps before: above it, the loss no longer falls
GROWN: Final = 0.2  # by which the share must have grown; a share that is high from the start does no harm
ALL: Final = 0.99
VANISHED: Final = 3e-4  # smallest over largest gradient of the weights. Good runs with sigmoids: 0.004 to 0.02
NOTHING: Final = 1e-6  # the same, if no gradient arrives at all
NO_GRADIENT: Final = 1e-8
USUAL: Final = 1 / 3  # of the usual rate, momentum included: only a lower rate can be too low
BARELY: Final = 1e-4  # median of update over weight. LeNet at lr 0.9: 0.0015, at lr 0.01: 0.00003
SHRUNK: Final = 0.3  # of its initial norm, to which weight decay has pulled a weight
PULL: Final = 1 / 3  # of the gradient: a stronger weight decay pulls the weight to zero
HIGH_DROPOUT: Final = 0.8
HIGH_ABOVE: Final = 0.3  # nats above chance
HIGH_JUMP: Final = 2.0  # times, and nats

SATURATING: Final = (SIGMOID.name, TANH.name)


@dataclass(frozen=True, slots=True)
class Cause:
    """A possible cause. steps: how many steps at chance it takes for a verdict."""

    code: str
    title: str
    evidence: tuple[Evidence, ...]
    advice: Remedy
    steps: int


def learns_nothing(history: History) -> Finding | None:
    """Loss and accuracy are no better than a constant prediction, for the number of steps that the cause requires."""
    chance = chance_in(history)
    if chance is None:
        return None
    steps = steps_at_chance(history, chance)
    recent = [s for s in history.samples if s.step > history.step - steps][-2:]
    if len(recent) < 2:
        return None
    cause = next(filter(None, (rule(history, recent, chance) for rule in CAUSES)))
    mean = history.last(cause.steps)
    if steps < cause.steps or not chance.holds(mean, sum(history.sizes[-cause.steps :]), CLOSE):
        return None  # slow learning is visible over many steps, not in a few batches
    inputs = out_of_range(history.inputs) if history.inputs is not None else None
    facts = [at_chance(history, chance, min(steps, SIGN)), *cause.evidence]
    final = history.sealed is not None and history.sealed > history.step - steps
    if final:
        facts.append(Evidence(
            f"at step {history.sealed} a layer is constant for every training image, and no update reaches what lies "
            "before it", {"step": history.sealed or 0},
        ))
    title = cause.title if final else f"nothing learned so far: {cause.title}"
    text, change = Remedy(inputs[2]) if inputs else cause.advice
    return Finding(cause.code, history.step, title, tuple(facts), text, final, change=change, sure=inputs is not None)


def held_back(history: History) -> Finding | None:
    """Weight decay or dropout is so strong that the network learns little."""
    chance = chance_in(history)
    if chance is None:
        return None
    for rule in (_decayed, _dropped):
        cause = rule(history, history.samples[-2:], chance)
        if cause is not None and len(history) >= cause.steps and history.last(cause.steps).loss >= LITTLE * chance.loss:
            facts = (lately(history, cause.steps), *cause.evidence)
            text, change = cause.advice
            title = f"little learned so far: {cause.title}"
            return Finding(cause.code, history.step, title, facts, text, change=change)
    return None


def mostly_dead(history: History) -> Finding | None:
    """Most ReLUs of a layer have died, and the loss no longer falls."""
    chance, recent = chance_in(history), history.samples[-2:]
    if chance is None or len(recent) < 2 or len(history) < 3 * SIGN:
        return None
    first, last = history.samples[0], recent[-1]
    found = [
        a for a in last.activations
        if a.kind == RECTIFIED.name and min(_same(sample, a).stuck for sample in recent) >= MOSTLY
        and a.stuck - _same(first, a).stuck >= GROWN
    ]
    now, before = history.last(SIGN), history.block(len(history) - SIGN, SIGN)
    if not found or now.loss < POOR * chance.loss or now.loss < STILL * before.loss:
        return None
    layer = max(found, key=lambda a: a.stuck)
    facts = (lately(history, SIGN), stuck_units(layer, last.step, _same(first, layer), first.step))
    text, change = advice.lower_rate(history)
    title = f"most ReLUs are dead, and little is learned so far: the rate {short(history.lr)} is too high"
    return Finding("RUN341", history.step, title, facts, text, change=change)


def _long(history: History) -> int:
    """A number of steps at chance that few networks need which learn in the end."""
    return max(LONG, min(LONG_EPOCHS * history.steps_per_epoch, 5 * LONG))


def _dead_from_the_start(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    first, last = history.samples[0], recent[-1]
    layer = _worst(first, tuple(FAMILIES))
    if layer is None or layer.stuck < ALL or _same(last, layer).stuck < ALL:
        return None
    text, change = advice.stronger_start(history)
    return Cause(
        "RUN341" if layer.kind == RECTIFIED.name else "RUN342", f"{_state(layer)} from the start",
        (stuck_units(layer, first.step),),
        Remedy(f"check the mean and deviation of the inputs, and the initial weights: {text}", change),
        CUT_OFF if _cut_off(recent) else SIGN,
    )


def _vanished_from_the_start(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    if max(_weakest(history.samples[0]), _weakest(recent[-1])) > VANISHED:
        return None
    return Cause(
        "RUN343", "the gradient vanishes on its way to the first layers", (_gradients(recent[-1]),),
        advice.stronger_start(history), CUT_OFF if _cut_off(recent) else SIGN,
    )


def _decayed(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    """Weight decay has pulled the weights towards zero, and is stronger than the gradient."""
    if not recent:
        return None
    decay, last = history.facts.weight_decay, recent[-1]
    first = {w.name: w.norm for w in history.samples[0].weights}
    shares = [w.norm / first[w.name] for w in last.weights if first.get(w.name)]
    if not decay or not shares or median(shares) > SHRUNK:
        return None
    pull = median(decay * w.norm - PULL * w.gradient for w in last.weights)
    if pull < 0 and history.optimizer != "adamw":
        return None
    fact = Evidence(
        f"at step {last.step} a weight has {short(median(shares))} of its initial norm (median over "
        f"{plural(len(shares), 'weight')})", {"step": last.step, "share": median(shares), "weight_decay": decay},
    )
    return Cause(
        "RUN356", f"weight decay {short(decay)} pulls the weights to zero", (fact,),
        Remedy("train without weight decay, or with 0.0005 at most", {"train.weight_decay": 0}), SIGN,
    )


def _dropped(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    """A dropout layer drops so much that the other layers cannot learn."""
    share = history.facts.dropout
    if share < HIGH_DROPOUT:
        return None
    fact = Evidence(f"a dropout layer lets {percent(1 - share)} of its values through", {"dropout": share})
    return Cause("RUN355", f"dropout {short(share)} hides the inputs", (fact,), without_dropout(), MANY)


def _saturated(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    return _newly_stuck(history, recent, "RUN342", SATURATING, STUCK_SIGMOIDS)


def _dead(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    return _newly_stuck(history, recent, "RUN341", (RECTIFIED.name,), STUCK_RELUS)


def _newly_stuck(
    history: History, recent: list[Sample], code: str, kinds: tuple[str, ...], least: float
) -> Cause | None:
    """Units that distinguished images at the start of the run and no longer do."""
    first, last = history.samples[0], recent[-1]
    found = [
        layer for layer in last.activations
        if layer.kind in kinds and min(_same(sample, layer).stuck for sample in recent) >= least
        and layer.stuck - _same(first, layer).stuck >= GROWN
    ]
    if not found:
        return None
    layer = max(found, key=lambda a: a.stuck)
    before = _same(first, layer)
    jump = history.jump()
    facts = [stuck_units(layer, last.step, before, first.step), *([advice.first_jump(jump)] if jump else [])]
    return Cause(
        code, f"{_state(layer)}: the rate {short(history.lr)} is too high", tuple(facts),
        advice.lower_rate(history), CUT_OFF if layer.stuck >= ALL and _cut_off(recent) else SIGN,
    )


def _vanished_later(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    if not _cut_off(recent) or _weakest(history.samples[0]) <= VANISHED:
        return None
    return Cause(
        "RUN343", "the gradient no longer arrives at the first layers", (_gradients(recent[-1]),),
        advice.lower_rate(history), SIGN,
    )


def _too_low(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    # while a warm-up or the schedule keeps the rate low, small updates do not show that `lr` is too low
    steady = history.lr / (1 - history.facts.momentum)
    if steady >= USUAL * advice.usual_rate(history.optimizer):
        return None  # GoogLeNet at lr 0.05 has updates as small, and starts to learn after 500 steps
    full = [s for s in history.samples if s.weights and s.rate >= history.lr / 2][-len(recent) :]
    ratios = [_moved(s) for s in full]
    if len(full) < len(recent) or max(ratios) > BARELY:
        return None
    last = full[-1]
    fact = Evidence(
        f"at step {last.step} an update changes a weight by {short(ratios[-1])} of its size (median over "
        f"{plural(len(last.weights), 'weight')}); about {advice.SOUND_RATIO:g} is usual",
        {"step": last.step, "update_to_weight": ratios[-1], "rate": last.rate},
    )
    title = f"the weights barely move: the rate {short(history.lr)} is too low"
    return Cause("RUN345", title, (fact,), advice.raise_rate(history, ratios[-1]), SLOW)


def _too_high(history: History, recent: list[Sample], chance: Chance) -> Cause | None:
    if max((_moved(s) for s in history.samples if s.weights), default=0.0) <= BARELY:
        return None  # a rate that barely moves the weights is not too high
    title = f"the rate {short(history.lr)} is too high"
    if history.last(ABOVE).loss >= max(history.losses[0], chance.loss) + HIGH_ABOVE:
        jump = history.jump()
        fact = advice.first_jump(jump) if jump else advice.first_loss(history)
        return Cause("RUN344", title, (fact,), advice.lower_rate(history), ABOVE)
    high = history.jump(factor=HIGH_JUMP, rise=HIGH_JUMP)
    if high is None or high.step > history.step - JUMPED:
        return None
    return Cause("RUN344", title, (advice.first_jump(high),), advice.lower_rate(history), JUMPED)


def _unknown(history: History, recent: list[Sample], chance: Chance) -> Cause:
    facts = [_gradients(recent[-1])] if recent[-1].weights else []
    return Cause(
        "RUN340", "the network learns nothing", tuple(facts),
        Remedy("check whether labels belong to their inputs, and try `--find-lr`"), _long(history),
    )


CAUSES: Final[tuple[Callable[[History, list[Sample], Chance], Cause | None], ...]] = (
    _decayed, _dropped, _dead_from_the_start, _vanished_from_the_start, _saturated, _dead, _vanished_later, _too_low,
    _too_high, _unknown,
)


def without_dropout() -> Remedy:
    """The advice if dropout is too strong."""
    return Remedy("train without dropout, or with 0.5 at most", {"layers.dropout": 0})


def _moved(sample: Sample) -> float:
    """Norm of the update over the norm of the weight: the median over the weights."""
    return median(weight.ratio for weight in sample.weights)


def _worst(sample: Sample, kinds: tuple[str, ...]) -> Activation | None:
    """The layer of these kinds with the largest share of stuck units."""
    return max((a for a in sample.activations if a.kind in kinds), key=lambda a: a.stuck, default=None)


def _same(sample: Sample, layer: Activation) -> Activation:
    """The same layer in another sample; without stuck units if it did not run there."""
    found = [a for a in sample.activations if a.name == layer.name]
    return found[0] if found else Activation(layer.name, layer.kind, layer.units, 0.0)


def _weakest(sample: Sample) -> float:
    """The smallest gradient of a weight over the largest; 0 if all are practically 0, 1 for a single weight."""
    gradients = [weight.gradient for weight in sample.weights]
    if len(gradients) < 2:
        return 1.0
    return min(gradients) / max(gradients) if max(gradients) > NO_GRADIENT else 0.0


def _cut_off(recent: list[Sample]) -> bool:
    """Whether in each of these samples some weight got no gradient."""
    return max(map(_weakest, recent)) <= NOTHING


def _state(layer: Activation) -> str:
    return f"{'dead' if layer.kind == RECTIFIED.name else 'saturated'} {FAMILIES[layer.kind].units}"


def stuck_units(layer: Activation, step: int, before: Activation | None = None, first: int = 0) -> Evidence:
    """The share of a layer's units that are stuck at a step, and at the first step."""
    what = "are zero" if layer.kind == RECTIFIED.name else "are saturated"
    text = f"at step {step} {percent(layer.stuck)} of the {layer.units} units of {layer.name} {what} for every input"
    values: dict[str, Figure] = {"layer": layer.name, "step": step, "share": layer.stuck, "units": layer.units}
    if before is not None:
        text += f" ({percent(before.stuck)} at step {first})"
        values |= {"first_step": first, "first_share": before.stuck}
    return Evidence(text, values)


def _gradients(sample: Sample) -> Evidence:
    """The smallest and the largest gradient norm."""
    least, most = _ends(sample)
    if not most.gradient:
        return Evidence(
            f"at step {sample.step} the gradient is 0 in every weight",
            {"step": sample.step, "greatest_gradient": 0.0, "weights": len(sample.weights)},
        )
    return Evidence(
        f"at step {sample.step} the gradient's norm is {short(least.gradient)} in {least.name} and "
        f"{short(most.gradient)} in {most.name}",
        {
            "step": sample.step, "least_gradient": least.gradient, "least_in": least.name,
            "greatest_gradient": most.gradient, "greatest_in": most.name,
        },
    )


def _ends(sample: Sample) -> tuple[Weight, Weight]:
    def gradient(weight: Weight) -> float:
        return weight.gradient

    return min(sample.weights, key=gradient), max(sample.weights, key=gradient)
