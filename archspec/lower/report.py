"""Reports mistakes that lowering finds: where each is shown, and where its block was called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from archspec.language.errors import Place
from archspec.language.syntax import At, Block, Errors
from archspec.lower.values import Scope


class Reporter:
    """Collects mistakes. A mistake inside a library's block is shown where the user's own file calls the block.

    foreign: the names of the documents that are libraries.
    """

    def __init__(self, errors: Errors, foreign: frozenset[str]) -> None:
        self.errors = errors
        self.foreign = foreign
        self._again: tuple[At, ...] = ()  # the places of the `share`s whose layers are being lowered
        self._held: list[tuple[str, Callable[[], None]]] | None = None

    def tell(
        self, code: str, message: str, at: At | None, scope: Scope | None = None, *, notes: Iterable[str] = (),
        related: Iterable[Place] = (), hint: str | None = None, subject: object = None,
    ) -> None:
        """Report a mistake at a place in a body whose scope is `scope`."""
        context, call = self.context(at, scope)
        add = partial(self.errors.add, code, message, at, notes=notes, hint=hint, call=call, subject=subject,
                      related=[*context, *((place, "run again here") for place in self._again), *related])
        if self._held is None:
            add()
        else:
            self._held.append((code, add))

    @contextmanager
    def again(self, place: At) -> Iterator[None]:
        """Inside, mistakes are in layers that the `share` at `place` runs again."""
        before, self._again = self._again, (*self._again, place)
        yield
        self._again = before

    @property
    def holding(self) -> bool:
        """Whether reports are held back, and may be dropped: see `doubtful`."""
        return self._held is not None

    def is_reported(self, code: str, at: At, scope: Scope) -> bool:
        """Whether this is already reported, so that the caller can skip making its notes."""
        return self.errors.is_reported(code, at, self.context(at, scope)[1])

    @contextmanager
    def doubtful(self, unlikely: frozenset[str]) -> Iterator[list[str]]:
        """Hold back reports until the end; then drop all of them if one has a code in `unlikely`.

        Yields a list that has their codes at the end. Used after a guess: if the guess leads to such a mistake, it
        was wrong.
        """
        outer, self._held = self._held, []
        codes: list[str] = []
        try:
            yield codes
        finally:
            held, self._held = self._held, outer
        codes.extend(code for code, _ in held)
        if not unlikely.intersection(codes):
            for code, add in held:
                if outer is None:
                    add()
                else:
                    outer.append((code, add))

    def context(self, at: At | None, scope: Scope | None) -> tuple[list[Place], At | None]:
        """Where the block around `at` is called, and the call at which a mistake in a library is shown."""
        if at is None or scope is None or not scope.calls:
            return [], None
        block, call = scope.calls[-1]
        if at.document.name not in self.foreign:
            return ([(call, f"block `{block.name}` is called here")] if _lies_in(at, block) else []), None
        own = [(block, call) for block, call in scope.calls if call.document.name not in self.foreign]
        if not own:
            return [], None
        block, call = own[-1]
        return [(at, f"in block `{block.name}`")], call


def _lies_in(at: At, block: Block) -> bool:
    path = block.at.path
    return at.document is block.at.document and at.path[: len(path)] == path
