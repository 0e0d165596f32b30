"""Opens the file that `init: {from: …}` names: checks it, and lists its tensors before any is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archspec.atomic_files import file_digest
from archspec.data.registry import expand_home
from archspec.diagnostics import SpecError, error
from archspec.files import is_folder, is_regular, kind_of
from archspec.language.finetuning import PICKLED, SAFE, TORCHVISION
from archspec.language.torchvision_files import FILES
from archspec.train.checkpoint.run_weights import run_weights
from archspec.train.pretrained.matching import TensorInfo
from archspec.train.run_dir.saved_options import no_run

if TYPE_CHECKING:
    from torch import Tensor

_KINDS: Final = "a .safetensors file, the folder of a run, or torchvision:NAME"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Trained weights in a file.

    source: the name that the user gave. prefix: of the names in the file; `tensors` omits it. ordered: whether they
    are in the order of the layers. digest: the SHA-256 of the file. notices: lines for the user.
    """

    source: str
    path: Path
    tensors: tuple[TensorInfo, ...]
    digest: str
    ordered: bool = False
    prefix: str = ""
    notices: tuple[str, ...] = ()
    held: Mapping[str, Tensor] | None = field(default=None, repr=False)

    def read(self, names: Collection[str]) -> dict[str, Tensor]:
        """Read tensors, to the CPU. Raises SpecError RUN363."""
        if self.held is not None:
            return {name: self.held[name] for name in names}
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt", device="cpu") as file:
                return {name: file.get_tensor(self.prefix + name) for name in names}
        except (SafetensorError, OSError) as problem:
            raise unfit(self.source, _safetensors_text(problem)) from problem


def open_weights(source: str) -> WeightsFile:
    """Open the weights that `source` names: a .safetensors file, a run folder, or torchvision:NAME.

    Paths are relative to the working folder. Nothing in a file is executed, and no link is followed. Raises SpecError
    RUN363 if the file does not exist or cannot be used; for a run also RUN314, RUN360 and RUN361.
    """
    if source.startswith(TORCHVISION):
        return _of_torchvision(source)
    path = expand_home(source)
    if is_folder(path):
        if not is_regular(path / "spec.yaml"):
            raise unfit(source, f"it is not the folder of a run: {no_run(path)}")
        file, prefix, notices = run_weights(path)
        return _safe(source, file, prefix, notices)
    kind = kind_of(path)
    if kind == "a link":
        raise unfit(source, "it is a link, which is not followed", f"name its target: {path.resolve()}")
    if kind is not None:
        raise unfit(source, f"it is {kind}, not a regular file")
    if not path.exists():
        raise unfit(source, "there is no such file or folder", f"name {_KINDS}")
    if path.suffix in PICKLED:
        raise unfit(source, "a .pth file is a pickle, which is only read if torchvision published it",
                    f"write `{TORCHVISION}{source}`, or save the weights as {SAFE}")
    return _safe(source, path)


def unfit(source: str, why: str, hint: str = f"name {_KINDS}", notes: tuple[str, ...] = ()) -> SpecError:
    """The error RUN363 for weights that cannot be used."""
    shown = source if len(source) <= 200 else f"{source[:199]}…"
    return error("RUN363", f"the weights {shown} cannot be used: {why}", hint=hint, notes=notes)


def _safe(source: str, path: Path, prefix: str = "", notices: tuple[str, ...] = ()) -> WeightsFile:
    from safetensors import SafetensorError, safe_open

    if kind := kind_of(path):  # a pipe would block
        raise unfit(source, f"{path.name} is {kind}, not a regular file")
    try:
        digest = file_digest(path)
        with safe_open(path, framework="pt", device="cpu") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            slices = {name: file.get_slice(name) for name in names}
            tensors = tuple(
                TensorInfo(name.removeprefix(prefix), tuple(part.get_shape()), str(part.get_dtype()))
                for name, part in slices.items()
            )
    except (SafetensorError, OSError) as problem:
        raise unfit(source, _safetensors_text(problem)) from problem
    return WeightsFile(source, path, tensors, digest, prefix=prefix, notices=notices)


def _of_torchvision(source: str) -> WeightsFile:
    from archspec.train.pretrained.pickled import DTYPES, UnfitError, read_pickled

    name = source.removeprefix(TORCHVISION)
    path = expand_home(name) if name.endswith(PICKLED) else _published(source, name)
    try:
        held, digest = read_pickled(path)
    except FileNotFoundError as problem:
        hint = f"write `{TORCHVISION}NAME` or `{TORCHVISION}PATH.pth`"
        raise unfit(source, "there is no such file", hint) from problem
    except OSError as problem:
        raise unfit(source, f"{path} {(problem.strerror or str(problem)).lower()}") from problem
    except UnfitError as problem:
        raise unfit(source, str(problem), "download it again, or save the weights as .safetensors") from problem
    tensors = tuple(TensorInfo(name, tuple(tensor.shape), DTYPES[tensor.dtype]) for name, tensor in held.items())
    return WeightsFile(source, path, tensors, digest, ordered=True, held=held)


def _published(source: str, name: str) -> Path:
    """The file of a model in torch's download cache; if there are several, the one that torchvision prefers."""
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    if name not in FILES:
        raise unfit(source, "torchvision publishes no weights of that name")
    found = next((folder / file for file in FILES[name] if (folder / file).exists()), None)
    if found is None:
        command = f"python -c \"import torchvision; torchvision.models.get_model('{name}', weights='DEFAULT')\""
        raise unfit(
            source, "they are not on this machine, and training downloads none",
            f"download them first: `{command}`; or write `{TORCHVISION}PATH.pth`",
            (f"looked in {folder} for {' and '.join(FILES[name])}",),
        )
    return found


def _safetensors_text(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return f"it {(problem.strerror or str(problem)).lower()}"
    text = " ".join(str(problem).split())[:200]
    return f"it is not a safetensors file: {text[:1].lower()}{text[1:]}"
