"""The settings to choose from, and the combinations that are worth a try."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch

from archspec.diagnostics import SpecError, plural
from archspec.train.step.precision import PRECISIONS, Precision, Settings, check_settings, pick_precision


@dataclass(frozen=True, slots=True)
class Candidate:
    """One combination of settings. threads: of the CPU."""

    settings: Settings
    threads: int

    def text(self) -> str:
        """A description: `bf16, NHWC, own kernels, 2 threads`."""
        chosen = self.settings
        words = [chosen.precision, "NHWC" if chosen.channels_last else "NCHW"]
        if chosen.own_kernels:
            words.append("own kernels")
        if chosen.compile:
            words.append("CUDA graphs" if chosen.cuda_graphs else "compiled")
        return ", ".join([*words, plural(self.threads, "thread")])


    def options(self) -> str:
        """The options of `archspec train` that select it."""
        chosen = self.settings
        flags = {
            "--channels-last": chosen.channels_last, "--own-kernels": chosen.own_kernels,
            "--compile": chosen.compile and not chosen.cuda_graphs, "--cuda-graphs": chosen.cuda_graphs,
        }
        words = ["--precision", chosen.precision, *(flag for flag, on in flags.items() if on)]
        return " ".join([*words, "--threads", str(self.threads)])


@dataclass(frozen=True)
class Space:
    """The values to try for each setting; one value if the user has fixed the setting."""

    precision: tuple[Precision, ...]
    channels_last: tuple[bool, ...] = (False, True)
    own_kernels: tuple[bool, ...] = (False,)
    compile: tuple[bool, ...] = (False, True)
    cuda_graphs: tuple[bool, ...] = (False,)
    threads: tuple[int, ...] = field(default_factory=lambda: thread_counts(torch.get_num_threads()))

    @classmethod
    def of(cls, device: torch.device, **fixed: Any) -> Space:
        """All settings that `device` supports. fixed: settings, and `threads`, with given values."""
        cuda = device.type == "cuda"
        whole = cls(
            precision=precisions(device),
            own_kernels=(False,) if cuda else (False, True),
            cuda_graphs=(False, True) if cuda else (False,),
            threads=(torch.get_num_threads(),) if cuda else thread_counts(torch.get_num_threads()),
        )
        return replace(whole, **{name: (value,) for name, value in fixed.items()})

    def first(self) -> Iterator[Candidate]:
        """Every precision in every layout, with and without archspec's own kernels: these have the largest effect.

        None of them is compiled, even if the user requires it, because most of them are soon rejected.
        """
        for precision, last, own in product(self.precision, self.channels_last, self.own_kernels):
            settings = Settings(precision, last, own)
            yield Candidate(settings, self.threads[0])

    def around(self, best: Candidate) -> Iterator[Candidate]:
        """The best candidate so far with other numbers of threads."""
        for threads in self.threads[1:]:
            yield replace(best, threads=threads)

    def compiled(self, best: Candidate) -> Iterator[Candidate]:
        """The best candidate so far, compiled; compiling takes long before the first step."""
        if True in self.compile:
            for graphs in self.cuda_graphs:
                yield replace(best, settings=replace(best.settings, compile=True, cuda_graphs=graphs))


def precisions(device: torch.device) -> tuple[Precision, ...]:
    """The precisions to try on `device`; not fp16 on a CPU, because it is slow on all current CPUs."""
    found = []
    for precision in PRECISIONS:
        if precision == "fp16" and device.type == "cpu":
            continue
        try:
            found.append(pick_precision(precision, device))
        except SpecError:
            continue
    return tuple(found)


def thread_counts(most: int) -> tuple[int, ...]:
    """The numbers of threads to try: all, then half of them, because hyper-threads share their arithmetic units."""
    return (most, most // 2) if most > 1 else (most,)


def possible(candidate: Candidate, device: torch.device) -> bool:
    """Whether `device` supports the candidate."""
    try:
        check_settings(candidate.settings, device)
    except SpecError:
        return False
    return True
