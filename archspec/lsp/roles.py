"""The role of a place in a body: a layer, arguments, or a value beside a layer."""

from __future__ import annotations

from archspec.language.parse import BESIDE, SEQUENTIAL, is_merge
from archspec.ops import OPS
from archspec.source.document import Path


def role(path: Path) -> tuple[str, str]:
    """The role of a path below `stages` or `blocks`, and the op or block that it belongs to.

    Roles: `layer`: a layer, or its keys; `arguments`: the arguments of the op or block; `argument`: one of them;
    `beside`: the value of `repeat` and similar keys; `params`: the params of a block.
    """
    steps = list(path[2:])
    if path[0] == "blocks" and steps[:1] == ["params"]:
        return "params", ""
    if path[0] == "blocks" and steps[:1] == ["body"]:
        steps.pop(0)
    while steps:
        step = steps.pop(0)
        if isinstance(step, int):  # an item of a body
            continue
        if step in BESIDE:
            return "beside", step
        if step == SEQUENTIAL:
            continue
        if not steps:
            return "arguments", step
        if is_merge(step):
            if steps[0] in OPS[step].model_fields:
                return "argument", step
            steps.pop(0)  # a branch: its body follows
        elif step in OPS or len(steps) == 1:
            return "argument", step
        else:
            steps.pop(0)  # an argument of a block, which may contain layers
    return "layer", ""
