"""Detects a run that diverges or loses what it had learned, and one that recovers."""

from __future__ import annotations

from math import isfinite, log
from statistics import median
from typing import Final

from archspec.train.doctor import advice
from archspec.train.doctor.chance import best_so_far, chance_in, lately
from archspec.train.doctor.finding import Evidence, Finding, short
from archspec.train.doctor.history import BLOCK, History
from archspec.train.doctor.inputs import out_of_range
from archspec.train.doctor.stuck import stuck_units

BLOWN: Final = 60  # steps over which the loss must be far above the first loss
TIMES: Final = 2.0  # the factor that counts as far above
BEYOND: Final = 1000.0  # times the first loss: a network that learns never has such a loss, not even briefly
LEARNED: Final = 0.7  # of chance: a loss below this is not luck
LOST: Final = 0.9  # of chance
LOST_STEPS: Final = 40
BACK: Final = 0.8  # of chance: a loss below this over BACK_STEPS is not luck
BACK_STEPS: Final = 40
AT_A_LOSS: Final = frozenset({"RUN341", "RUN355"})  # verdicts whose first evidence is a loss, possibly below chance


def not_finite(history: History) -> Finding | None:
    """The loss became infinite or NaN, or was from the start."""
    step = history.broken
    if step is None:
        return None
    if step == 1:
        return _never_finite(history)
    index = step - history.first - 1
    before = history.losses[:index]
    facts = [Evidence(f"the loss is {history.losses[index]} at step {step}", {"step": step})]
    if before:
        low = min(range(len(before)), key=before.__getitem__)
        facts.append(Evidence(
            f"the lowest before was {short(before[low])} at step {history.first + low + 1}",
            {"step": history.first + low + 1, "loss": before[low]},
        ))
    jump = history.jump()
    if jump is not None and isfinite(jump.after):
        facts.append(advice.first_jump(jump))
    facts += _largest_update(history)
    text, change = advice.after_divergence(history)
    return Finding("RUN346", step, "the run diverges", tuple(facts), text, final=True, change=change)


def _never_finite(history: History) -> Finding:
    """The loss of the first step is not finite; no update came before it, so the rate is not the cause."""
    inputs = out_of_range(history.inputs) if history.inputs is not None else None
    remedy = inputs[2] if inputs is not None else "check the initialisation (`init`) and the network itself"
    fact = Evidence(f"the loss is {history.losses[0]} at step 1, before any update", {"step": 1})
    return Finding(
        "RUN346", 1, "the loss is not a number from the start", (fact,), remedy, final=True, sure=inputs is not None
    )


def diverges(history: History) -> Finding | None:
    """The loss is far above the first loss, and does not fall."""
    chance = chance_in(history)
    if chance is None or len(history) < BLOWN + BLOCK:
        return None
    start = max(history.losses[0], chance.loss)
    whole, end = history.last(BLOWN), history.last(BLOCK)
    if not (whole.loss >= TIMES * start and end.loss >= 0.8 * whole.loss):
        return None
    fact = Evidence(
        f"over the last {BLOWN} steps the loss is {short(whole.loss)}, at step {history.first + 1} it was "
        f"{short(history.losses[0])}",
        {"steps": BLOWN, "loss": whole.loss, "first_loss": history.losses[0]},
    )
    jump = history.jump()
    facts = [fact, *([advice.first_jump(jump)] if jump else []), *_largest_update(history)]
    text, change = advice.after_divergence(history)
    return Finding("RUN346", history.step, "so far the run diverges", tuple(facts), text, change=change)


def blows_up(history: History) -> Finding | None:
    """A loss was far higher than in any run that learns. The run may still recover."""
    if not history.losses:
        return None
    far = BEYOND * max(history.losses[0], log(max(2, len(history.labels))))  # the label frequencies are not known yet
    if not max(history.losses) >= far:
        return None
    index = next(k for k, loss in enumerate(history.losses) if loss >= far)
    step, loss = history.first + index + 1, history.losses[index]
    fact = Evidence(f"the loss is {short(loss)} at step {step}", {"step": step, "loss": loss})
    stays = len(history) >= index + BLOCK and median(history.losses[-BLOCK:]) >= far
    facts = (advice.first_loss(history), fact, lately(history, min(BLOCK, len(history))), *_largest_update(history))
    title = "so far the run diverges" if stays else "the loss blew up"
    text, change = advice.after_divergence(history)
    return Finding("RUN346", history.step, title, facts, text, change=change)


def collapses(history: History) -> Finding | None:
    """The network had learned, and now is no better than chance."""
    chance, best = chance_in(history), history.best
    if chance is None or best is None or best.loss > LEARNED * chance.loss or best.step > history.step - LOST_STEPS:
        return None
    now = history.last(LOST_STEPS)
    if not (now.loss >= LOST * chance.loss and min(history.losses[-LOST_STEPS:]) >= LEARNED * chance.loss):
        return None
    if now.accuracy > best.accuracy / 2:
        return None
    jump = history.jump(best.step)
    jumped = [advice.first_jump(jump)] if jump else []
    facts = [best_so_far(best), *jumped, lately(history, LOST_STEPS), *_stuck_now(history)]
    rate = history.samples[-1].rate if history.samples else history.lr
    text, change = advice.lower_rate(history)
    title = f"the network collapsed after it had learned, at rate {short(rate)}"
    remedy = f"{text}, or let it decay: `schedule: cosine`"
    return Finding("RUN347", history.step, title, tuple(facts), remedy, change=change)


def learns_again(history: History, finding: Finding) -> Evidence | None:
    """Evidence that a network learns after a verdict that it does not, or only little; None if there is none."""
    chance = chance_in(history)
    if chance is None or history.step < finding.step + BACK_STEPS:
        return None
    before = finding.evidence[0].values.get("loss", chance.loss) if finding.code in AT_A_LOSS else chance.loss
    bar = BACK * min(chance.loss, float(before))
    return lately(history, BACK_STEPS) if history.last(BACK_STEPS).loss < bar else None


def _stuck_now(history: History) -> list[Evidence]:
    """The layer with the most stuck units, if these are many."""
    sample = history.samples[-1] if history.samples else None
    layer = max(sample.activations, key=lambda a: a.stuck, default=None) if sample else None
    if sample is None or layer is None or layer.stuck < 0.5:
        return []
    return [stuck_units(layer, sample.step)]


def _largest_update(history: History) -> list[Evidence]:
    """The largest update so far, if it is large."""
    found = [(w.ratio, s.step, w.name) for s in history.samples for w in s.weights if isfinite(w.ratio)]
    if not found or max(found)[0] < 0.1:
        return []
    ratio, step, name = max(found)
    return [Evidence(
        f"the update of step {step} changed {name} by {short(ratio)} of its size",
        {"step": step, "weight": name, "update_to_weight": ratio},
    )]
