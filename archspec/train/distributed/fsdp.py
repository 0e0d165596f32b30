"""Networks that are too large for one device: each process holds a part of every parameter (FSDP2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archspec.backends.again import Again
from archspec.diagnostics import error
from archspec.language.recipe import Recipe
from archspec.train.callbacks import Callback, Phase
from archspec.train.distributed.process_group import ProcessGroup
from archspec.train.run import Run
from archspec.train.step.precision import Settings


def check_sharding(recipe: Recipe, settings: Settings) -> None:
    """Raise SpecError RUN334 for a setting that FSDP does not support."""
    unsupported = {
        "an average of the weights (`ema`)": recipe.ema is not None,
        "fp16, because all processes would need the same loss scale": settings.precision == "fp16",
        "activations as NHWC (--channels-last)": settings.channels_last,
        "a compiled step (--compile)": settings.compile,
    }
    for what, used in unsupported.items():
        if used:
            raise error("RUN334", f"--fsdp does not support {what}", hint="leave it out, or leave --fsdp out")


def shard(model: nn.Module, device: torch.device) -> nn.Module:
    """*Shard the parameters of `model`, which is on the CPU, over the processes and onto `device`, stage by stage.

    Returns the same module; its parameters are now DTensors. A stage gathers its parameters while it computes, so
    only one stage at a time is complete on the device. Raises SpecError RUN334 for a layer name that torch reserves.
    Source: Zhao et al. 2023, "PyTorch FSDP", and torch.distributed.fsdp.fully_shard.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for module in (model, *model.children()):
        check_free_names(module)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    for stage in _stages_run_whole(model):
        if any(True for _ in stage.parameters()):
            fully_shard(stage, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def _stages_run_whole(model: nn.Module) -> Iterator[nn.Module]:
    """The stages without layers that a `share` in another stage runs alone: those find their weights put together."""
    shared = [(path.partition(".")[0], part.owner) for path, part in model.named_modules() if isinstance(part, Again)]
    for name, stage in model.named_children():
        inside = {id(part) for part in stage.modules()} - {id(stage)}
        if not any(id(owner) in inside and place != name for place, owner in shared):
            yield stage


def check_free_names(module: nn.Module) -> None:
    """Raise SpecError RUN334 if a layer has the name of a method that `fully_shard` adds to its module."""
    from torch.distributed.fsdp import FSDPModule

    for name, _ in module.named_children():
        if hasattr(FSDPModule, name):
            raise error("RUN334", f"with --fsdp, torch adds a method `{name}` to the module that contains `{name}`",
                        hint="choose another name for it, or train without --fsdp")


def whole(tensors: Mapping[str, Tensor], group: ProcessGroup) -> dict[str, Tensor]:
    """*Gather sharded tensors on the CPU of process 0; the others get an empty dict. Without FSDP: the same tensors."""
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
    """Copy a whole tensor into a tensor of the same shape, or into this process's part of a sharded one."""
    if hasattr(target, "device_mesh"):
        from torch.distributed.tensor import distribute_tensor

        spread: Any = target
        source = source.to(target.device)  # every process has the whole source, so nothing is sent
        source = distribute_tensor(source, spread.device_mesh, spread.placements, src_data_rank=None)
    target.copy_(source)


def own_part(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds: all of it, unless it is sharded."""
    spread: Any = tensor
    part: Tensor = spread.to_local() if hasattr(tensor, "device_mesh") else tensor
    return part


class Partner(Callback):
    """Runs in the processes other than 0, and joins the collectives of process 0's callbacks on a sharded network."""

    phase = Phase.FOLDER

    def on_finish(self, run: Run) -> None:
        """Help process 0 to gather the weights."""
        whole(run.state.eval_model.state_dict(), run.runtime.group)
