"""Checks all images of a folder before they are used, so that one run finds every broken image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from archspec.data.decode import BadImage, Facts, look
from archspec.data.folder import ImageFolder
from archspec.data.pool import Decoders, default_workers, image_text
from archspec.data.registry import data_argument
from archspec.diagnostics import Diagnostic, SpecError, one_line, plural

Progress = Callable[[str], None]
_CHUNK: Final = 256  # requests to send before their results arrive
_TOGETHER: Final = 64  # headers per request
_FEW: Final = 2000  # reading this many headers is faster than starting a process
_DECODED: Final = 10_000  # up to this many images are all decoded if one is broken, which takes some seconds
SHOWN: Final = 20  # broken images that are named individually


@dataclass(slots=True)
class Survey:
    """The results of checking the images of a split.

    problems: one for each image that cannot be used. sizes: (H, W) of the upright images. turned: the number of images
    that are turned upright by their EXIF orientation. deep: the number of images with more than 8 bits. frames: the
    number of images with several frames (only known if whole files were read).
    """

    images: int = 0
    problems: list[Diagnostic] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    modes: Counter[str] = field(default_factory=Counter)
    turned: int = 0
    deep: int = 0
    frames: int = 0

    def add(self, found: Facts | Diagnostic) -> None:
        """Add the result for an image."""
        self.images += 1
        if isinstance(found, Diagnostic):
            self.problems.append(found)
            return
        self.sizes[found.height, found.width] += 1
        self.formats[found.format] += 1
        self.modes[found.mode] += 1
        self.turned += found.turned
        self.deep += found.deep
        self.frames += found.frames

    def notices(self, source: str = "") -> tuple[str, ...]:
        """Lines about conversions that the user may not expect. source: where the images are, for the text."""
        where = one_line(source and f" of {source}")
        notices = []
        if self.turned:
            notices.append(f"{_are(self.turned, where)} turned upright by the EXIF orientation")
        if self.deep:
            notices.append(f"{_are(self.deep, where)} scaled to 8 bits: white of the greater depth becomes 255")
        if self.frames:
            notices.append(f"{plural(self.frames, 'image')}{where} with several frames: only the first frame is used")
        return tuple(notices)


def _are(number: int, where: str) -> str:
    return f"{plural(number, 'image')}{where} {'is' if number == 1 else 'are'}"


def survey(data: ImageFolder, channels: int | None, *, whole: bool, workers: int | None = None) -> Survey:
    """Check all images of a split: their headers or, with `whole`, every pixel.

    channels: 1 or 3, of the network's input; None for either. Faults are in the result, not raised.
    """
    found = Survey()
    if not whole and len(data) <= _FEW:
        for index in range(len(data)):
            found.add(_header(data, index, channels))
        return found
    decoders = Decoders(default_workers() if workers is None else workers)
    try:
        numbered = enumerate(path for path, _ in data.samples)
        for result in _looks(decoders, numbered, channels) if whole else _headers(decoders, data, channels):
            found.add(result)
    finally:
        decoders.close()
    return found


def _header(data: ImageFolder, index: int, channels: int | None) -> Facts | Diagnostic:
    path, _ = data.samples[index]
    try:
        return look(path, channels)
    except BadImage as bad:
        return _problem(path, index, bad)


def _problem(path: Path, index: int, bad: BadImage) -> Diagnostic:
    return Diagnostic(bad.code, image_text(path, index, bad.message), hint=bad.hint)


def _headers(decoders: Decoders, data: ImageFolder, channels: int | None) -> Iterator[Facts | Diagnostic]:
    """Read headers, many per request, because a request takes longer than reading a header."""
    numbered = enumerate(path for path, _ in data.samples)
    groups = iter(lambda: list(islice(numbered, _TOGETHER)), [])
    while ahead := [(g, decoders.headers([path for _, path in g], channels)) for g in islice(groups, _CHUNK)]:
        for group, job in ahead:
            try:
                found = job.result()
            except SpecError:  # one of them ended the process: find out which
                yield from _looks(decoders, iter(group), channels)
            else:
                for (index, path), one in zip(group, found, strict=True):
                    yield _problem(path, index, one) if isinstance(one, BadImage) else one


def _looks(
    decoders: Decoders, numbered: Iterator[tuple[int, Path]], channels: int | None
) -> Iterator[Facts | Diagnostic]:
    while jobs := [decoders.look(path, channels, index) for index, path in islice(numbered, _CHUNK)]:
        for job in jobs:
            try:
                yield job.result()
            except SpecError as bad:
                yield from bad.diagnostics


def check_headers(
    data: ImageFolder, *, progress: Progress | None = None, workers: int | None = None, decode: bool = False
) -> ImageFolder:
    """The folder, completed with the common size of its images and with notices from their headers.

    decode: also find damage after the headers, unless there are very many images.
    Errors: RUN303, RUN305 or RUN307 for all images that cannot be used (see `all_problems`).
    """
    if progress is not None and len(data) > _FEW:
        progress(f"checking the headers of {plural(len(data), 'image')} of {data.source}")
    found = survey(data, data.channels, whole=decode and len(data) <= _DECODED, workers=workers)
    if found.problems:
        raise all_problems(found.problems, data)
    size = next(iter(found.sizes)) if len(found.sizes) == 1 else None
    return replace(data, size=size, notices=data.notices + found.notices(data.source))


def all_problems(problems: Iterable[Diagnostic], data: ImageFolder) -> SpecError:
    """The error for all images that cannot be used: the first SHOWN by name, RUN309 for the others.

    Several images that do not match the network count as one mistake of the network or the data set.
    """
    ordered = list(problems)
    unsuited = [problem for problem in ordered if problem.code == "RUN303"]
    if len(unsuited) > 1:
        of = f"{len(unsuited):,} of {plural(len(data), 'image')} of {data.source} do not match the network"
        first = replace(unsuited[0], message=f"{of}; the first: {unsuited[0].message}")
        ordered = [first, *(problem for problem in ordered if problem.code != "RUN303")]
    shown, rest = ordered[:SHOWN], ordered[SHOWN:]
    if rest:
        shown.append(Diagnostic(
            "RUN309", f"{plural(len(rest), 'more image')} of {data.source} cannot be used",
            hint=f"`archspec data check {data_argument(data.name.partition(':')[2])}` names all of them",
        ))
    return SpecError(shown)
