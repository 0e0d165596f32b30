"""Checks that the data set of a recipe exists and matches its network, without training, torch or a download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from archspec.data import places
from archspec.data.check import splits_to_open
from archspec.data.files import broken
from archspec.data.folder import open_folder
from archspec.data.outputs import check_for_targets, losses_of
from archspec.data.plan import check_classes
from archspec.data.registry import TABLE_PREFIX, DatasetInfo, RunSplit, Split, folder_path
from archspec.data.suits import check_known_data, image_shape_of, input_plan, outputs_of
from archspec.data.survey import check_headers
from archspec.data.table import open_table
from archspec.diagnostics import Diagnostic, SpecError
from archspec.ir import Graph
from archspec.language.recipe import Recipe


def check_present(recipe: Recipe, graph: Graph, root: Path | None = None) -> tuple[Diagnostic, ...]:
    """Every reason why the data set of a recipe cannot be used; empty if it can.

    For a folder, the headers of its images are read. For a known data set, existence and size of its files are
    checked; their checksums are compared when it is used (or by `archspec data check`).
    """
    found: list[Diagnostic] = []
    try:
        input_shape = image_shape_of(graph)
        outputs = outputs_of(graph)
        info = check_known_data(recipe, input_shape, outputs)
    except SpecError as bad:
        return bad.diagnostics
    if recipe.data.startswith(TABLE_PREFIX):
        checks = [partial(_check_table, split, recipe, input_shape, graph) for split in get_args(Split)]
    elif info is None:
        path = folder_path(recipe.data)
        checks = [partial(_check_folder, path, split, recipe, input_shape, outputs) for split in splits_to_open(path)]
    else:
        checks = [partial(_check_files, info, split, root) for split in get_args(Split)]
    for check in checks:
        try:
            check()
        except SpecError as bad:
            found += bad.diagnostics
    return tuple(dict.fromkeys(found))


def _check_table(split: RunSplit, recipe: Recipe, input_shape: tuple[int, ...], graph: Graph) -> None:
    losses = losses_of(recipe, graph)
    data = open_table(recipe.data, split, input_shape[0], next(iter(losses.values())).kind)
    check_for_targets(recipe.data, losses, graph, data.classes)
    check_headers(data)


def _check_folder(path: Path, split: RunSplit, recipe: Recipe, input_shape: tuple[int, ...], outputs: int) -> None:
    input_plan(recipe.data, (input_shape[0], None, None), input_shape, recipe)
    data = open_folder(path, split, input_shape[0])
    check_classes(recipe.data, len(data.classes), outputs)
    check_headers(data)


def _check_files(info: DatasetInfo, split: Split, root: Path | None) -> None:
    if info.layout == "digits":
        from archspec.data import digits

        digits.find()
        return
    if info.reader is not None:
        from archspec.data.load import load

        load(info.name, split, root=root)
        return
    found = places.find(info, split, root)
    if found is None:
        raise places.not_found(info, split, root, "checking a spec downloads nothing")
    if info.archive is not None and found.name == info.archive.name:
        _check_size(found, info.archive.name, info.archive.size)
        return
    for file in info.files(split):
        path = places.present(found, file.name)
        if path.suffix != ".gz":  # the size of a compressed file is not known
            _check_size(path, file.name, file.size)


def _check_size(path: Path, name: str, size: int) -> None:
    found = path.stat().st_size
    if found != size:
        raise broken(path, f"has {found:,} bytes, {name} has {size:,}")


def check_recipes_present(
    recipes: Mapping[str, Recipe], graph: Graph, root: Path | None = None
) -> Iterator[Diagnostic]:
    """`check_present` for the recipes of a spec; each data set is checked once. "train": the default."""
    checked = []
    for name, recipe in recipes.items():
        use = recipe.data, recipe.normalize
        if use not in checked:
            checked.append(use)
            note = "needed by `train`" if name == "train" else f"needed by the recipe `{name}`"
            for problem in check_present(recipe, graph, root):
                yield replace(problem, notes=(*problem.notes, note))
