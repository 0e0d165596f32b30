"""Is what archspec builds as fast as the same network written by hand?

Forward in inference mode, and a training step (forward, cross-entropy, backward, SGD), with equal weights and images.
Wanted: a ratio within 1 ± 0.05.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import networks
import torch
import torch.nn.functional as F
from common import ROOT, alternate, calls_for, rounds_option, show_place, show_table
from torch import Tensor, nn

import archspec

BATCH_SIZES = {"lenet": 256, "googlenet": 32, "resnet18": 16}
SPECS = {"resnet18": "resnet18_96"}  # the others have their source's image size in their own spec
TURN_S = 0.3  # how long a contestant's turn in a round is
WANTED = 0.05


def copy_weights(source: nn.Module, target: nn.Module) -> None:
    """Parameters and buffers in order, which is the order of the layers in both."""
    with torch.no_grad():
        for old, new in zip(chain(source.parameters(), source.buffers()),
                            chain(target.parameters(), target.buffers()), strict=True):
            new.copy_(old)


def inference(model: nn.Module, images: Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def run() -> object:
        return model(images)

    return run


def training(model: nn.Module, images: Tensor, labels: Tensor) -> Callable[[], object]:
    # So small a rate that the networks do not diverge: denormal numbers and NaN take other times.
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)

    def run() -> None:
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return run


def compare(name: str, batch_size: int, rounds: int) -> list[list[str]]:
    torch.manual_seed(0)
    loaded = archspec.load(ROOT / "specs" / f"{SPECS.get(name, name)}.yaml")
    models = {"archspec": archspec.build(loaded), "by hand": getattr(networks, name)()}
    copy_weights(models["archspec"], models["by hand"])
    images = torch.randn(batch_size, *loaded.report.input_shape)
    labels = torch.randint(10, (batch_size,))
    outputs = [model.eval()(images) for model in models.values()]
    torch.testing.assert_close(*outputs)
    rows = []
    for what in ("forward", "training step"):
        runs = {}
        for who, model in models.items():
            model.train(what != "forward")
            runs[who] = inference(model, images) if what == "forward" else training(model, images, labels)
        times = alternate(runs, rounds, calls=max(calls_for(run, TURN_S) for run in runs.values()))
        ratio = times["archspec"].over(times["by hand"])
        rows.append([
            name, what, str(batch_size), *(times[who].text(1000, 2) for who in models), ratio.text(digits=3),
            f"1 ± {WANTED}", str(rounds),
        ])
    return rows


def main() -> None:
    options = rounds_option(20, threads=torch.get_num_threads())
    torch.set_num_threads(options.threads)
    show_place(["torch"])
    rows = [row for name, batch_size in BATCH_SIZES.items() for row in compare(name, batch_size, options.rounds)]
    show_table(
        ["network", "what", "batch", "archspec, ms", "by hand, ms", f"ratio ({options.threads} threads)", "wanted",
         "rounds"], rows,
    )


if __name__ == "__main__":
    main()
