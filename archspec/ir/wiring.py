"""Whether an op takes the same values as before, once added and removed ops are left out."""

from __future__ import annotations

from collections.abc import Callable

from archspec.ir.align import Alignment, Step

# A lasting value by its name now, or None for that of an added or removed op; and the lasting values behind it.
Source = tuple[str | None, frozenset[str]]


class Wiring:
    """The values of two aligned networks. names: path of an op before → its path now."""

    def __init__(self, aligned: Alignment) -> None:
        self.names = {aligned.old[i].path: aligned.new[j].path for j, i in aligned.pairs.items()}
        self._removed = _sources(aligned.removed, self.renamed)
        self._added = _sources(aligned.added, str)

    def renamed(self, value: str) -> str:
        """A value of the first network by the name of its op now."""
        path, colon, port = value.partition(":")
        return self.names.get(path, path) + colon + port

    def explained(self, old: tuple[str, ...], new: tuple[str, ...]) -> bool:
        """Whether inputs are the same, in the same order, if the added and removed ops are left out.

        An added op stands for the values that it takes, a removed one as well.
        """
        before, after = ([*map(self._of_old, old)], [*map(self._of_new, new)])
        if [own for own, _ in before] == [own for own, _ in after]:
            return True
        rest = list(after)
        for own, through in before:
            match = next((k for k, other in enumerate(rest) if _same((own, through), other)), None)
            if match is None:
                if own is not None:  # a value that is still there is not taken any more
                    return False
                continue
            if any(other is not None for other, _ in rest[:match]):
                return False
            del rest[:match + 1]
        return all(own is None for own, _ in rest)

    def _of_old(self, value: str) -> Source:
        found = self._removed.get(value.partition(":")[0])
        return (self.renamed(value), frozenset([self.renamed(value)])) if found is None else (None, found)

    def _of_new(self, value: str) -> Source:
        found = self._added.get(value.partition(":")[0])
        return (value, frozenset([value])) if found is None else (None, found)


def _sources(left: list[Step], name: Callable[[str], str]) -> dict[str, frozenset[str]]:
    """The values of lasting ops, by their names now, on which each added or removed op depends."""
    found: dict[str, frozenset[str]] = {}
    alone = {step.path for step in left}
    for step in left:  # in order, so that an op comes after those that it takes
        parts = ((value.partition(":")[0], value) for value in step.takes)
        found[step.path] = frozenset().union(
            *(found[path] if path in alone else frozenset([name(value)]) for path, value in parts)
        )
    return found


def _same(old: Source, new: Source) -> bool:
    if old[0] is not None and new[0] is not None:
        return old[0] == new[0]
    return bool(old[1] & new[1])
