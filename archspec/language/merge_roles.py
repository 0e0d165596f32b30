"""The branches of a merge whose branches have fixed names, such as `a` and `b` of `sub`."""

from __future__ import annotations

from typing import Any

from archspec.diagnostics import Hint, hints, listing
from archspec.language import fixes
from archspec.language.message_text import close, short
from archspec.language.syntax import At, Body, Errors
from archspec.ops import OPS, Merge


def in_roles(kind: str, branches: dict[str, Body], place: At, errors: Errors) -> dict[str, Body] | None:
    """The branches in the order of the op's inputs, whatever their order in the text.

    A wrong name is reported, and its branch taken for the one that was probably meant. None if a branch is missing. The
    branches themselves if the op takes any names.
    """
    op = OPS[kind]
    if not issubclass(op, Merge) or not op.roles:
        return branches
    free = [role for role in op.roles if role not in branches]
    named: dict[str, Body] = {}
    wrong = [name for name in branches if name not in op.roles]
    for name, body in branches.items():
        meant = name if name in op.roles else _meant(kind, name, op.roles, free, place / name, errors)
        if meant is not None:
            named[meant] = body
    missing = [role for role in op.roles if role not in named and role not in op.optional]
    if missing and not wrong:
        each = ", ".join(f"{role}: …" for role in missing)
        errors.add("SPEC043", f"`{kind}` lacks {_branches(missing)}", place, key=True, hint=f"add `{each}`")
    return None if missing else {role: named[role] for role in op.roles if role in named}


def branches_example(kind: str, other: str = "main: […], skip: […]") -> str:
    """The branches of a merge, for a hint; `other` for one that takes any names."""
    op = OPS[kind]
    roles = [role for role in op.roles if role not in op.optional] if issubclass(op, Merge) else []
    return ", ".join(f"{name}: […]" for name in roles) or other


def factor_meant(kind: str, number: Any) -> str | None:
    """The remedy for `mul: 2` and `div: 2`, by which a factor was meant and no branches."""
    op = OPS[kind]
    power = op.scales if issubclass(op, Merge) else 0
    if not power or isinstance(number, bool) or not isinstance(number, int | float):
        return None
    if not 1e-300 < abs(number) < 1e300:  # 0, nan, and what is too large for a float
        return None
    return f"a fixed factor is `scale`: write `scale: {number**power:.12g}`"


def _meant(
    kind: str, name: str, roles: tuple[str, ...], free: list[str], at: At, errors: Errors
) -> str | None:
    """Report a wrong name. The role for which it is taken, which is then no longer free; None if all are given."""
    near = close(name, free)
    meant = near or (free[0] if free else None)
    if meant is None:
        hint: str = fixes.removed("remove it", at)
    else:
        hint = hints.near(meant) if near else Hint(f"name it `{meant}`", meant)
        free.remove(meant)
    message = f"`{kind}` has no branch `{short(name)}`: it has {_branches(list(roles))}"
    errors.add("SPEC043", message, at, key=True, hint=hint)
    return meant


def _branches(names: list[str]) -> str:
    return f"the {'branch' if len(names) == 1 else 'branches'} {listing(f'`{name}`' for name in names)}"
