"""A Hypothesis strategy for every op: (fields, shapes of its inputs), most of them accepted, some refused."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.ops.draw import ANY, BATCH, BELOW, CHANNELS, IMAGE, SIZE, Case, P, along, fields, on, pair
from tests.ops.draw_merges import attention, matmul, merge, multi_head, stack, windows
from tests.ops.draw_ranks import in_rank


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
