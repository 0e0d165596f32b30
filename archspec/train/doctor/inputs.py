"""Inputs and labels that look broken, reported after the first batches."""

from __future__ import annotations

from typing import Final

from archspec.train.doctor.finding import Evidence, Figure, Finding, short
from archspec.train.doctor.history import FirstBatch, History

FAR_MEAN: Final = 5.0  # pixels scaled to 0…1 have a mean below 1, normalised ones about 0; raw bytes 30 to 200
FAR_STD: Final = 10.0  # 0.1 to 0.4; 1; 50 to 100
NARROW: Final = 0.01  # a deviation below this leaves the weights nothing to tell images apart by
FEW_LABELS: Final = 64  # so many of one class are no chance, unless the data are very lopsided

SURE_LABELS: Final = 5000  # a class with a thousandth of the images is missing among these once in 150 times
LOPSIDED: Final = 0.95  # of all labels

MEND: Final = "repair the data files"
INPUTS_FIRST: Final = "fix the inputs first: `normalize: {mean: …, std: …}` takes pixels scaled to 0…1"


def broken_inputs(history: History) -> Finding | None:
    """The first batch: not finite, constant, all images alike, or far from mean 0 and deviation 1."""
    batch = history.inputs
    trouble = out_of_range(batch) if batch is not None else None
    if batch is None or trouble is None:
        return None
    values: dict[str, Figure] = {"step": batch.step}
    if batch.finite:
        values |= {"mean": batch.mean, "std": batch.std}
    title, text, remedy = trouble
    return Finding("RUN349", batch.step, title, (Evidence(text, values),), remedy, sure=True)


def out_of_range(batch: FirstBatch) -> tuple[str, str, str] | None:
    """Title, fact and remedy; None for inputs that are sound."""
    figures = f"the first batch has mean {short(batch.mean)} and standard deviation {short(batch.std)}"
    if not batch.finite:
        return "the inputs are not numbers", "the first batch holds nan or infinite values", MEND
    if batch.std == 0:
        return "the inputs are constant", f"every value of the first batch is {short(batch.mean)}", MEND
    if batch.spread == 0:
        return "all images are the same", f"in the first batch no pixel differs between images; {figures}", MEND
    if abs(batch.mean) > FAR_MEAN or batch.std > FAR_STD or batch.std < NARROW:
        return "the inputs are not normalised", f"{figures}; near 0 and 1 is usual", INPUTS_FIRST
    return None


def one_class(history: History) -> Finding | None:
    """Every label is the same, or nearly every one: of all labels, or of so many that this is not chance."""
    seen = history.labels.total()
    if (not history.all_labels and seen < SURE_LABELS) or seen < FEW_LABELS:
        return None
    label, count = max(history.labels.items(), key=lambda item: item[1])
    if count < LOPSIDED * seen:
        return None
    values: dict[str, Figure] = {"step": history.step, "labels": seen, "label": label, "count": count}
    if count == seen:
        fact = Evidence(f"all {seen:,} labels seen up to step {history.step} are {label}", values)
        remedy = "check that the labels are read correctly: a network that always gives this class would be perfect"
        return Finding("RUN350", history.step, "the labels are all of one class", (fact,), remedy, sure=True)
    fact = Evidence(f"{count:,} of the {seen:,} labels seen up to step {history.step} are {label}", values)
    remedy = (
        f"compare accuracies with {count / seen:.3f}, which one answer for every image has; look at each class's own "
        "accuracy, and train on more images of the other classes"
    )
    return Finding(
        "RUN350", history.step, f"{100 * count / seen:.3g} % of the labels are of one class", (fact,), remedy, sure=True
    )
