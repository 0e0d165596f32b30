"""A table of targets beside images, `table:FILE`: several labels or numbers for each image.

FILE is CSV, or Parquet with the extra `parquet`. A column has the images' paths, relative to the table; a column
`split` may say `train`, `val` or `test`; the others are the targets.
"""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from archspec.data.counter import key_of
from archspec.data.folder import ImageFolder
from archspec.data.registry import TABLE_PREFIX, RunSplit, expand_home
from archspec.diagnostics import Diagnostic, SpecError, error, listing, plural
from archspec.files import MiB, read_regular
from archspec.language.loss import LOSSES

if TYPE_CHECKING:
    import torch

MAX_BYTES: Final = 512 * MiB
TEST_SHARE: Final = 5  # without a column `split` one row in five is for the test
SHOWN: Final = 20  # missing images, or wrong values, that an error names
_IMAGES: Final = ("image", "path", "file", "filename")
_SPLITS: Final = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
_BITS: Final = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "0.0": 0.0, "1.0": 1.0}


@dataclass(frozen=True, slots=True)
class TableName:
    """What a recipe's `data` says of a table. image, targets, split: columns; None or none: by their usual names."""

    path: str
    image: str | None = None
    targets: tuple[str, ...] = ()
    split: str | None = None

    @classmethod
    def parse(cls, name: str) -> TableName:
        """Of `table:FILE` or `table:FILE?image=…&target=…&target=…&split=…`."""
        path, mark, query = name.removeprefix(TABLE_PREFIX).partition("?")
        if not mark:
            return cls(path)
        pairs = parse_qsl(query, keep_blank_values=True)
        one = dict(pairs)
        targets = tuple(value for key, value in pairs if key == "target")
        return cls(unquote(path), one.get("image"), targets, one.get("split"))


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a file, as text."""

    path: Path
    columns: Mapping[str, Sequence[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_table(path: Path) -> Table:
    """Read a CSV or Parquet file; no link is followed. Errors: RUN324."""
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as problem:
        text = "does not exist" if isinstance(problem, FileNotFoundError) else (problem.strerror or str(problem))
        raise error("RUN324", f"the table {path}: {text}", hint="name a CSV or Parquet file") from problem
    columns = _parquet(path, content) if path.suffix.lower() in (".parquet", ".pq") else _csv(path, content)
    if not columns or not next(iter(columns.values())):
        raise error("RUN324", f"the table {path} has no rows", hint="give it a head and a row for each image")
    return Table(path, columns)


def _csv(path: Path, content: bytes) -> dict[str, list[str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        message = f"the table {path} is not CSV in UTF-8: {problem}"
        raise error("RUN324", message, hint="save it as CSV, UTF-8") from problem
    head = [name.strip() for name in rows[0]] if rows else []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            raise error("RUN324", f"row {number} of the table {path} has {plural(len(row), 'value')}, the head has "
                        f"{len(head)}", hint="quote values that contain a comma")
    if len(set(head)) < len(head):
        raise error("RUN324", f"the table {path} has two columns of one name", hint="rename one of them")
    return {name: [row[k].strip() for row in rows[1:]] for k, name in enumerate(head)}


def _parquet(path: Path, content: bytes) -> dict[str, list[str]]:
    try:
        from pyarrow import ArrowException  # type: ignore[import-not-found, import-untyped, unused-ignore]
        from pyarrow.parquet import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
            read_table as read_parquet,
        )
    except ImportError as missing:
        raise error("RUN324", f"the table {path} is Parquet, which needs the package pyarrow",
                    hint="pip install 'archspec-nn[parquet]', or save it as CSV") from missing
    try:
        table = read_parquet(io.BytesIO(content))
    except (ArrowException, OSError, ValueError) as problem:
        text = str(problem).splitlines()[0]
        raise error("RUN324", f"the table {path} is not Parquet: {text}", hint="save it again, or as CSV") from problem
    return {name: [_plain(value) for value in table.column(name).to_pylist()] for name in table.column_names}


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def open_table(name: str, split: RunSplit, channels: int, kind: str) -> ImageFolder:
    """One split of a table as a data set of image files with their targets. kind: of the loss, which says what a
    target is.

    Errors: RUN303 for channels other than 1 and 3; RUN324 for whatever is wrong with the table.
    """
    if channels not in (1, 3):
        raise error("RUN303", f"image files have 1 or 3 channels, the network's input has {channels}",
                    hint="write `input: [3, height, width]`")
    wanted = TableName.parse(name)
    table = read_table(expand_home(wanted.path))
    image, split_column, targets = _columns(table, wanted)
    rows, notices = _rows(table, split_column, split)
    paths = _paths(table, image)
    values, classes = _TARGETS[LOSSES[kind].metrics[0]](table, targets)
    samples = tuple((paths[row], row) for row in rows)
    source = f"{table.path} ({split})"
    return ImageFolder(samples, classes, channels, name, split, source, tuple(notices), targets=values)


def _columns(table: Table, wanted: TableName) -> tuple[str, str | None, tuple[str, ...]]:
    """The columns of images, splits and targets."""
    for column in (wanted.image, wanted.split, *wanted.targets):
        if column is not None and column not in table.columns:
            raise error("RUN324", f"the table {table.path} has no column `{column}`",
                        hint=f"its columns are {listing(table.columns)}")
    image = wanted.image or next((name for name in _IMAGES if name in table.columns), None)
    if image is None:
        raise error("RUN324", f"the table {table.path} has no column `image`: it has {listing(table.columns)}",
                    hint="name the column of the images: `data: {table: FILE, image: COLUMN}`")
    split = wanted.split or ("split" if "split" in table.columns else None)
    targets = wanted.targets or tuple(name for name in table.columns if name not in (image, split))
    if not targets:
        raise error("RUN324", f"the table {table.path} has no column of targets", hint="add a column for each target")
    return image, split, targets


def _rows(table: Table, column: str | None, split: RunSplit) -> tuple[list[int], list[str]]:
    """The rows of a split, and notices."""
    if column is None:
        return _drawn(table, split)
    found: list[int] = []
    for row, value in enumerate(table.columns[column]):
        if value.lower() not in _SPLITS:
            raise error("RUN324", f"row {row + 2} of the table {table.path} has the split `{value[:40]}`",
                        hint="write train, val or test")
        if _SPLITS[value.lower()] == split:
            found.append(row)
    if not found:
        name = "val" if split == "validation" else split
        raise error("RUN324", f"the table {table.path} has no row whose `{column}` is {name}",
                    hint=f"mark the {split} images as `{name}`")
    return found, []


def _drawn(table: Table, split: RunSplit) -> tuple[list[int], list[str]]:
    """Without a column of splits: every fifth row of a fixed random order is for the test."""
    if split == "validation":
        raise error("RUN371", f"the table {table.path} has no column `split`, and so no rows for validation",
                    hint="write a share of the training images: `validation: 0.1`")
    order = sorted(range(len(table)), key=lambda row: key_of(0, row, "table"))
    tested = set(order[: len(table) // TEST_SHARE])
    if not tested:
        raise error("RUN324", f"the table {table.path} has {plural(len(table), 'row')}, too few for a test set",
                    hint="add a column `split` with train and test, or more rows")
    found = [row for row in range(len(table)) if (row in tested) == (split == "test")]
    share = f"{len(tested):,} of {len(table):,} rows, always the same,"
    about = f"{table.path} has no column `split`: {share} are the test set"
    return found, [about] if split == "test" else []


def _paths(table: Table, column: str) -> list[Path]:
    """The images' files. Errors: RUN324, one with all that are missing or lead out of the table's folder."""
    folder = table.path.parent
    real = Path(os.path.realpath(folder))
    found, missing, outside = [], [], []
    for text in table.columns[column]:
        inner = PurePosixPath(text)
        path = folder / inner
        if not text or inner.is_absolute() or ".." in inner.parts:
            outside.append(text)
        elif not path.exists():
            missing.append(text)
        elif Path(os.path.realpath(path)) != real / inner:
            outside.append(text)
        found.append(path)
    problems = []
    if outside:
        problems.append(Diagnostic(
            "RUN324", f"{plural(len(outside), 'image')} of the table {table.path} must be in its folder, without "
            f"links: {listing(dict.fromkeys(outside), SHOWN)}", hint="write paths relative to the table, without `..`",
        ))
    if missing:
        problems.append(Diagnostic(
            "RUN324", f"{plural(len(missing), 'image')} of the table {table.path} do not exist: "
            f"{listing(dict.fromkeys(missing), SHOWN)}", hint="add the files, or remove their rows",
        ))
    if problems:
        raise SpecError(problems)
    return found


def _classes(table: Table, columns: Sequence[str]) -> tuple[torch.Tensor, tuple[str, ...]]:
    """One class for each row: int64 (rows,), numbered in the order of their names, or of numbers."""
    import torch

    if len(columns) > 1:
        raise error("RUN324", f"cross_entropy takes one column of classes, the table {table.path} has "
                    f"{listing(columns)}", hint="name it: `data: {table: FILE, target: COLUMN}`; several labels: bce")
    values = table.columns[columns[0]]
    if "" in values:
        raise _wrong_value(table, columns[0], values.index(""), "a class")
    whole = all(value.lstrip("-").isdecimal() for value in values)
    names = sorted(set(values), key=(lambda value: (int(value), value)) if whole else str)
    numbers = {name: k for k, name in enumerate(names)}
    return torch.tensor([numbers[value] for value in values]), tuple(names)


def _bits(table: Table, columns: Sequence[str]) -> tuple[torch.Tensor, tuple[str, ...]]:
    """A 0 or 1 for each label: float (rows, labels)."""
    return _numbers(table, columns, lambda text: _BITS[text.lower()], "0 or 1"), tuple(columns)


def _floats(table: Table, columns: Sequence[str]) -> tuple[torch.Tensor, tuple[str, ...]]:
    """A finite number for each target: float (rows, targets)."""
    return _numbers(table, columns, _finite, "a number"), tuple(columns)


def _numbers(table: Table, columns: Sequence[str], read: Callable[[str], float], what: str) -> torch.Tensor:
    import torch

    found = []
    for column in columns:
        numbers = []
        for row, text in enumerate(table.columns[column]):
            try:
                numbers.append(read(text))
            except (ValueError, KeyError):
                raise _wrong_value(table, column, row, what) from None
        found.append(numbers)
    return torch.tensor(found, dtype=torch.float32).T.contiguous()


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _wrong_value(table: Table, column: str, row: int, what: str) -> SpecError:
    value = table.columns[column][row]
    got = f"`{value[:40]}`" if value else "nothing"
    return error("RUN324", f"row {row + 2} of the table {table.path} has {got} as `{column}`, which must be {what}",
                 hint="correct it, or choose the targets' columns: `data: {table: FILE, target: [COLUMNS]}`")


_TARGETS: Final[Mapping[str, Callable[[Table, Sequence[str]], tuple[torch.Tensor, tuple[str, ...]]]]] = {
    "accuracy": _classes, "f1": _bits, "mae": _floats,  # by the metric that goes with the loss
}
