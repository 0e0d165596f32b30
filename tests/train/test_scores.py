"""Metrics against their definitions, computed over a whole pass at once."""

import math

import pytest
import torch

from archspec.language.loss import LOSSES
from archspec.train.metrics import Meter
from archspec.train.scores import Score, score_of

CPU = torch.device("cpu")


def measured(kind, outputs, targets, sizes=(5, 3, 4), *, training=False):
    meter = Meter(len(sizes), CPU, score=score_of(LOSSES[kind](kind=kind)), training=training)
    start = 0
    for size in sizes:
        meter.add(torch.tensor(1.0), outputs[start : start + size], targets[start : start + size])
        start += size
    return meter.metrics()


def test_f1_and_exact_match_of_several_labels():
    torch.manual_seed(1)
    logits, bits = torch.randn(12, 4), torch.randint(2, (12, 4))
    found = measured("bce", logits, bits).figures()
    tp = fp = fn = exact = 0
    for row, wanted in zip((logits > 0).tolist(), bits.bool().tolist(), strict=True):
        tp += sum(a and b for a, b in zip(row, wanted, strict=True))
        fp += sum(a and not b for a, b in zip(row, wanted, strict=True))
        fn += sum(b and not a for a, b in zip(row, wanted, strict=True))
        exact += row == wanted
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    assert found == {"loss": 1.0, "f1": pytest.approx(2 * precision * recall / (precision + recall)),
                     "exact_match": exact / 12}


def test_f1_without_any_positive_is_0():
    assert measured("bce", -torch.ones(12, 4), torch.zeros(12, 4)).figures()["f1"] == 0


@pytest.mark.parametrize("offset", [0.0, 2000.0])  # years, say: the variance is small beside the mean
@pytest.mark.parametrize("kind", ["mse", "l1", "huber"])
def test_mae_and_r2(kind, offset):
    torch.manual_seed(2)
    y = torch.randn(12, 3, dtype=torch.float64) + offset
    prediction = y + 0.5 * torch.randn(12, 3)
    found = measured(kind, prediction, y).figures()
    residual = (y - prediction).square().sum(0)
    r2 = (1 - residual / (y - y.mean(0)).square().sum(0)).mean()
    assert list(found) == ["loss", "mae", "r2"]
    assert found["mae"] == pytest.approx((y - prediction).abs().mean().item())
    assert found["r2"] == pytest.approx(r2.item(), rel=1e-6)


def test_r2_of_a_target_that_does_not_vary_is_0():
    assert measured("mse", torch.ones(12, 1), torch.full((12, 1), 3.0)).figures()["r2"] == 0


def test_metrics_of_one_number_and_of_images():
    y = torch.arange(12.0)
    assert measured("mse", y + 1, y).figures()["r2"] == pytest.approx(1 - 12 / (y - y.mean()).square().sum().item())
    images = torch.randn(12, 2, 3, 3)
    flat = images.movedim(1, -1).reshape(-1, 2)
    spread = (flat - flat.mean(0)).square().sum(0)
    found = measured("mse", images * 0.5, images).figures()
    assert found["r2"] == pytest.approx((1 - (flat * 0.5).square().sum(0) / spread).mean().item())


def test_accuracy_of_pixels_leaves_ignored_ones_out():
    logits, labels = torch.randn(12, 4, 2, 2), torch.randint(4, (12, 2, 2))
    labels[0] = -100
    right = (logits.argmax(1) == labels)[1:].double().mean().item()
    assert measured("cross_entropy", logits, labels).accuracy == pytest.approx(right)


def test_top_5_beyond_10_outputs_and_in_evaluation_only():
    torch.manual_seed(3)
    logits, labels = torch.randn(12, 20), torch.randint(20, (12,))
    hits = sum(label in row.argsort(descending=True)[:5] for row, label in zip(logits, labels, strict=True))
    assert measured("cross_entropy", logits, labels).others == {"top5": hits / 12}
    assert not measured("cross_entropy", logits, labels, training=True).others
    assert not measured("cross_entropy", logits[:, :10], labels % 10).others


def test_a_loss_without_metrics():
    meter = Meter(1, CPU, score=Score())
    meter.add(torch.tensor(0.5), torch.zeros(3, 2), torch.zeros(3))
    found = meter.metrics()
    assert found.figures() == {"loss": 0.5}
    assert math.isnan(found.accuracy)


def test_a_meter_takes_the_tensors_of_another_as_a_checkpoint_does():
    y = torch.randn(4, 2)
    first, second = (Meter(2, CPU, score=score_of(LOSSES["mse"](kind="mse"))) for _ in range(2))
    first.add(torch.tensor(1.0), y + 1, y)
    second.sizes[:] = first.sizes
    second.allocate(first.tensors())
    for name, tensor in second.tensors().items():
        tensor.copy_(first.tensors()[name])
    for meter in (first, second):
        meter.add(torch.tensor(3.0), y, y)
    assert first.metrics() == second.metrics()
