"""Records of runs that look like real ones, without a run: as many as a test asks for."""

import json
import math
import random
from pathlib import Path

from archspec.results.record import RunRecord
from archspec.train.report.confusion_data import NAME
from archspec.train.summary import EpochResult

MACHINES = ("Intel Xeon", "AMD EPYC")


def generated(count, *, epochs=20, seeds=3, folder=Path("runs/sweep-lenet/trials"), many=False):
    """Rates × optimizers × widths × seeds. many: rates drawn from a range instead of a few."""
    source = random.Random(7)
    found = []
    for k in range(count):
        point, seed = divmod(k, seeds)
        lr = float(f"{10 ** source.uniform(-4, 0.5):.3g}") if many and seed == 0 else (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)[point % 6]
        if many and seed:
            lr = found[-1].settings["train.lr"]
        optimizer, width = ("sgd", "adam")[point // 6 % 2], (8, 16, 32, 64)[point // 12 % 4]
        batch = (64, 128, 256)[point // 48 % 3]
        found.append(record(folder / f"{k:04x}", source, lr, optimizer, width, batch, seed, epochs))
    return found


def record(path, source, lr, optimizer, width, batch, seed, epochs):
    best = 0.93 - 0.05 * (math.log10(lr) + (1.2 if optimizer == "sgd" else 2.4)) ** 2 + 0.02 * math.log2(width / 8) - (batch > 64) * 0.01
    best = max(0.1, min(0.985, best + source.gauss(0, 0.004)))
    diverges = lr >= 3 and optimizer == "adam"
    rows = []
    for epoch in range(1, epochs + 1):
        accuracy = 0.1 + (best - 0.1) * (1 - math.exp(-epoch / 4)) + source.gauss(0, 0.003)
        loss = float("nan") if diverges and epoch > 5 else 2.4 * (1 - accuracy) + 0.02 + abs(source.gauss(0, 0.01))
        accuracy = 0.1 if diverges and epoch > 5 else min(1.0, accuracy)
        rows.append(EpochResult(epoch, loss * 0.95, min(1.0, accuracy + 0.01), loss, accuracy, 9000 / width * 8, 2.5 * width / 8, "test", epoch * 100, lr, None, (200 + width) << 20))
    findings = ({
        "code": "TRAIN501", "step": 540, "until": None, "title": "the loss is not a number", "advice": f"lower the rate: {lr / 10:g}",
        "evidence": [{"text": f"the rate is {lr:g}", "values": {}}],
    },) if diverges else ()
    settings = {
        "train.data": "digits", "train.lr": lr, "train.optimizer": optimizer, "train.batch_size": batch, "train.epochs": epochs, "vars.width": width,
    }
    environment = {
        "versions": {"archspec": "0.2.0", "python": "3.11.7", "torch": "2.9.0"}, "platform": "Linux-6.1-x86_64", "cpu": MACHINES[seed % 2],
        "device": {"type": "cpu", "name": "CPU"}, "threads": 1, "world": 1, "settings": {"precision": "fp32"},
        "data": {"name": "digits", "train_images": 500, "test_images": 355, "limit_train": 500, "limit_test": None, "root": None},
    }
    digest = f"{lr} {optimizer} {width} {batch}"
    return RunRecord(
        path=path, network="lenet", status="finished", started="2026-01-01T00:00:00+00:00", seed=seed, digest=digest, settings=settings,
        epochs=tuple(rows), criterion="accuracy", test={"loss": rows[-1].evaluated_loss, "accuracy": rows[-1].evaluated_accuracy},
        findings=findings, params=7000 * width, macs=60_000 * width, device="CPU", environment=environment,
    )


def keep_matrix(folder, names="0123456789", right=90):
    """A confusion.json in a run's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = [[k, k, right] for k in range(len(names))] + [[k, (k + 3) % len(names), 10] for k in range(len(names))]
    data = {"format": 1, "names": list(names), "classes": len(names), "counts": counts}
    (folder / NAME).write_text(json.dumps(data))
