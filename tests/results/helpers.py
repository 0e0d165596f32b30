"""Run folders as `archspec train` leaves them, without training."""

import json

SPEC = """archspec: 1
name: '{name}'
input: [1, 8, 8]
vars: {{width: {width}}}
stages: {{head: [flatten, linear: $width, relu, linear: 10]}}
train: {{data: digits, lr: {lr}, epochs: {epochs}, seed: {seed}}}
"""


def make_run(folder, *, name="net", lr=0.1, seed=0, width=4, accuracies=(0.5, 0.6), finished=True, findings=(), **recipe):
    """A run of as many epochs as there are accuracies."""
    folder.mkdir(parents=True)
    epochs = max(1, len(accuracies))
    (folder / "spec.yaml").write_text(SPEC.format(name=name, width=width, lr=lr, epochs=epochs, seed=seed))
    plain = {"data": "digits", "lr": lr, "batch_size": 64, "epochs": epochs, "seed": seed, **recipe}
    environment = {
        "format": 1, "started": f"2026-01-01T00:00:{seed:02}+00:00", "recipe": plain, "device": {"name": "a CPU"},
        "data": {"name": "digits", "train_images": 100, "test_images": 50, "limit_train": None, "limit_test": None},
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    rows = [
        {
            "epoch": k + 1, "train_loss": 1 - accuracy, "train_accuracy": accuracy, "test_loss": 1.1 - accuracy,
            "test_accuracy": accuracy, "images_per_s": 100.0, "seconds": 2.0, "peak_memory_bytes": (300 + k) << 20,
        }
        for k, accuracy in enumerate(accuracies)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "findings.json").write_text(json.dumps({"format": 1, "findings": list(findings)}))
    if finished:
        (folder / "weights.safetensors").write_bytes(b"")
    return folder
