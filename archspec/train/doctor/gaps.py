"""A network that does well in training and badly when it is evaluated, or the other way about: which of the reasons."""

from __future__ import annotations

from math import sqrt
from typing import Final

from archspec.train.doctor.chance import SIGMAS, chance_in
from archspec.train.doctor.finding import Evidence, Finding, percent, short
from archspec.train.doctor.history import Contrast, History, Modes, Score
from archspec.train.doctor.inputs import out_of_range
from archspec.train.doctor.stuck import without_dropout

WORSE: Final = 0.15  # of all images: what an epoch's figures must differ by to give cause for a second look
GAP: Final = 0.3  # nats between two modes, and
TIMES: Final = 1.25  # the lower loss
SETTLED: Final = 200  # steps after which running statistics should have arrived
HALF: Final = 0.5  # of the gap that the batch's own statistics close
UNLIKE: Final = 0.75  # of the images, for which a linear model can tell the split
LUCK: Final = 0.05
DUPLICATES: Final = 0.05  # of the evaluated images; Fashion-MNIST, MNIST and CIFAR have less than 0.01
HEART: Final = 0.1  # above chance, in training, of what is learnt by heart


def suspicious(history: History) -> bool:
    """Whether the last epoch's figures give cause to measure the modes and compare the splits."""
    if not history.epochs:
        return False
    row, chance = history.epochs[-1], chance_in(history)
    gap = row.train_accuracy - row.evaluated_accuracy
    if abs(gap) >= WORSE:
        return True
    lost = row.evaluated_accuracy <= (chance.accuracy if chance else 0) + LUCK
    return lost and row.train_accuracy >= row.evaluated_accuracy + WORSE / 2


def lags(history: History) -> Finding | None:
    """What is evaluated lags behind what is trained: batch norm's running statistics, or the weights' average."""
    modes = history.modes
    if modes is None or modes.step < history.step or not suspicious(history):
        return None
    if not history.ended and modes.step < SETTLED:
        return None  # a few steps after the start it must be so
    live = modes.without_dropout or modes.training
    if history.facts.batch_norm and _apart(live, modes.running):
        return _stale(history, modes, live)
    if modes.average is not None and _apart(modes.running, modes.average):
        fact = _scores(modes.step, "with the weights themselves", modes.running, "with their average", modes.average)
        return Finding(
            "RUN354", modes.step, "the average of the weights lags behind them", (fact,),
            "lower `ema`: to 0.99, say, or train for more steps", change={"train.ema": 0.99},
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
        text = "train for more steps, in smaller batches or for more epochs: at each the statistics move by a tenth"
    else:
        text = "lower the rate, or let it fall (`schedule: cosine`): the weights move faster than the statistics follow"
    change = {"train.schedule": "cosine"} if history.step >= SETTLED else None
    return Finding("RUN354", modes.step, "batch norm's running statistics are stale", tuple(facts), text, change=change)


def drops_too_much(history: History) -> Finding | None:
    """Dropout costs so much in training that little is learnt."""
    modes, chance = history.modes, chance_in(history)
    if modes is None or modes.step < history.step or modes.without_dropout is None or chance is None:
        return None
    if history.facts.dropout <= HALF:
        return None
    if not (_apart(modes.without_dropout, modes.training) and modes.training.loss > 0.75 * chance.loss):
        return None
    fact = _scores(modes.step, "without dropout", modes.without_dropout, "with it", modes.training)
    text, change = without_dropout()
    title = f"dropout {short(history.facts.dropout)} hides the images"
    return Finding("RUN355", modes.step, title, (fact,), text, change=change)


def differs(history: History) -> Finding | None:
    """The evaluated images are not like the training images, or their labels mean something else."""
    seen = history.contrast
    if seen is None or not _fails(history, seen):
        return None
    if _unlike(seen):
        title, text = f"the {seen.split} images are not like the training images", "prepare both splits in the same way"
    elif seen.held_out > lucky(seen) and seen.across <= min(lucky(seen), seen.held_out / 2):
        title = f"the {seen.split} labels do not mean what the training labels mean"
        text = "give both splits the same order of classes"
    else:
        return None
    return Finding("RUN357", history.step, title, (_images(seen), line_of(seen)), text, sure=True)


def by_heart(history: History) -> Finding | None:
    """The training images are memorised, and nothing of it holds for others: the labels are no use."""
    seen, chance = history.contrast, chance_in(history)
    if seen is None or chance is None or not history.epochs or not _fails(history, seen):
        return None
    row = history.epochs[-1]
    if row.evaluated_accuracy > max(chance.accuracy, seen.chance) + LUCK:
        return None
    if row.train_accuracy < chance.accuracy + HEART or seen.held_out > lucky(seen) or _unlike(seen):
        return None
    fact = Evidence(
        f"epoch {row.epoch}: train accuracy {row.train_accuracy:.3f}, {seen.split} accuracy "
        f"{row.evaluated_accuracy:.3f}",
        {"epoch": row.epoch, "train_accuracy": row.train_accuracy, "evaluated_accuracy": row.evaluated_accuracy},
    )
    return Finding(
        "RUN358", history.step, "the training labels do not depend on the images: they are memorised",
        (fact, line_of(seen)), "check whether labels belong to their images", sure=True,
    )


def leaks(history: History) -> Finding | None:
    """Evaluated images are training images too."""
    broken = history.inputs is not None and out_of_range(history.inputs) is not None
    if broken or history.shared < DUPLICATES:
        return None  # images that are all alike are of course in both
    split = history.epochs[-1].split if history.epochs else "test"
    fact = Evidence(
        f"{100 * history.shared:.3g} % of the {split} images are in the training set too, pixel by pixel",
        {"shared": history.shared},
    )
    text = f"remove them from one of the two: the {split} figures are too good"
    return Finding("RUN359", history.step, f"{split} images are training images", (fact,), text, sure=True)


def _fails(history: History, seen: Contrast) -> bool:
    """Whether the network does much worse on the evaluated split than in evaluation mode on a training batch."""
    row, modes = history.epochs[-1], history.modes
    if row.train_accuracy - row.evaluated_accuracy < WORSE / 2:
        return False
    return modes is None or modes.running.accuracy >= row.evaluated_accuracy + WORSE


def _unlike(seen: Contrast) -> bool:
    return seen.apart >= UNLIKE + (0.5 / sqrt(max(1, seen.images)))


def lucky(seen: Contrast) -> float:
    """What a guess reaches on half of the sample, with much luck."""
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
    """What a linear model says of the labels."""
    return Evidence(
        f"a linear model of half of the training images is right for {seen.held_out:.3f} of the other half and "
        f"{seen.across:.3f} of the {seen.split} images; one answer for every image is for {seen.chance:.3f}",
        {"held_out": seen.held_out, "across": seen.across, "chance": seen.chance},
    )
