"""Strategies of the ops that come in ranks 1 to 3: convolutions, pools, norms, padding."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.ops.draw import ANY, BATCH, CHANNELS, SHAPES, Case, P, fields, on, sizes


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
