"""Reports inputs and labels that look broken after the first batches."""

from __future__ import annotations

from typing import Final

from archspec.train.doctor.finding import Evidence, Figure, Finding, short
from archspec.train.doctor.history import FirstBatch, History

FAR_MEAN: Final = 5.0  # the mean is below 1 for pixels scaled to 0…1, about 0 if normalised, 30 to 200 for raw bytes
FAR_STD: Final = 10.0  # the same for the deviation: 0.1 to 0.4, about 1, and 50 to 100
NARROW: Final = 0.01  # with a lower deviation the images can barely be distinguished
FEW_LABELS: Final = 64  # this many labels of one class are not an accident, unless the classes are very unbalanced

SURE_LABELS: Final = 5000  # a class with 0.1 % of the images is missing from these in one of 150 cases
LOPSIDED: Final = 0.95  # of all labels

REPAIR: Final = "repair the data files"
INPUTS_FIRST: Final = "fix the inputs first: `normalize: {mean: …, std: …}` takes pixels scaled to 0…1"


def broken_inputs(history: History) -> Finding | None:
    """The first batch is not finite, constant, the same for all images, or far from mean 0 and deviation 1."""
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
    """Title, evidence and remedy; None if the inputs are fine."""
    figures = f"the first batch has mean {short(batch.mean)} and standard deviation {short(batch.std)}"
    if not batch.finite:
        return "the inputs are not numbers", "the first batch holds nan or infinite values", REPAIR
    if batch.std == 0:
        return "the inputs are constant", f"every value of the first batch is {short(batch.mean)}", REPAIR
    if batch.spread == 0:
        return "all inputs are the same", f"in the first batch no value differs between inputs; {figures}", REPAIR
    if abs(batch.mean) > FAR_MEAN or batch.std > FAR_STD or batch.std < NARROW:
        return "the inputs are not normalised", f"{figures}; near 0 and 1 is usual", INPUTS_FIRST
    return None


def one_class(history: History) -> Finding | None:
    """All labels, or nearly all, are the same, among all labels or among enough of them."""
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
        f"compare accuracies with {count / seen:.3f}, the accuracy of a constant prediction; look at the accuracy of "
        "each class, and train on more samples of the other classes"
    )
    return Finding(
        "RUN350", history.step, f"{100 * count / seen:.3g} % of the labels are of one class", (fact,), remedy, sure=True
    )
