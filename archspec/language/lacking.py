"""Layers that other libraries have and archspec does not: a name that is near is not what was meant by them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from archspec.ops import OPS


class Lack(NamedTuple):
    """What archspec lacks, in words, and what to use instead."""

    what: str
    instead: str


_ACTIVATION: Final = Lack("such activation", "")  # those that there are, the registry says
_NONE: Final = "a spec cannot express it"
_LACKS: Final[tuple[tuple[str, Lack], ...]] = (  # patterns of names in lower case without `_`
    ("(causal|depthwise|separable|depthwiseseparable)conv[13]d", Lack(
        "such convolutions", "use `conv1d` or `conv3d`, depthwise with `groups: $in.channels`")),
    ("(lp|fractionalmax|maxun)(pool|pooling)[13]d", Lack(
        "such pooling", "use `max_pool1d`, `avg_pool3d` or another rank")),
    ("syncnorm[123]?d?", Lack("op of that name", "use `batch_norm2d`, or another rank")),
    ("maxunpool(ing)?(2d)?|lppool2d|fractionalmaxpool2d", Lack(
        "such pooling", "use `max_pool2d` or `avg_pool2d`; `upsample` makes an image larger")),
    ("depthwise(conv)?(2d)?|depthwiseseparableconv(2d)?|(separable|dw)conv(2d)?", Lack(
        "separate op for depthwise convolutions", "use `conv2d` with `groups: $in.channels`")),
    ("deform(able)?conv(2d)?", Lack("deformable convolutions", _NONE)),
    ("(bi|conv)?(rnn|lstm|gru)(cell|1d|2d)?|rnncellbase", Lack("recurrent layers", _NONE)),
    ("(multihead|self|cross|spatial|channel|scaleddotproduct|flash|window|additive|causalself|multiheadself)*"
     "(attention|attn|mha|mhsa)", Lack(
        "attention of this name", "use `attention`, which takes a query, a key and a value")),
    ("(vision)?transformer(encoder|decoder)?(layer|block)?|vit|swin(block)?|mamba|moe|mixtureofexperts", Lack(
        "op for whole blocks of this kind", "build it from `multi_head_attention`, `layer_norm`, `linear` and `add`")),
    ("patch(embed|embedding|encoding)s?", Lack(
        "op of that name", "use `conv2d` with `kernel_size` and `stride` of the patch's size")),
    ("(pos|positional|rotary)(embed|embedding|encoding)s?", Lack(
        "op for positions", "`add` a learned tensor of the input's shape")),
    ("embeddings?bag", Lack("op of that name", "use `embedding` and `mean`")),
    ("(reflection|replication|circular|constant)pad[123]d", Lack(
        "padding layer of this kind", "use `pad`, or `padding_mode` of `conv2d`")),
    ("(alpha|feature)?dropout[13]d|upsample[13]d|pixelshuffle[13]d", Lack(
        "1-d or 3-d layers of this kind", "use the one for images, or `dropout` for any shape")),
    ("rmsnorm", Lack("RMS normalization", "use `layer_norm`")),
    ("(spectral|weight)norm", Lack("reparametrizations of weights", "leave it out")),
    ("s(elu)|celu|softplus|logsigmoid|softsign|hardtanh|threshold|[a-z]*glu|rrelu|softmin|tanhshrink|softshrink|"
     "hardshrink|relu[12]|crelu|snake|step|sign", _ACTIVATION),
    ("einsum|bilinear|dot|cosinesimilarity", Lack(
        "such product", "use `mul` for products of elements, `matmul` for products of matrices")),
    ("maximum|minimum", Lack("merge of this kind", "`add`, `sub`, `mul`, `div`, `concat` and `stack` join branches")),
    ("(un)?fold|im2col|col2im|gather|scatter|gridsample|roipool|roialign|lambda|module", Lack("such operation", _NONE)),
    ("[a-z]*(crossentropy|loss)([a-z0-9]*)", Lack(
        "loss layers", "end the network with its outputs; `loss` in `train` says what is minimised")),
    ("chomp(1d)?|(center)?crop(ping)?[123]?d?|trim|narrow", Lack("op of that name", "use `slice`, which cuts a dim")),
    ("(take)?last|last(token|step|timestep|state)|cls(token)?", Lack(
        "op of that name", "use `select`, such as `select: {dim: 1, index: -1}`")),
    ("exp|log|sqrt|rsqrt|square|pow|sin|cos|clamp|clip|reciprocal", Lack("such function of each element", _NONE)),
    ("(gaussian)?noise|randn?|randomnormal|sample|sampling|reparam(eteri[sz](e|ation))?", Lack(
        "random numbers", _NONE)),
)
_OF_IMAGES: Final = Lack("1-d or 3-d layers of this kind", "use the op for images, if there is one")
_COMPILED: Final[list[tuple[re.Pattern[str], Lack]]] = []


def lack_of(name: str, near: str | None = None) -> Lack | None:
    """What archspec lacks that is called so elsewhere. near: the op whose name may be misspelt."""
    if not _COMPILED:
        _COMPILED.extend((re.compile(pattern), lack) for pattern, lack in _LACKS)
    plain = _plain(name)
    if any(_plain(op) == plain for op in OPS):  # it has it, spelt another way
        return None
    found = next((lack for pattern, lack in _COMPILED if pattern.fullmatch(plain)), None)
    if found is None and plain.endswith(("1d", "3d")) and (near or "")[-2:] != plain[-2:]:
        return _OF_IMAGES
    if found is _ACTIVATION:
        found = found._replace(instead="its activations: " + ", ".join(_activations()))
    return found


def _plain(name: str) -> str:
    return name[:60].lower().replace("_", "").replace("-", "")


def _activations() -> list[str]:
    return sorted(name for name, op in OPS.items() if op.is_activation())
