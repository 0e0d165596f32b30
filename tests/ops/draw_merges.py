"""Strategies of the ops with several inputs, and of attention."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.ops.draw import ANY, BATCH, SIZE, Case, fields, pair


@st.composite
def merge(draw: st.DrawFn, *, dim: bool, count: int | None = None) -> Case:
    """Some branches of one shape, then some dims changed: to 1, or (concat) along dim, or to anything."""
    shape = draw(ANY)
    drawn = draw(fields(dim_=st.integers(-len(shape), len(shape)))) if dim else {}
    inputs = [list(shape) for _ in range(count or draw(st.integers(1, 4)))]
    free = drawn.get("dim", 1)
    for x in inputs:
        if dim and -len(shape) <= free < len(shape):
            x[free] = draw(SIZE)
        for d in range(1, len(x)):
            if not draw(st.integers(0, 5)):
                x[d] = 1
        if not draw(st.integers(0, 9)):
            x[draw(st.integers(0, len(x) - 1))] = draw(SIZE)
    if not draw(st.integers(0, 9)):
        inputs[-1] = list(draw(ANY))
    return drawn, tuple(map(tuple, inputs))


@st.composite
def stack(draw: st.DrawFn) -> Case:
    shape = draw(ANY)
    inputs = [shape] * draw(st.integers(1, 4))
    if not draw(st.integers(0, 4)):
        inputs[-1] = draw(ANY)
    n = len(shape)
    return draw(fields(dim_=st.one_of(st.integers(1, n), st.integers(-n - 2, n + 1)))), tuple(inputs)


@st.composite
def changed(draw: st.DrawFn, inputs: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    """The inputs, sometimes with another size or rank in one of them."""
    if not draw(st.integers(0, 3)):
        x = draw(st.sampled_from(inputs))
        x[draw(st.integers(0, len(x) - 1))] = draw(SIZE)
    if not draw(st.integers(0, 9)):
        inputs[-1] = list(draw(ANY))
    return tuple(map(tuple, inputs))


LEAD = st.lists(st.integers(1, 3), min_size=0, max_size=2)  # dims between the batch and a matrix


@st.composite
def matmul(draw: st.DrawFn) -> Case:
    batch, lead, rows, inner, columns = (draw(s) for s in (BATCH, LEAD, SIZE, SIZE, SIZE))
    other = [1 if draw(st.booleans()) else size for size in lead]
    return {}, draw(changed([[batch, *lead, rows, inner], [batch, *other, inner, columns]]))


@st.composite
def attention(draw: st.DrawFn) -> Case:
    batch, lead, queries, keys, width, out = (draw(s) for s in (BATCH, LEAD, SIZE, SIZE, SIZE, SIZE))
    start = [batch, *lead]
    inputs = [[*start, queries, width], [*start, keys, width], [*start, keys, out]]
    if draw(st.booleans()):
        inputs.append([batch, *(1 if draw(st.booleans()) else size for size in (*lead, queries, keys))])
    return draw(fields(causal_=st.booleans(), scale_=st.sampled_from([None, 0.5, 1]))), draw(changed(inputs))


@st.composite
def multi_head(draw: st.DrawFn) -> Case:
    heads, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    total = heads * width if draw(st.integers(0, 4)) else draw(SIZE)
    batch, length = draw(BATCH), draw(SIZE)
    drawn = draw(fields(bias_=st.booleans(), dropout_=st.sampled_from([0.0, 0.5]), causal_=st.booleans()))
    inputs: tuple[tuple[int, ...], ...] = ((batch, length, total),)
    if draw(st.booleans()):
        drawn["memory"] = "other"
        inputs = (*inputs, (batch, draw(SIZE), total if draw(st.integers(0, 4)) else draw(SIZE)))
    if not draw(st.integers(0, 9)):
        inputs = (draw(ANY), *inputs[1:])
    return {"num_heads": heads, **drawn}, inputs


@st.composite
def windows(draw: st.DrawFn) -> Case:
    heads, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = (draw(BATCH), draw(SIZE), draw(SIZE), heads * width if draw(st.integers(0, 4)) else draw(SIZE))
    window = draw(st.one_of(st.integers(1, 4), st.lists(st.integers(1, 4), min_size=2, max_size=2)))
    smallest = min(window) if isinstance(window, list) else window
    shift = draw(st.one_of(st.none(), pair(0, smallest - 1)))
    drawn = {"num_heads": heads, "window_size": window, **draw(fields(bias_=st.booleans()))}
    return drawn if shift is None else drawn | {"shift_size": shift}, (shape,)
