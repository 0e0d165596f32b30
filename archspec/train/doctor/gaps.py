"""Explains why a network does well in training and badly in evaluation, or vice versa."""

from __future__ import annotations

from math import sqrt
from typing import Final

from archspec.train.doctor.chance import SIGMAS, chance_in
from archspec.train.doctor.finding import Evidence, Finding, percent, short
from archspec.train.doctor.history import Contrast, History, Modes, Score
from archspec.train.doctor.inputs import out_of_range
from archspec.train.doctor.stuck import without_dropout

WORSE: Final = 0.15  # difference of the accuracies of an epoch that calls for a second look
GAP: Final = 0.3  # nats between two modes that count as a gap, if also
TIMES: Final = 1.25  # the ratio of the losses is this large
SETTLED: Final = 200  # steps after which running statistics should have converged
HALF: Final = 0.5  # share of the gap that the batch's own statistics must close
UNLIKE: Final = 0.75  # share of the images whose split a linear model recognises
LUCK: Final = 0.05
DUPLICATES: Final = 0.05  # of the evaluated images; Fashion-MNIST, MNIST and CIFAR have less than 0.01
MEMORISED: Final = 0.1  # training accuracy above chance that shows memorised images


def suspicious(history: History) -> bool:
    """Whether the figures of the last epoch call for measuring the modes and comparing the splits."""
    if not history.epochs:
        return False
    row, chance = history.epochs[-1], chance_in(history)
    gap = row.train_accuracy - row.evaluated_accuracy
    if abs(gap) >= WORSE:
        return True
    lost = row.evaluated_accuracy <= (chance.accuracy if chance else 0) + LUCK
    return lost and row.train_accuracy >= row.evaluated_accuracy + WORSE / 2


def lags(history: History) -> Finding | None:
    """The running statistics of batch norm or the average of the weights lag behind the trained weights."""
    modes = history.modes
    if modes is None or modes.step < history.step or not suspicious(history):
        return None
    if not history.ended and modes.step < SETTLED:
        return None  # shortly after the start a lag is normal
    live = modes.without_dropout or modes.training
    if history.facts.batch_norm and _apart(live, modes.running):
        return _stale(history, modes, live)
    if modes.average is not None and _apart(modes.running, modes.average):
        fact = _scores(modes.step, "with the weights themselves", modes.running, "with their average", modes.average)
        return Finding(
            "RUN354", modes.step, "the average of the weights lags behind them", (fact,),
            "lower `ema`, for example to 0.99, or train for more steps", change={"train.ema": 0.99},
        )
    return None


def _stale(history: History, modes: Modes, live: Score) -> Finding:
    facts = [_scores(modes.step, "with the batch's own statistics", live, "with the running ones", modes.running)]
    own, with_running = modes.evaluated_batch, modes.evaluated
    if own is not None and with_running is not None and with_running.accuracy < own.accuracy:
        facts.append(_scores(
            modes.step, "on evaluated images with their own statistics", own, "with the running ones", with_running,
        ))
    if history.step < SETTLED:
        text = "train for more steps, with smaller batches or more epochs: each step moves the statistics by a tenth"
    else:
        text = "lower the rate, or let it decay (`schedule: cosine`): the statistics cannot follow the weights"
    change = {"train.schedule": "cosine"} if history.step >= SETTLED else None
    return Finding("RUN354", modes.step, "batch norm's running statistics are stale", tuple(facts), text, change=change)


def drops_too_much(history: History) -> Finding | None:
    """Dropout is so strong that little is learned."""
    modes, chance = history.modes, chance_in(history)
    if modes is None or modes.step < history.step or modes.without_dropout is None or chance is None:
        return None
    if history.facts.dropout <= HALF:
        return None
    if not (_apart(modes.without_dropout, modes.training) and modes.training.loss > 0.75 * chance.loss):
        return None
    fact = _scores(modes.step, "without dropout", modes.without_dropout, "with it", modes.training)
    text, change = without_dropout()
    title = f"dropout {short(history.facts.dropout)} hides the inputs"
    return Finding("RUN355", modes.step, title, (fact,), text, change=change)


def differs(history: History) -> Finding | None:
    """The evaluated images differ from the training images, or their labels have another meaning."""
    seen = history.contrast
    if seen is None or not _fails(history, seen):
        return None
    if _unlike(seen):
        title, text = f"the {seen.split} images are not like the training images", "prepare both splits in the same way"
    elif seen.held_out > lucky_guess(seen) and seen.across <= min(lucky_guess(seen), seen.held_out / 2):
        title = f"the {seen.split} labels have another meaning than the training labels"
        text = "give both splits the same order of classes"
    else:
        return None
    return Finding("RUN357", history.step, title, (_images(seen), line_of(seen)), text, sure=True)


def memorised(history: History) -> Finding | None:
    """The training images are memorised without any effect on other images, so the labels are useless."""
    seen, chance = history.contrast, chance_in(history)
    if seen is None or chance is None or not history.epochs or not _fails(history, seen):
        return None
    row = history.epochs[-1]
    if row.evaluated_accuracy > max(chance.accuracy, seen.chance) + LUCK:
        return None
    if row.train_accuracy < chance.accuracy + MEMORISED or seen.held_out > lucky_guess(seen) or _unlike(seen):
        return None
    fact = Evidence(
        f"epoch {row.epoch}: train accuracy {row.train_accuracy:.3f}, {seen.split} accuracy "
        f"{row.evaluated_accuracy:.3f}",
        {"epoch": row.epoch, "train_accuracy": row.train_accuracy, "evaluated_accuracy": row.evaluated_accuracy},
    )
    return Finding(
        "RUN358", history.step, "the training labels do not depend on the images: they are memorised",
        (fact, line_of(seen)), "check whether labels belong to their inputs", sure=True,
    )


def leaks(history: History) -> Finding | None:
    """Some evaluated images are also training images."""
    broken = history.inputs is not None and out_of_range(history.inputs) is not None
    if broken or history.shared < DUPLICATES:
        return None  # if all images are equal, they are in both splits
    split = history.epochs[-1].split if history.epochs else "test"
    fact = Evidence(
        f"{100 * history.shared:.3g} % of the {split} images are also in the training set, pixel by pixel",
        {"shared": history.shared},
    )
    text = f"remove them from one of the two splits: they make the {split} figures too good"
    return Finding("RUN359", history.step, f"{split} images are training images", (fact,), text, sure=True)


def _fails(history: History, seen: Contrast) -> bool:
    """Whether the network is much worse on the evaluated split than on a training batch, both in eval mode."""
    row, modes = history.epochs[-1], history.modes
    if row.train_accuracy - row.evaluated_accuracy < WORSE / 2:
        return False
    return modes is None or modes.running.accuracy >= row.evaluated_accuracy + WORSE


def _unlike(seen: Contrast) -> bool:
    return seen.apart >= UNLIKE + (0.5 / sqrt(max(1, seen.images)))


def lucky_guess(seen: Contrast) -> float:
    """The accuracy that a guess reaches on half of the sample with a lot of luck."""
    half = max(1, seen.images // 2)
    return seen.chance + SIGMAS * sqrt(seen.chance * (1 - seen.chance) / half) + 0.01


def _apart(better: Score, worse: Score) -> bool:
    return worse.loss > max(better.loss + GAP, TIMES * better.loss) and worse.accuracy < better.accuracy - WORSE / 2


def _scores(step: int, first: str, a: Score, second: str, b: Score) -> Evidence:
    return Evidence(
        f"at step {step} {first}: loss {short(a.loss)}, accuracy {a.accuracy:.3f}; {second}: loss {short(b.loss)}, "
        f"accuracy {b.accuracy:.3f}",
        {"step": step, "loss": a.loss, "accuracy": a.accuracy, "other_loss": b.loss, "other_accuracy": b.accuracy},
    )


def _images(seen: Contrast) -> Evidence:
    (a, b), (c, d) = seen.mean, seen.std
    return Evidence(
        f"training images have mean {short(a)} and deviation {short(c)}, {seen.split} images {short(b)} and "
        f"{short(d)}; a linear model tells them apart in {percent(seen.apart)} of the cases (50 % is chance)",
        {"mean": a, "other_mean": b, "std": c, "other_std": d, "told_apart": seen.apart},
    )


def line_of(seen: Contrast) -> Evidence:
    """How well a linear model predicts the labels."""
    return Evidence(
        f"a linear model of half of the training images is right for {seen.held_out:.3f} of the other half and "
        f"{seen.across:.3f} of the {seen.split} images; a constant prediction is right for {seen.chance:.3f}",
        {"held_out": seen.held_out, "across": seen.across, "chance": seen.chance},
    )
