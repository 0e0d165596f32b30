"""A Hypothesis strategy for every op: (fields, shapes of its inputs), most of them accepted, some refused.

Shapes are small, so that a real module runs in microseconds, and hold two or three samples, so that
batch normalisation has something to normalise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from hypothesis import strategies as st

from archspec.ops import OPS
from archspec.types import INTEGERS, TensorType

Case = tuple[dict[str, Any], tuple[tuple[int, ...], ...]]

BELOW = 7  # the integers of an op that takes them are 0 to 6
BATCH = st.integers(2, 3)
CHANNELS = st.sampled_from([1, 2, 3, 4, 6, 8])
SIZE = st.integers(1, 9)
IMAGE = st.tuples(BATCH, CHANNELS, SIZE, SIZE)
ANY = st.one_of(
    IMAGE, st.tuples(BATCH, CHANNELS), st.tuples(BATCH, SIZE, CHANNELS), st.tuples(BATCH, CHANNELS, SIZE, SIZE, SIZE)
)


SHAPES = {  # by rank
    1: st.tuples(BATCH, CHANNELS, st.integers(1, 12)), 2: IMAGE,
    3: st.tuples(BATCH, CHANNELS, st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
}


def types_of(name: str, shapes: Iterable[tuple[int, ...]]) -> tuple[TensorType, ...]:
    """The types of an op's inputs of these shapes: integers where it takes nothing else."""
    if OPS[name].dtypes == INTEGERS:
        return tuple([TensorType(shape, "int64", BELOW) for shape in shapes])
    return tuple(map(TensorType, shapes))


def random_of(x: TensorType, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """A random tensor of this type."""
    return torch.randint(x.below or 1, x.shape) if x.dtype == "int64" else torch.randn(x.shape, dtype=dtype)


def sizes(rank: int, low: int, high: int) -> st.SearchStrategy[Any]:
    """An integer, or a list of one for each axis, as YAML gives them."""
    one = st.integers(low, high)
    return st.one_of(one, st.lists(one, min_size=rank, max_size=rank))


def pair(low: int, high: int) -> st.SearchStrategy[Any]:
    """An integer, or a list of two, as YAML gives them."""
    one = st.integers(low, high)
    return st.one_of(one, st.lists(one, min_size=2, max_size=2))


def fields(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A dict of fields. Those whose name ends in an underscore may be left out."""
    required = {k: v for k, v in given.items() if not k.endswith("_")}
    optional = {k[:-1]: v for k, v in given.items() if k.endswith("_")}
    return st.fixed_dictionaries(required, optional=optional)


def on(shape: st.SearchStrategy[tuple[int, ...]], **given: st.SearchStrategy[Any]) -> st.SearchStrategy[Case]:
    """Fields and one input, drawn independently."""
    return st.tuples(fields(**given), st.tuples(shape))


@st.composite
def grouped(draw: st.DrawFn, case: st.SearchStrategy[Case]) -> Case:
    """A convolution whose channels groups usually divides."""
    drawn, (shape,) = draw(case)
    if draw(st.booleans()):
        groups = draw(st.integers(1, 4))
        drawn["groups"] = groups
        if draw(st.integers(0, 4)):
            drawn["out_channels"] *= groups
            shape = (shape[0], shape[1] * groups, *shape[2:])
    return drawn, (shape,)


PADDING_MODE = st.sampled_from(["zeros", "reflect", "replicate", "circular"])


def conv_fields(rank: int) -> dict[str, st.SearchStrategy[Any]]:
    return {
        "out_channels": st.integers(1, 6), "kernel_size": sizes(rank, 1, 4), "dilation_": sizes(rank, 1, 3),
        "bias_": st.booleans(),
    }


def conv(rank: int) -> st.SearchStrategy[Case]:
    shape, given, stride = SHAPES[rank], conv_fields(rank), sizes(rank, 1, 3)
    return grouped(st.one_of(
        on(shape, **given, stride_=stride, padding=sizes(rank, 1, 4)),
        on(shape, **given, padding=st.just("same"), padding_mode_=PADDING_MODE),
        on(shape, **given, stride_=stride, padding=sizes(rank, 0, 9), padding_mode_=PADDING_MODE),
        on(shape, **given, stride_=stride, padding_=st.sampled_from(["same", "valid"])),
    ))


def conv_transpose(rank: int) -> st.SearchStrategy[Case]:
    return grouped(on(
        SHAPES[rank], **conv_fields(rank), stride_=sizes(rank, 1, 3), padding_=sizes(rank, 0, 3),
        output_padding_=st.one_of(sizes(rank, 0, 1), sizes(rank, 0, 2)),
    ))


@st.composite
def pool(draw: st.DrawFn, rank: int, **given: st.SearchStrategy[Any]) -> Case:
    """A pool whose padding is usually at most half of its kernel."""
    stride = st.one_of(st.none(), sizes(rank, 1, 8))
    drawn = draw(fields(kernel_size=sizes(rank, 1, 6), stride_=stride, ceil_mode_=st.booleans(), **given))
    kernel = drawn["kernel_size"]
    half = min(kernel if isinstance(kernel, list) else [kernel]) // 2
    padding = draw(st.one_of(st.none(), sizes(rank, 0, half), sizes(rank, 0, half), sizes(rank, 0, 3)))
    if padding is not None:
        drawn["padding"] = padding
    return drawn, (draw(SHAPES[rank]),)


def zero_pad(rank: int) -> st.SearchStrategy[Case]:
    one = st.integers(0, 4)
    return on(SHAPES[rank], padding=st.one_of(one, st.lists(one, min_size=2 * rank, max_size=2 * rank)))


def in_rank(rank: int) -> dict[str, st.SearchStrategy[Case]]:
    """The ops that come in ranks."""
    shape = SHAPES[rank]
    flags = {"affine_": st.booleans(), "track_running_stats_": st.booleans()}
    norm = {"eps_": st.sampled_from([1e-3, 1e-5, 1]), **flags}
    batch_norm = st.one_of(st.tuples(BATCH, CHANNELS), shape, ANY) if rank == 1 else shape
    made = {
        "conv": conv(rank), "conv_transpose": conv_transpose(rank),
        "max_pool": pool(rank, dilation_=sizes(rank, 1, 3)), "avg_pool": pool(rank, count_include_pad_=st.booleans()),
        "adaptive_avg_pool": on(shape, output_size=sizes(rank, 1, 12)),
        "adaptive_max_pool": on(shape, output_size=sizes(rank, 1, 12)),
        "global_avg_pool": on(shape), "global_max_pool": on(shape),
        "batch_norm": on(batch_norm, momentum_=st.one_of(st.none(), P), **norm),
        "instance_norm": on(shape, momentum_=P, **norm), "zero_pad": zero_pad(rank),
    }
    return {f"{name}{rank}d": strategy for name, strategy in made.items()}


@st.composite
def layer_norm(draw: st.DrawFn) -> Case:
    drawn = draw(fields(elementwise_affine_=st.booleans(), bias_=st.booleans(), eps_=st.sampled_from([1e-6, 1, 0])))
    shape = draw(ANY)
    tail = draw(st.one_of(st.none(), st.integers(1, len(shape)).map(lambda k: list(shape[-k:])), st.just([3, 2])))
    if tail is not None:
        drawn["normalized_shape"] = tail[0] if len(tail) == 1 and draw(st.booleans()) else tail
    return drawn, (shape,)


@st.composite
def reshape(draw: st.DrawFn) -> Case:
    shape = draw(ANY)
    target = list(draw(st.permutations(shape[1:])))
    if draw(st.booleans()) and len(target) > 1:
        target[:2] = [target[0] * target[1]]
    if draw(st.booleans()):
        target[draw(st.integers(0, len(target) - 1))] = -1
    if not draw(st.integers(0, 3)):
        target[0] = draw(st.integers(-1, 5))
    return {"shape": target}, (shape,)


@st.composite
def permute(draw: st.DrawFn) -> Case:
    shape = draw(ANY)
    dims = [0, *draw(st.permutations(range(1, len(shape))))]
    kind = draw(st.sampled_from(["plain", "plain", "negative", "shuffled", "short", "twice"]))
    if kind == "negative":
        dims = [d - len(shape) if draw(st.booleans()) else d for d in dims]
    elif kind == "shuffled":
        dims = draw(st.permutations(dims))
    elif kind == "short":
        dims = dims[:-1]
    elif kind == "twice":
        dims[-1] = dims[0]
    return {"dims": dims}, (shape,)


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


@st.composite
def pad(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 8))
    one = st.integers(0, 4)
    return draw(fields(padding=st.lists(one, min_size=count, max_size=count), value_=st.floats(-2, 2))), (draw(ANY),)


@st.composite
def roll(draw: st.DrawFn) -> Case:
    shape, count = draw(ANY), draw(st.integers(1, 2))
    dims = draw(st.lists(st.integers(1, len(shape) - 1), min_size=count, max_size=count))
    if not draw(st.integers(0, 4)):
        dims[0] = draw(st.integers(-6, 6))
    shifts = draw(st.lists(st.integers(-9, 9), min_size=count, max_size=count))
    return {"shifts": shifts if count > 1 else shifts[0], "dims": dims if count > 1 else dims[0]}, (shape,)


DIMS = st.one_of(st.integers(1, 2), st.lists(st.integers(-4, 4), min_size=1, max_size=3), st.just([1, -1]))


@st.composite
def along(draw: st.DrawFn, name: str = "dim", **given: st.SearchStrategy[Any]) -> Case:
    """An op with a field for a dim, usually one that the input has."""
    shape = draw(ANY)
    drawn = draw(fields(**given))
    beyond = st.integers(-len(shape) - 1, len(shape))
    drawn[name] = draw(st.one_of(st.integers(1, len(shape) - 1), beyond))
    return drawn, (shape,)


FACTOR = st.one_of(st.floats(0.05, 4), st.integers(1, 4), st.sampled_from([0.5, 1 / 3, 0.1, 2.5]))
RESIZE = {
    "mode_": st.sampled_from(["nearest", "bilinear", "bicubic"]),
    "align_corners_": st.one_of(st.none(), st.booleans()),
}
SCALE = st.one_of(FACTOR, st.lists(FACTOR, min_size=2, max_size=2))
INTERPOLATE = st.one_of(
    on(IMAGE, size=pair(1, 12), **RESIZE),
    on(IMAGE, scale_factor=SCALE, **RESIZE),
    on(IMAGE, size_=pair(1, 12), scale_factor_=SCALE, **RESIZE),
)
PARAMETER = fields(
    shape=st.one_of(st.integers(1, 5), st.lists(st.integers(1, 5), min_size=1, max_size=3)),
    init=st.one_of(
        st.sampled_from(["zeros", "ones"]),
        st.dictionaries(st.sampled_from(["normal", "truncated_normal"]), st.floats(0.01, 3), min_size=1, max_size=1),
    ),
)
P = st.one_of(st.floats(0, 1), st.sampled_from([0, 1]))
UNIT = on(ANY)

STRATEGIES: dict[str, st.SearchStrategy[Case]] = {
    **in_rank(1), **in_rank(2), **in_rank(3),
    "add": merge(dim=False),
    "mul": merge(dim=False),
    "sub": merge(dim=False, count=2),
    "div": merge(dim=False, count=2),
    "concat": merge(dim=True),
    "stack": stack(),
    "matmul": matmul(),
    "attention": attention(),
    "multi_head_attention": multi_head(),
    "window_attention": windows(),
    "embedding": on(ANY, embedding_dim=st.integers(1, 6), num_embeddings=st.one_of(st.integers(BELOW, 30), st.integers(1, 30))),
    "abs": UNIT,
    "scale": on(ANY, factor=st.one_of(st.floats(0.1, 2), st.floats(-2, -0.1))),
    "mean": on(ANY, dim=DIMS, keepdim_=st.booleans()),
    "max": on(ANY, dim=DIMS, keepdim_=st.booleans()),
    "roll": roll(),
    "pad": pad(),
    "slice": along(start_=st.integers(-3, 3), end_=st.one_of(st.none(), st.integers(-3, 9)), step_=st.integers(1, 3)),
    "linear": on(ANY, out_features=st.integers(1, 8), bias_=st.booleans()),
    "local_response_norm": on(
        ANY, size=st.integers(1, 7), alpha_=st.floats(0, 1), beta_=st.floats(0, 2), k_=st.floats(0.5, 2)
    ),
    "layer_norm": layer_norm(),
    "group_norm": on(ANY, num_groups=st.integers(1, 4), affine_=st.booleans()),
    "layer_scale": along(init_value_=st.one_of(st.floats(-2, 2), st.integers(0, 1))),
    "dropout": on(ANY, p_=P),
    "dropout2d": on(IMAGE, p_=P),
    "stochastic_depth": on(ANY, p=P, mode_=st.sampled_from(["row", "batch"])),
    "relu": UNIT,
    "relu6": UNIT,
    "prelu": on(ANY, num_parameters_=st.sampled_from([1, 1, 2, 3, 4]), init_=st.floats(-1, 1)),
    "mish": UNIT,
    "leaky_relu": on(ANY, negative_slope_=st.floats(-1, 1)),
    "elu": on(ANY, alpha_=st.floats(0.1, 2)),
    "gelu": on(ANY, approximate_=st.sampled_from(["none", "tanh"])),
    "silu": UNIT,
    "sigmoid": UNIT,
    "tanh": UNIT,
    "hardswish": UNIT,
    "hardsigmoid": UNIT,
    "softmax": along(),
    "log_softmax": along(),
    "identity": UNIT,
    "zero": UNIT,
    "flatten": on(ANY, start_dim_=st.integers(-3, 3), end_dim_=st.integers(-3, 3)),
    "reshape": reshape(),
    "parameter": st.tuples(PARAMETER, st.tuples(ANY)),
    "permute": permute(),
    "interpolate": INTERPOLATE,
    "upsample": INTERPOLATE,
    "channel_shuffle": on(IMAGE, groups=st.integers(1, 4)),
    "pixel_shuffle": on(
        st.tuples(BATCH, st.sampled_from([1, 4, 8, 9, 18, 12]), SIZE, SIZE), upscale_factor=st.integers(1, 3)
    ),
    "pixel_unshuffle": on(
        st.tuples(BATCH, CHANNELS, st.sampled_from([2, 4, 6, 9]), st.sampled_from([2, 3, 4, 6])),
        downscale_factor=st.integers(1, 3),
    ),
    "chunk": along(chunks=st.integers(1, 5), index=st.integers(0, 3)),
    "select": along(index=st.one_of(st.integers(-1, 0), st.integers(-4, 4))),
}
