"""Commands under `torchrun`: the one that trains in several processes, and those that run in one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from archspec.cli.console import tell

if TYPE_CHECKING:
    from archspec.train.distributed.process_group import ProcessGroup

F = TypeVar("F", bound=Callable[..., Any])
_LAUNCHED: Final = {"RANK", "WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"}  # set by torchrun and similar launchers


def in_processes(function: F) -> F:
    """Let the command join the processes that torchrun started. It gets `group: ProcessGroup` and its own `device`.

    Only process 0 prints. Without torchrun nothing changes. The option --fsdp is added.
    """

    @wraps(function)
    def wrapped(*args: Any, device: str, fsdp: bool, **kwargs: Any) -> Any:
        if not _LAUNCHED & os.environ.keys():
            _tell_of_one(fsdp)
            return function(*args, device=device, group=None, **kwargs)
        from archspec.backends.denormals import denormals_flushed
        from archspec.backends.device import pick_device
        from archspec.train.distributed.launch import group_of, join_group

        group = group_of(os.environ)
        if group.alone:
            _tell_of_one(fsdp)
            return function(*args, device=device, group=group, **kwargs)
        device = _own_device(device, group)
        click.get_current_context().with_resource(denormals_flushed())  # gloo's threads also add gradients
        with join_group(replace(group, sharded=fsdp), pick_device(device)) as group, _muted(not group.leads):
            return function(*args, device=device, group=group, **kwargs)

    option = click.option("--fsdp", is_flag=True, help="Under torchrun: shard a network that is too large for one "
                                                       "device.")
    return option(cast("F", wrapped))


def _tell_of_one(fsdp: bool) -> None:
    if fsdp:
        tell("note: --fsdp has no effect in one process; start several with torchrun")


def _own_device(device: str, group: ProcessGroup) -> str:
    """The device of this process: each process of a machine has its own GPU."""
    import torch

    if device.startswith("cuda:") and group.local_size > 1:
        raise click.UsageError(f"--device {device}: each of {group.local_size} processes needs a separate device: "
                               "write cuda")
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return f"cuda:{group.local_rank}"
    return device


@contextmanager
def _muted(on: bool) -> Iterator[None]:
    if not on:
        yield
        return
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def alone(function: F) -> F:
    """Let the command run in one process only. Raises UsageError under torchrun with several."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        size = os.environ.get("WORLD_SIZE", "1")
        if size != "1":
            name = click.get_current_context().info_name
            raise click.UsageError(f"`archspec {name}` runs in one process, not in {size}: leave torchrun out")
        return function(*args, **kwargs)

    return cast("F", wrapped)
