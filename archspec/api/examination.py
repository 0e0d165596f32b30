"""Load and check specs and libraries of blocks. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from archspec.api.checks import check_blocks, check_spec
from archspec.api.documents import OpenFile, open_document
from archspec.api.loaded import Loaded
from archspec.diagnostics import Diagnostic, SpecError
from archspec.language.detect import has_suffix
from archspec.language.errors import TooManyErrors, in_order
from archspec.language.files import Loader, Options
from archspec.language.input_override import InputShapes
from archspec.language.syntax import Errors, Program
from archspec.language.unknown import may_be_misspelt
from archspec.lower import Limits
from archspec.ops import OP_DOOR
from archspec.plugins import generation
from archspec.printing.diagnostics import Diagnostics
from archspec.source import DEFAULT_LIMITS, Document
from archspec.source import Limits as TextLimits
from archspec.source.origin import nearest_span

LIMITS = Limits()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Examined:
    """A spec and what is wrong with it.

    loaded: also there where nothing but `expect` fails. warnings: what is valid, and probably not what was meant;
    empty beside an error that leaves the network unknown. program: the syntax tree; None where there is none.
    """

    loaded: Loaded | None
    errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...] = ()
    program: Program | None = None


def load(source: Any, **options: Any) -> Loaded:
    """Load and check a spec. Takes what `examine` takes. Raises SpecError with every mistake that was found.

    Whether the network suits its recipes' data is not checked: it can be used without them.
    """
    if isinstance(source, Loaded) and not options.get("sets") and options.get("input") is None:
        return source
    found = examine(source, **options)
    if found.errors:
        raise SpecError(_in_words_of(source, found.errors))
    assert found.loaded is not None
    return found.loaded


def check(source: Any, **options: Any) -> Diagnostics:
    """Every mistake in a spec, those of its training included; empty if it is valid. Takes what `load` takes.

    The tuple prints as `archspec validate` does, and a notebook shows it with colours.
    """
    return Diagnostics(_in_words_of(source, examine(source, training=True, **options).errors))


def examine(
    source: Any, *, sets: Iterable[str] = (), includes: Iterable[str | Path] = (),
    input: Iterable[int] | Mapping[str, Iterable[int]] | None = None,
    limits: Limits = LIMITS, text_limits: TextLimits = DEFAULT_LIMITS, training: bool = False,
) -> Examined:
    """A spec with every mistake that was found in it; never raises for a user's mistake.

    source: a path, the bare name of a shipped spec, YAML text (a string with a line break), a mapping, an ArchSpec,
    a Loaded, or an OpenFile. sets: overrides such as `vars.num_classes=100`, `train.lr=0.1`. includes: further folders
    that it may read. input: another input shape (C, H, W), or shapes by input names. training: also check whether
    the network suits the data sets that its recipes name, as far as that is known without reading them.
    """
    options = Options(tuple(sets), tuple(map(Path, includes)), text_limits, _shapes(input))
    whole = source.data if isinstance(source, Loaded) else source
    loaded, program, errors = _load(whole, options, partial(check_spec, limits=limits, training=training))
    found = partial(_placed, source)
    return Examined(
        loaded, found(errors.sorted()), found(in_order(errors.warnings)) if loaded is not None else (), program
    )


def _placed(source: Any, found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Diagnostics of a spec made in Python, those without a text at the lines that made what they are about."""
    if not found or not hasattr(source, "origins"):
        return found
    origins = source.origins()
    return in_order(d if d.span is not None else replace(d, span=nearest_span(origins, d.path)) for d in found)


def _in_words_of(source: Any, found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """Diagnostics for who passed this source: those about Python with values as Python writes them."""
    if not found or not (isinstance(source, Mapping) or hasattr(source, "origins")):
        return found
    from archspec.diagnostics.python_values import written  # only mistakes need it
    from archspec.ops import OPS

    keywords = hasattr(source, "origins")
    return tuple([
        d if d.span is not None and has_suffix(d.span.path) else written(d, OPS, keywords=keywords) for d in found
    ])


def _shapes(given: Iterable[int] | Mapping[str, Iterable[int]] | None) -> InputShapes | None:
    if given is None:
        return None
    return {name: tuple(shape) for name, shape in given.items()} if isinstance(given, Mapping) else tuple(given)


def examine_library(
    source: Any, *, includes: Iterable[str | Path] = (), limits: Limits = LIMITS,
    text_limits: TextLimits = DEFAULT_LIMITS,
) -> Examined:
    """A library of blocks with every mistake that can be found without shapes: as in blocks that a spec never calls.

    source: as for `examine`. `loaded` stays None: a library has no network.
    """
    options = Options((), tuple(map(Path, includes)), text_limits)
    _, program, errors = _load(source, options, partial(check_blocks, limits=limits), library=True)
    return Examined(None, errors.sorted(), in_order(errors.warnings), program)


def program_of(data: Mapping[str, Any]) -> Program:
    """The syntax tree of a spec's whole data, such as `Loaded.data`. Raises SpecError."""
    _, program, errors = _load(data, Options(), lambda program, _: program)
    errors.raise_any()
    assert program is not None
    return program


def _load(
    source: Any, options: Options, checked: Callable[[Program, Errors], T | None], *, library: bool = False
) -> tuple[T | None, Program | None, Errors]:
    """The result of `checked`, the syntax tree, and the mistakes.

    Again with the ops of plugins if one is unknown, and with the names that misspelt definitions were meant to have.
    """
    attempt = partial(_load_once, source, options, checked, library=library)
    before = generation()
    result, program, errors = attempt()
    if any(d.code == "SPEC020" for d in errors.found) and (OP_DOOR.discover() or generation() > before):
        result, program, errors = attempt()
    if program is not None and may_be_misspelt(program, errors):
        from archspec.api.misspelt import beside_misspelt

        mended = beside_misspelt(program, errors, attempt)
        return (result if mended is errors else None), program, mended
    return result, program, errors


def _load_once(
    source: Any, options: Options, checked: Callable[[Program, Errors], T | None],
    mended: Callable[[Document], Document] = lambda text: text, *, library: bool,
) -> tuple[T | None, Program | None, Errors]:
    """As `_load`. mended: what to do with each text."""
    errors = Errors()
    program = None
    if isinstance(source, OpenFile):
        options = options._replace(texts=source.others)
    try:
        document, folder, root, stem = open_document(source, options)
        loader, text = Loader(root, options, errors, mended), mended(document)
        program = loader.library(text, folder) if library else loader.program(text, folder, stem)
        return (None if program is None else checked(program, errors)), program, errors
    except TooManyErrors:
        return None, program, errors
    except SpecError as e:
        with suppress(TooManyErrors):
            errors.extend(e.diagnostics)
        return None, program, errors
