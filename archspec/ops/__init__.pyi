"""What type checkers and editors see of `archspec.ops`. Written by docs/generate.py from the ops: edit those."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from archspec.ops.base import OP_DOOR as OP_DOOR
from archspec.ops.base import OPS as OPS
from archspec.ops.base import Merge as Merge
from archspec.ops.base import Op as Op
from archspec.ops.base import Operation as Operation
from archspec.ops.base import cost_of as cost_of
from archspec.ops.base import infer_outputs as infer_outputs
from archspec.ops.base import register_op as register_op
from archspec.ops.activation import Abs as _Abs
from archspec.ops.activation import ELU as _ELU
from archspec.ops.activation import GELU as _GELU
from archspec.ops.activation import Hardsigmoid as _Hardsigmoid
from archspec.ops.activation import Hardswish as _Hardswish
from archspec.ops.activation import LeakyReLU as _LeakyReLU
from archspec.ops.activation import Mish as _Mish
from archspec.ops.activation import PReLU as _PReLU
from archspec.ops.activation import ReLU as _ReLU
from archspec.ops.activation import ReLU6 as _ReLU6
from archspec.ops.activation import SiLU as _SiLU
from archspec.ops.activation import Sigmoid as _Sigmoid
from archspec.ops.activation import Tanh as _Tanh
from archspec.ops.adaptive_pool import AdaptiveAvgPool1d as _AdaptiveAvgPool1d
from archspec.ops.adaptive_pool import AdaptiveAvgPool2d as _AdaptiveAvgPool2d
from archspec.ops.adaptive_pool import AdaptiveAvgPool3d as _AdaptiveAvgPool3d
from archspec.ops.adaptive_pool import AdaptiveMaxPool1d as _AdaptiveMaxPool1d
from archspec.ops.adaptive_pool import AdaptiveMaxPool2d as _AdaptiveMaxPool2d
from archspec.ops.adaptive_pool import AdaptiveMaxPool3d as _AdaptiveMaxPool3d
from archspec.ops.adaptive_pool import GlobalAvgPool1d as _GlobalAvgPool1d
from archspec.ops.adaptive_pool import GlobalAvgPool2d as _GlobalAvgPool2d
from archspec.ops.adaptive_pool import GlobalAvgPool3d as _GlobalAvgPool3d
from archspec.ops.adaptive_pool import GlobalMaxPool1d as _GlobalMaxPool1d
from archspec.ops.adaptive_pool import GlobalMaxPool2d as _GlobalMaxPool2d
from archspec.ops.adaptive_pool import GlobalMaxPool3d as _GlobalMaxPool3d
from archspec.ops.attention import MultiHeadAttention as _MultiHeadAttention
from archspec.ops.attention import WindowAttention as _WindowAttention
from archspec.ops.batch_norm import BatchNorm1d as _BatchNorm1d
from archspec.ops.batch_norm import BatchNorm2d as _BatchNorm2d
from archspec.ops.batch_norm import BatchNorm3d as _BatchNorm3d
from archspec.ops.conv import Conv1d as _Conv1d
from archspec.ops.conv import Conv2d as _Conv2d
from archspec.ops.conv import Conv3d as _Conv3d
from archspec.ops.conv import ConvTranspose1d as _ConvTranspose1d
from archspec.ops.conv import ConvTranspose2d as _ConvTranspose2d
from archspec.ops.conv import ConvTranspose3d as _ConvTranspose3d
from archspec.ops.cut import Pad as _Pad
from archspec.ops.cut import Roll as _Roll
from archspec.ops.cut import Slice as _Slice
from archspec.ops.dropout import Dropout as _Dropout
from archspec.ops.dropout import Dropout2d as _Dropout2d
from archspec.ops.dropout import StochasticDepth as _StochasticDepth
from archspec.ops.embedding import Embedding as _Embedding
from archspec.ops.instance_norm import InstanceNorm1d as _InstanceNorm1d
from archspec.ops.instance_norm import InstanceNorm2d as _InstanceNorm2d
from archspec.ops.instance_norm import InstanceNorm3d as _InstanceNorm3d
from archspec.ops.learned import Parameter as _Parameter
from archspec.ops.linear import Linear as _Linear
from archspec.ops.merge import Add as _Add
from archspec.ops.merge import Concat as _Concat
from archspec.ops.merge import Div as _Div
from archspec.ops.merge import Mul as _Mul
from archspec.ops.merge import Stack as _Stack
from archspec.ops.merge import Sub as _Sub
from archspec.ops.norm import GroupNorm as _GroupNorm
from archspec.ops.norm import LayerNorm as _LayerNorm
from archspec.ops.norm import LayerScale as _LayerScale
from archspec.ops.norm import LocalResponseNorm as _LocalResponseNorm
from archspec.ops.pool import AvgPool1d as _AvgPool1d
from archspec.ops.pool import AvgPool2d as _AvgPool2d
from archspec.ops.pool import AvgPool3d as _AvgPool3d
from archspec.ops.pool import MaxPool1d as _MaxPool1d
from archspec.ops.pool import MaxPool2d as _MaxPool2d
from archspec.ops.pool import MaxPool3d as _MaxPool3d
from archspec.ops.products import Attention as _Attention
from archspec.ops.products import MatMul as _MatMul
from archspec.ops.reduce import Max as _Max
from archspec.ops.reduce import Mean as _Mean
from archspec.ops.resize import Interpolate as _Interpolate
from archspec.ops.resize import Upsample as _Upsample
from archspec.ops.scale import Scale as _Scale
from archspec.ops.shape import Flatten as _Flatten
from archspec.ops.shape import Identity as _Identity
from archspec.ops.shape import Permute as _Permute
from archspec.ops.shape import Reshape as _Reshape
from archspec.ops.shape import Zero as _Zero
from archspec.ops.shuffle import ChannelShuffle as _ChannelShuffle
from archspec.ops.shuffle import PixelShuffle as _PixelShuffle
from archspec.ops.shuffle import PixelUnshuffle as _PixelUnshuffle
from archspec.ops.slicing import Chunk as _Chunk
from archspec.ops.slicing import Select as _Select
from archspec.ops.softmax import LogSoftmax as _LogSoftmax
from archspec.ops.softmax import Softmax as _Softmax
from archspec.ops.zero_pad import ZeroPad1d as _ZeroPad1d
from archspec.ops.zero_pad import ZeroPad2d as _ZeroPad2d
from archspec.ops.zero_pad import ZeroPad3d as _ZeroPad3d

def identity() -> Operation: ...
def make_op(name: str, fields: dict[str, Any]) -> Operation: ...

class Abs(_Abs):
    """The absolute value, as between the features of two images (Koch et al. 2015, section 3.1)."""

    def __init__(self) -> None: ...

class ELU(_ELU):
    """x where positive, else alpha * (exp(x) - 1) (Clevert et al. 2015).

    alpha: scale of the part where x is negative
    """

    def __init__(
        self, *,
        alpha: float = ...,
    ) -> None: ...

class GELU(_GELU):
    """x times the normal distribution function of x (Hendrycks & Gimpel 2016).

    approximate: `tanh` for the faster approximation
    """

    def __init__(
        self, *,
        approximate: Literal["none", "tanh"] = ...,
    ) -> None: ...

class Hardsigmoid(_Hardsigmoid):
    """min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2)."""

    def __init__(self) -> None: ...

class Hardswish(_Hardswish):
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019, section 5.2)."""

    def __init__(self) -> None: ...

class LeakyReLU(_LeakyReLU):
    """x where positive, else negative_slope * x (Maas et al. 2013).

    negative_slope: slope where x is negative
    """

    def __init__(
        self, *,
        negative_slope: float = ...,
    ) -> None: ...

class Mish(_Mish):
    """x * tanh(log(1 + exp(x))) (Misra 2019)."""

    def __init__(self) -> None: ...

class PReLU(_PReLU):
    """x where positive, else a learned slope times x (He et al. 2015, "Delving deep into rectifiers").

    num_parameters: number of slopes: 1 for all channels, or one for each
    init: value of every slope at the start
    """

    def __init__(
        self, *,
        num_parameters: int = ...,
        init: float = ...,
    ) -> None: ...

class ReLU(_ReLU):
    """max(x, 0) (Nair & Hinton 2010)."""

    def __init__(self) -> None: ...

class ReLU6(_ReLU6):
    """min(max(x, 0), 6) (Howard et al. 2017, MobileNets)."""

    def __init__(self) -> None: ...

class SiLU(_SiLU):
    """x * sigmoid(x) (Elfwing et al. 2017; swish of Ramachandran et al. 2017)."""

    def __init__(self) -> None: ...

class Sigmoid(_Sigmoid):
    """1 / (1 + exp(-x))."""

    def __init__(self) -> None: ...

class Tanh(_Tanh):
    """The hyperbolic tangent."""

    def __init__(self) -> None: ...

class AdaptiveAvgPool1d(_AdaptiveAvgPool1d):
    """The mean of each of output_size windows that together cover the sequence.

    output_size: size of the output, an integer
    """

    def __init__(
        self, *,
        output_size: int | Sequence[int],
    ) -> None: ...

class AdaptiveAvgPool2d(_AdaptiveAvgPool2d):
    """The mean of each of output_size windows that together cover the input.

    output_size: size of the output, an integer or [height, width]
    """

    def __init__(
        self, *,
        output_size: int | Sequence[int],
    ) -> None: ...

class AdaptiveAvgPool3d(_AdaptiveAvgPool3d):
    """The mean of each of output_size windows that together cover the volume.

    output_size: size of the output, an integer or [depth, height, width]
    """

    def __init__(
        self, *,
        output_size: int | Sequence[int],
    ) -> None: ...

class AdaptiveMaxPool1d(_AdaptiveMaxPool1d):
    """The largest value of each of output_size windows that together cover the sequence.

    output_size: size of the output, an integer
    """

    def __init__(
        self, *,
        output_size: int | Sequence[int],
    ) -> None: ...

class AdaptiveMaxPool2d(_AdaptiveMaxPool2d):
    """The largest value of each of output_size windows that together cover the input.

    output_size: size of the output, an integer or [height, width]
    """

    def __init__(
        self, *,
        output_size: int | Sequence[int],
    ) -> None: ...

class AdaptiveMaxPool3d(_AdaptiveMaxPool3d):
    """The largest value of each of output_size windows that together cover the volume.

    output_size: size of the output, an integer or [depth, height, width]
    """

    def __init__(
        self, *,
        output_size: int | Sequence[int],
    ) -> None: ...

class GlobalAvgPool1d(_GlobalAvgPool1d):
    """The mean of each channel of a sequence."""

    def __init__(self) -> None: ...

class GlobalAvgPool2d(_GlobalAvgPool2d):
    """The mean of each channel (Lin et al. 2013, "Network in network", section 3.2)."""

    def __init__(self) -> None: ...

class GlobalAvgPool3d(_GlobalAvgPool3d):
    """The mean of each channel of a volume."""

    def __init__(self) -> None: ...

class GlobalMaxPool1d(_GlobalMaxPool1d):
    """The largest value of each channel of a sequence."""

    def __init__(self) -> None: ...

class GlobalMaxPool2d(_GlobalMaxPool2d):
    """The largest value of each channel (Oquab et al. 2015, section 3)."""

    def __init__(self) -> None: ...

class GlobalMaxPool3d(_GlobalMaxPool3d):
    """The largest value of each channel of a volume."""

    def __init__(self) -> None: ...

class MultiHeadAttention(_MultiHeadAttention):
    """Attention in several heads, with learned projections (Vaswani et al. 2017, section 3.2.2).

    num_heads: number of heads, which divides the width
    memory: name of the value for keys and values; by default the input
    causal: a place sees those up to its own, no later ones
    bias: add a learned bias in each projection
    dropout: probability of a weight of the attention to be zeroed in training
    """

    def __init__(
        self, *,
        num_heads: int,
        memory: str | None = ...,
        causal: bool = ...,
        bias: bool = ...,
        dropout: float = ...,
    ) -> None: ...

class WindowAttention(_WindowAttention):
    """Attention in several heads within windows of an image, channels last (Liu et al. 2021, Swin, section 3.2).

    num_heads: number of heads, which divides the channels
    window_size: size of a window, an integer or [height, width]
    shift_size: by how much the windows are moved, an integer or [height, width]; usually half a window
    bias: add a learned bias in each projection
    """

    def __init__(
        self, *,
        num_heads: int,
        window_size: int | Sequence[int],
        shift_size: int | Sequence[int] = ...,
        bias: bool = ...,
    ) -> None: ...

class BatchNorm1d(_BatchNorm1d):
    """Normalise each feature over the batch, or each channel over batch and length (Ioffe & Szegedy 2015).

    eps: added to the variance
    momentum: weight of a new batch in the running statistics; null for a plain average
    affine: learn a factor and an offset per channel
    track_running_stats: keep running statistics for evaluation
    """

    def __init__(
        self, *,
        eps: float = ...,
        momentum: float | None = ...,
        affine: bool = ...,
        track_running_stats: bool = ...,
    ) -> None: ...

class BatchNorm2d(_BatchNorm2d):
    """Normalise each channel over batch, height and width (Ioffe & Szegedy 2015, algorithm 1).

    eps: added to the variance
    momentum: weight of a new batch in the running statistics; null for a plain average
    affine: learn a factor and an offset per channel
    track_running_stats: keep running statistics for evaluation
    """

    def __init__(
        self, *,
        eps: float = ...,
        momentum: float | None = ...,
        affine: bool = ...,
        track_running_stats: bool = ...,
    ) -> None: ...

class BatchNorm3d(_BatchNorm3d):
    """Normalise each channel over batch, depth, height and width (Ioffe & Szegedy 2015, algorithm 1).

    eps: added to the variance
    momentum: weight of a new batch in the running statistics; null for a plain average
    affine: learn a factor and an offset per channel
    track_running_stats: keep running statistics for evaluation
    """

    def __init__(
        self, *,
        eps: float = ...,
        momentum: float | None = ...,
        affine: bool = ...,
        track_running_stats: bool = ...,
    ) -> None: ...

class Conv1d(_Conv1d):
    """1-D cross-correlation over a sequence, channels first (Dumoulin & Visin 2016, section 2).

    out_channels: number of output channels
    kernel_size: size of the window, an integer
    stride: step of the window, an integer
    padding: padding at each side: an integer, `same` or `valid` (none)
    dilation: distance between the window's taps
    groups: number of independent groups of channels; C for depthwise
    bias: add a learned bias to every output channel
    padding_mode: what the padding holds
    """

    def __init__(
        self, *,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] | Literal["same", "valid"] = ...,
        dilation: int | Sequence[int] = ...,
        groups: int = ...,
        bias: bool = ...,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = ...,
    ) -> None: ...

class Conv2d(_Conv2d):
    """2-D cross-correlation over an NCHW activation (Dumoulin & Visin 2016, section 2).

    out_channels: number of output channels
    kernel_size: size of the window, an integer or [height, width]
    stride: step of the window, an integer or [height, width]
    padding: padding at each side: an integer, [height, width], `same` or `valid` (none)
    dilation: distance between the window's taps
    groups: number of independent groups of channels; C for depthwise
    bias: add a learned bias to every output channel
    padding_mode: what the padding holds
    """

    def __init__(
        self, *,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] | Literal["same", "valid"] = ...,
        dilation: int | Sequence[int] = ...,
        groups: int = ...,
        bias: bool = ...,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = ...,
    ) -> None: ...

class Conv3d(_Conv3d):
    """3-D cross-correlation over a volume or video (Tran et al. 2015, section 3).

    out_channels: number of output channels
    kernel_size: size of the window, an integer or [depth, height, width]
    stride: step of the window, an integer or [depth, height, width]
    padding: padding at each side: an integer, [depth, height, width], `same` or `valid` (none)
    dilation: distance between the window's taps
    groups: number of independent groups of channels; C for depthwise
    bias: add a learned bias to every output channel
    padding_mode: what the padding holds
    """

    def __init__(
        self, *,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] | Literal["same", "valid"] = ...,
        dilation: int | Sequence[int] = ...,
        groups: int = ...,
        bias: bool = ...,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = ...,
    ) -> None: ...

class ConvTranspose1d(_ConvTranspose1d):
    """Transposed convolution of a sequence, the gradient of conv1d by its input.

    out_channels: number of output channels
    kernel_size: size of the window, an integer
    stride: step of the window, an integer
    padding: elements cut off at each side of the output
    dilation: distance between the window's taps
    output_padding: added to one side of the output; smaller than stride or dilation
    groups: number of independent groups of channels
    bias: add a learned bias to every output channel
    """

    def __init__(
        self, *,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        dilation: int | Sequence[int] = ...,
        output_padding: int | Sequence[int] = ...,
        groups: int = ...,
        bias: bool = ...,
    ) -> None: ...

class ConvTranspose2d(_ConvTranspose2d):
    """Transposed convolution, the gradient of conv2d by its input (Dumoulin & Visin 2016, section 4).

    out_channels: number of output channels
    kernel_size: size of the window, an integer or [height, width]
    stride: step of the window, an integer or [height, width]
    padding: elements cut off at each side of the output
    dilation: distance between the window's taps
    output_padding: added to one side of the output; smaller than stride or dilation
    groups: number of independent groups of channels
    bias: add a learned bias to every output channel
    """

    def __init__(
        self, *,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        dilation: int | Sequence[int] = ...,
        output_padding: int | Sequence[int] = ...,
        groups: int = ...,
        bias: bool = ...,
    ) -> None: ...

class ConvTranspose3d(_ConvTranspose3d):
    """Transposed convolution of a volume, the gradient of conv3d by its input.

    out_channels: number of output channels
    kernel_size: size of the window, an integer or [depth, height, width]
    stride: step of the window, an integer or [depth, height, width]
    padding: elements cut off at each side of the output
    dilation: distance between the window's taps
    output_padding: added to one side of the output; smaller than stride or dilation
    groups: number of independent groups of channels
    bias: add a learned bias to every output channel
    """

    def __init__(
        self, *,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        dilation: int | Sequence[int] = ...,
        output_padding: int | Sequence[int] = ...,
        groups: int = ...,
        bias: bool = ...,
    ) -> None: ...

class Pad(_Pad):
    """Add a value at the ends of the last dimensions, as `torch.nn.functional.pad` does.

    padding: [before, after] of the last dim, then of the dim before it, …
    value: what to add
    """

    def __init__(
        self, *,
        padding: Sequence[int],
        value: float = ...,
    ) -> None: ...

class Roll(_Roll):
    """Shift along dims; what leaves at one end enters at the other (Liu et al. 2021, Swin, section 3.2).

    shifts: by how many places, an integer or one for each dim
    dims: the dim to shift along, or a list of them, with the batch as 0
    """

    def __init__(
        self, *,
        shifts: int | Sequence[int],
        dims: int | Sequence[int],
    ) -> None: ...

class Slice(_Slice):
    """Part of a dimension, from `start` to before `end`, in steps.

    dim: the dim to cut, with the batch as 0
    start: first place, from 0; negative from the end
    end: place after the last; negative from the end; by default the end
    step: distance between places
    """

    def __init__(
        self, *,
        dim: int,
        start: int = ...,
        end: int | None = ...,
        step: int = ...,
    ) -> None: ...

class Dropout(_Dropout):
    """Zero each element with probability p while training, the rest times 1/(1-p) (Srivastava et al. 2014).

    p: probability of an element to be zeroed
    """

    def __init__(
        self, *,
        p: float = ...,
    ) -> None: ...

class Dropout2d(_Dropout2d):
    """Zero whole channels with probability p while training (Tompson et al. 2015, section 3.2).

    p: probability of a channel to be zeroed
    """

    def __init__(
        self, *,
        p: float = ...,
    ) -> None: ...

class StochasticDepth(_StochasticDepth):
    """Zero a residual branch with probability p while training (Huang et al. 2016, section 3).

    p: probability of the branch to be zeroed
    mode: draw for each sample, or once for the batch
    """

    def __init__(
        self, *,
        p: float,
        mode: Literal["row", "batch"] = ...,
    ) -> None: ...

class Embedding(_Embedding):
    """A learned vector for each integer, such as for each word (Bengio et al. 2003, section 2).

    embedding_dim: size of a vector
    num_embeddings: number of vectors; by default as many as the input's `below` says
    """

    def __init__(
        self, *,
        embedding_dim: int,
        num_embeddings: int | None = ...,
    ) -> None: ...

class InstanceNorm1d(_InstanceNorm1d):
    """Normalise each channel of each sequence over its length (Ulyanov et al. 2016).

    eps: added to the variance
    momentum: weight of a new batch in the running statistics
    affine: learn a factor and an offset per channel
    track_running_stats: keep running statistics for evaluation
    """

    def __init__(
        self, *,
        eps: float = ...,
        momentum: float = ...,
        affine: bool = ...,
        track_running_stats: bool = ...,
    ) -> None: ...

class InstanceNorm2d(_InstanceNorm2d):
    """Normalise each channel of each image over height and width (Ulyanov et al. 2016).

    eps: added to the variance
    momentum: weight of a new batch in the running statistics
    affine: learn a factor and an offset per channel
    track_running_stats: keep running statistics for evaluation
    """

    def __init__(
        self, *,
        eps: float = ...,
        momentum: float = ...,
        affine: bool = ...,
        track_running_stats: bool = ...,
    ) -> None: ...

class InstanceNorm3d(_InstanceNorm3d):
    """Normalise each channel of each volume over depth, height and width (Ulyanov et al. 2016).

    eps: added to the variance
    momentum: weight of a new batch in the running statistics
    affine: learn a factor and an offset per channel
    track_running_stats: keep running statistics for evaluation
    """

    def __init__(
        self, *,
        eps: float = ...,
        momentum: float = ...,
        affine: bool = ...,
        track_running_stats: bool = ...,
    ) -> None: ...

class Parameter(_Parameter):
    """A learned tensor, the same for every sample: the class token of a ViT (Dosovitskiy et al. 2021, section 3.1).

    shape: shape of the tensor, without the batch
    init: how it starts: `zeros`, `ones`, {normal: std} or {truncated_normal: std} with mean 0
    """

    def __init__(
        self, *,
        shape: int | Sequence[int],
        init: Literal["zeros", "ones"] | Mapping[str, Any],
    ) -> None: ...

class Linear(_Linear):
    """Affine map of the last dimension: y = x Wᵀ + b.

    out_features: size of the last dimension of the output
    bias: add a learned bias to every output feature
    """

    def __init__(
        self, *,
        out_features: int,
        bias: bool = ...,
    ) -> None: ...

class Add(_Add):
    """The sum of all branches, as at the end of a residual block (He et al. 2015, section 3.2)."""

    def __init__(self) -> None: ...

class Concat(_Concat):
    """All branches one after another along a dimension (Szegedy et al. 2014, section 4).

    dim: the dim to join along, with the batch as 0
    """

    def __init__(
        self, *,
        dim: int = ...,
    ) -> None: ...

class Div(_Div):
    """Branch `a` divided by branch `b`, element by element."""

    def __init__(self) -> None: ...

class Mul(_Mul):
    """The product of all branches, as in a squeeze-and-excitation gate (Hu et al. 2017, section 3)."""

    def __init__(self) -> None: ...

class Stack(_Stack):
    """All branches along a new dimension, in their order.

    dim: where the new dim stands in the output, with the batch as 0
    """

    def __init__(
        self, *,
        dim: int = ...,
    ) -> None: ...

class Sub(_Sub):
    """Branch `a` minus branch `b`, element by element."""

    def __init__(self) -> None: ...

class GroupNorm(_GroupNorm):
    """Normalise each sample over groups of its channels (Wu & He 2018, section 3).

    num_groups: number of groups that the channels are split into
    eps: added to the variance
    affine: learn a factor and an offset per channel
    """

    def __init__(
        self, *,
        num_groups: int,
        eps: float = ...,
        affine: bool = ...,
    ) -> None: ...

class LayerNorm(_LayerNorm):
    """Normalise each sample over its last dimensions (Ba et al. 2016, section 3).

    normalized_shape: the last dimensions, over which the mean is taken; by default the last one
    eps: added to the variance
    elementwise_affine: learn a factor per element of normalized_shape
    bias: learn an offset too, if elementwise_affine
    """

    def __init__(
        self, *,
        normalized_shape: int | Sequence[int] | None = ...,
        eps: float = ...,
        elementwise_affine: bool = ...,
        bias: bool = ...,
    ) -> None: ...

class LayerScale(_LayerScale):
    """A learned factor per channel, small at the start (Touvron et al. 2021, section 2).

    init_value: value of every factor at the start
    dim: dim of the channels, with the batch as 0; -1 for channels last
    """

    def __init__(
        self, *,
        init_value: float = ...,
        dim: int = ...,
    ) -> None: ...

class LocalResponseNorm(_LocalResponseNorm):
    """Divide each element by a power of the mean square of its neighbours in `size` channels (Krizhevsky et al. 2012).

    size: number of neighbouring channels, the element's own included
    alpha: factor of the mean square
    beta: exponent
    k: added to the mean square
    """

    def __init__(
        self, *,
        size: int,
        alpha: float = ...,
        beta: float = ...,
        k: float = ...,
    ) -> None: ...

class AvgPool1d(_AvgPool1d):
    """The mean of each window of a sequence.

    kernel_size: size of the window, an integer
    stride: step of the window; kernel_size by default
    padding: padding at each side, at most half of kernel_size
    ceil_mode: keep a last window that extends past the end, instead of dropping it
    count_include_pad: count the padding's zeros in the mean
    """

    def __init__(
        self, *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        ceil_mode: bool = ...,
        count_include_pad: bool = ...,
    ) -> None: ...

class AvgPool2d(_AvgPool2d):
    """The mean of each window.

    kernel_size: size of the window, an integer or [height, width]
    stride: step of the window; kernel_size by default
    padding: padding at each side, at most half of kernel_size
    ceil_mode: keep a last window that extends past the end, instead of dropping it
    count_include_pad: count the padding's zeros in the mean
    """

    def __init__(
        self, *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        ceil_mode: bool = ...,
        count_include_pad: bool = ...,
    ) -> None: ...

class AvgPool3d(_AvgPool3d):
    """The mean of each window of a volume.

    kernel_size: size of the window, an integer or [depth, height, width]
    stride: step of the window; kernel_size by default
    padding: padding at each side, at most half of kernel_size
    ceil_mode: keep a last window that extends past the end, instead of dropping it
    count_include_pad: count the padding's zeros in the mean
    """

    def __init__(
        self, *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        ceil_mode: bool = ...,
        count_include_pad: bool = ...,
    ) -> None: ...

class MaxPool1d(_MaxPool1d):
    """The largest value of each window of a sequence.

    kernel_size: size of the window, an integer
    stride: step of the window; kernel_size by default
    padding: padding at each side, at most half of kernel_size
    ceil_mode: keep a last window that extends past the end, instead of dropping it
    dilation: distance between the window's taps
    """

    def __init__(
        self, *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        ceil_mode: bool = ...,
        dilation: int | Sequence[int] = ...,
    ) -> None: ...

class MaxPool2d(_MaxPool2d):
    """The largest value of each window.

    kernel_size: size of the window, an integer or [height, width]
    stride: step of the window; kernel_size by default
    padding: padding at each side, at most half of kernel_size
    ceil_mode: keep a last window that extends past the end, instead of dropping it
    dilation: distance between the window's taps
    """

    def __init__(
        self, *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        ceil_mode: bool = ...,
        dilation: int | Sequence[int] = ...,
    ) -> None: ...

class MaxPool3d(_MaxPool3d):
    """The largest value of each window of a volume.

    kernel_size: size of the window, an integer or [depth, height, width]
    stride: step of the window; kernel_size by default
    padding: padding at each side, at most half of kernel_size
    ceil_mode: keep a last window that extends past the end, instead of dropping it
    dilation: distance between the window's taps
    """

    def __init__(
        self, *,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = ...,
        padding: int | Sequence[int] = ...,
        ceil_mode: bool = ...,
        dilation: int | Sequence[int] = ...,
    ) -> None: ...

class Attention(_Attention):
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1): softmax(query·keyᵀ·scale + bias)·value.

    causal: a query sees the keys up to its own place, no later ones
    scale: factor of the scores; 1/√E by default
    """

    def __init__(
        self, *,
        causal: bool = ...,
        scale: float | None = ...,
    ) -> None: ...

class MatMul(_MatMul):
    """The product of the matrices in branches `a` and `b`, for each sample and each of the dims before the last two."""

    def __init__(self) -> None: ...

class Max(_Max):
    """The largest value over dims.

    dim: the dim to reduce, or a list of them, with the batch as 0
    keepdim: keep the dims with size 1
    """

    def __init__(
        self, *,
        dim: int | Sequence[int],
        keepdim: bool = ...,
    ) -> None: ...

class Mean(_Mean):
    """The mean over dims, such as over the tokens of a transformer.

    dim: the dim to reduce, or a list of them, with the batch as 0
    keepdim: keep the dims with size 1
    """

    def __init__(
        self, *,
        dim: int | Sequence[int],
        keepdim: bool = ...,
    ) -> None: ...

class Interpolate(_Interpolate):
    """Resize height and width, to a given size or by a factor.

    size: size of the output, an integer or [height, width]
    scale_factor: factor of height and width, a number or [height, width]; instead of size
    mode: how to compute pixels
    align_corners: map corner pixels' centres onto each other; only for bilinear and bicubic
    """

    def __init__(
        self, *,
        size: int | Sequence[int] | None = ...,
        scale_factor: float | Sequence[float] | None = ...,
        mode: Literal["nearest", "bilinear", "bicubic"] = ...,
        align_corners: bool | None = ...,
    ) -> None: ...

class Upsample(_Upsample):
    """The same as interpolate, under the name of torch.nn's module.

    size: size of the output, an integer or [height, width]
    scale_factor: factor of height and width, a number or [height, width]; instead of size
    mode: how to compute pixels
    align_corners: map corner pixels' centres onto each other; only for bilinear and bicubic
    """

    def __init__(
        self, *,
        size: int | Sequence[int] | None = ...,
        scale_factor: float | Sequence[float] | None = ...,
        mode: Literal["nearest", "bilinear", "bicubic"] = ...,
        align_corners: bool | None = ...,
    ) -> None: ...

class Scale(_Scale):
    """A fixed number times the input. It is not learned: `layer_scale` learns a factor for each channel.

    factor: the number
    """

    def __init__(
        self, *,
        factor: float,
    ) -> None: ...

class Flatten(_Flatten):
    """Join neighbouring dimensions into one.

    start_dim: first dim to join, with the batch as 0
    end_dim: last dim to join
    """

    def __init__(
        self, *,
        start_dim: int = ...,
        end_dim: int = ...,
    ) -> None: ...

class Identity(_Identity):
    """The input as it is."""

    def __init__(self) -> None: ...

class Permute(_Permute):
    """Reorder the dimensions; [0, 2, 3, 1] is NCHW to NHWC.

    dims: the input's dims in their new order, with the batch (0) first
    """

    def __init__(
        self, *,
        dims: Sequence[int],
    ) -> None: ...

class Reshape(_Reshape):
    """Give every sample a new shape with the same elements in the same order.

    shape: shape of a sample, without the batch; one -1 is inferred
    """

    def __init__(
        self, *,
        shape: Sequence[int],
    ) -> None: ...

class Zero(_Zero):
    """0 times the input: in a search space, an operation that is left out (Liu et al. 2019, DARTS, "none")."""

    def __init__(self) -> None: ...

class ChannelShuffle(_ChannelShuffle):
    """Interleave groups of channels (Zhang et al. 2017, ShuffleNet, section 3.1).

    groups: number of groups of channels to interleave
    """

    def __init__(
        self, *,
        groups: int,
    ) -> None: ...

class PixelShuffle(_PixelShuffle):
    """Turn channels into resolution (Shi et al. 2016, ESPCN, section 3.2).

    upscale_factor: factor by which height and width grow
    """

    def __init__(
        self, *,
        upscale_factor: int,
    ) -> None: ...

class PixelUnshuffle(_PixelUnshuffle):
    """Turn resolution into channels, the inverse of pixel_shuffle.

    downscale_factor: factor by which height and width shrink
    """

    def __init__(
        self, *,
        downscale_factor: int,
    ) -> None: ...

class Chunk(_Chunk):
    """One of the parts into which torch.chunk cuts a dimension.

    chunks: number of parts
    dim: the dim to cut, with the batch as 0
    index: which part, from 0
    """

    def __init__(
        self, *,
        chunks: int,
        dim: int = ...,
        index: int,
    ) -> None: ...

class Select(_Select):
    """One slice along a dimension, which is dropped, such as the class token of a transformer.

    dim: the dim to drop, with the batch as 0
    index: which slice, from 0; negative from the end
    """

    def __init__(
        self, *,
        dim: int,
        index: int,
    ) -> None: ...

class LogSoftmax(_LogSoftmax):
    """The logarithm of softmax along `dim`, computed stably.

    dim: the dim that sums to one, with the batch as 0; 1 for classes
    """

    def __init__(
        self, *,
        dim: int,
    ) -> None: ...

class Softmax(_Softmax):
    """exp(x) over its sum along `dim`. Not before a cross entropy, which takes logits.

    dim: the dim that sums to one, with the batch as 0; 1 for classes
    """

    def __init__(
        self, *,
        dim: int,
    ) -> None: ...

class ZeroPad1d(_ZeroPad1d):
    """Add zeros at both ends of a sequence.

    padding: zeros to add: an integer, or [left, right]
    """

    def __init__(
        self, *,
        padding: int | Sequence[int],
    ) -> None: ...

class ZeroPad2d(_ZeroPad2d):
    """Add zeros around height and width.

    padding: zeros to add: an integer, or [left, right, top, bottom]
    """

    def __init__(
        self, *,
        padding: int | Sequence[int],
    ) -> None: ...

class ZeroPad3d(_ZeroPad3d):
    """Add zeros around depth, height and width.

    padding: zeros to add: an integer, or [left, right, top, bottom, front, back]
    """

    def __init__(
        self, *,
        padding: int | Sequence[int],
    ) -> None: ...
