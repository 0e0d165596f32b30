"""Networks too large for one device: each process holds a part of every parameter (FSDP2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archspec.diagnostics import error
from archspec.language.recipe import Recipe
from archspec.train.callbacks import Callback, Phase
from archspec.train.distributed.process_group import ProcessGroup
from archspec.train.run import Run
from archspec.train.step.precision import Settings


def check_sharding(recipe: Recipe, settings: Settings) -> None:
    """Raise SpecError RUN334 for what does not go together with parameters that are spread over processes."""
    unfit = {
        "an average of the weights (`ema`)": recipe.ema is not None,
        "fp16, whose loss scale all processes would have to find together": settings.precision == "fp16",
        "activations as NHWC (--channels-last)": settings.channels_last,
        "a compiled step (--compile)": settings.compile,
    }
    for what, wanted in unfit.items():
        if wanted:
            raise error("RUN334", f"--fsdp does not support {what}", hint="leave it out, or leave --fsdp out")


def shard(model: nn.Module, device: torch.device) -> nn.Module:
    """*Spread the parameters of `model`, which is on the CPU, over the processes: on `device`, stage by stage.

    The same module, whose parameters are DTensors; a stage's are put together while it computes. Only one stage at a
    time is whole on the device. Source: Zhao et al. 2023, "PyTorch FSDP", and torch.distributed.fsdp.fully_shard.
    Raises SpecError RUN334 for a name that torch needs.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for module in (model, *model.children()):
        check_free_names(module)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for stage in model.children():
        if any(True for _ in stage.parameters()):
            fully_shard(stage, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def check_free_names(module: nn.Module) -> None:
    """Raise SpecError RUN334 where a layer has the name of a method that `fully_shard` gives its module."""
    from torch.distributed.fsdp import FSDPModule

    for name, _ in module.named_children():
        if hasattr(FSDPModule, name):
            raise error("RUN334", f"with --fsdp, torch gives the module of `{name}` a method of that name",
                        hint="choose another name for it, or train without --fsdp")


def whole(tensors: Mapping[str, Tensor], group: ProcessGroup) -> dict[str, Tensor]:
    """*The tensors put together, on the CPU, in process 0; the others keep nothing. If not spread, the tensors."""
    if not group.sharded:
        return dict(tensors)
    found = {}
    for name, tensor in tensors.items():
        spread: Any = tensor
        full: Tensor = spread.full_tensor() if hasattr(tensor, "device_mesh") else tensor
        if group.leads:
            found[name] = full.cpu()
    return found


@torch.no_grad()
def fill(target: Tensor, source: Tensor) -> None:
    """Copy a whole tensor into one of the same shape, or into the part of it that this process holds."""
    if hasattr(target, "device_mesh"):
        from torch.distributed.tensor import distribute_tensor

        spread: Any = target
        source = source.to(target.device)  # every process has it: nothing is sent
        source = distribute_tensor(source, spread.device_mesh, spread.placements, src_data_rank=None)
    target.copy_(source)


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    spread: Any = tensor
    part: Tensor = spread.to_local() if hasattr(tensor, "device_mesh") else tensor
    return part


class Partner(Callback):
    """In the other processes: does its part of what process 0's callbacks do with a network that is spread."""

    phase = Phase.FOLDER

    def on_finish(self, run: Run) -> None:
        """The weights are put together, to be written."""
        whole(run.state.eval_model.state_dict(), run.runtime.group)
