"""Small data, small networks, and the textbook's loop to compare with."""

import torch
import torch.nn.functional as F

from archspec.data.batches import BatchOptions, ResidentBatches
from archspec.data.images import ImageData
from archspec.data.order import epoch_order
from archspec.data.plan import InputPlan
from archspec.language.recipe import Recipe
from tests.layers import conv, sequence

CPU = torch.device("cpu")
PLAN = InputPlan(1, (8, 8))


def data(n=48, classes=4, split="train", seed=0, channels=1):
    """Images that can be learnt: each class is bright in its own rows."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    images = torch.randint(0, 120, (n, channels, 8, 8), dtype=torch.uint8, generator=generator)
    for i, label in enumerate(labels.tolist()):
        images[i, :, 2 * label : 2 * label + 2] += 120
    return ImageData(images, labels, tuple("abcdefgh"[:classes]), "stripes", split, "memory")


def recipe(**fields):
    return Recipe.model_validate({"data": "digits", "lr": 0.1, "batch_size": 10, "epochs": 3, **fields})


def network(dropout=0.0, classes=4, seed=1):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return sequence(
            (1, 8, 8), conv(4, 3), "batch_norm2d", "relu", "flatten", {"dropout": float(dropout)}, {"linear": classes}
        )


def batches(images, chosen, *, shuffle=True, device=CPU):
    size = chosen.images_per_step if shuffle else chosen.batch_size
    return ResidentBatches(images, PLAN, BatchOptions(size, shuffle, device, seed=chosen.seed))


def textbook(model, train, test, chosen, optimizer, scheduler=None, per_step=True):
    """The loop of every tutorial. Returns a (train loss, train accuracy, test loss, test accuracy) for each epoch."""
    rows = []
    for epoch in range(chosen.epochs):
        model.train()
        rows.append([*_pass(model, train, epoch_order(len(train), chosen.seed, epoch), chosen, optimizer, scheduler)])
        model.eval()
        with torch.no_grad():
            rows[-1] += _pass(model, test, torch.arange(len(test)), chosen)
    return rows


def _pass(model, images, order, chosen, optimizer=None, scheduler=None):
    total, hits = 0.0, 0
    for rows in order.split(chosen.batch_size):
        x, y = images.images[rows].float() / 255, images.labels[rows]
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
        total += loss.item() * len(rows)
        hits += (logits.argmax(1) == y).sum().item()
    return total / len(images), hits / len(images)
