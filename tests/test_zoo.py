"""The zoo against torchvision: the same weights, in order, give the same output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import archspec

torchvision_models = pytest.importorskip("torchvision.models")

ZOO = Path(__file__).parents[1] / "specs" / "zoo"
COUNTS = json.loads((Path(__file__).parent / "golden" / "counts.json").read_text(encoding="utf-8"))

OPTIONS = {
    "inception_v3": {"aux_logits": False, "transform_input": False, "init_weights": False},
}
# torchvision's network as one of the specs with other values.
SPELT = {
    "densenet121": ("zoo/densenet121", {}),
    "inception_v3": ("zoo/inception_v3", {}),
    "resnet50": ("zoo/resnet50", {}),
    "resnet152": ("zoo/resnet50", {"sets": ["vars.depths=[3, 8, 36, 3]"]}),
    "shufflenet_v2_x1_0": ("zoo/shufflenet_v2_x1_0", {}),
    "vgg11": ("vgg11", {"input": (3, 224, 224), "sets": ["vars.num_classes=1000"]}),
}
TORCHVISION = (
    "densenet121", "mobilenet_v3_small", "shufflenet_v2_x1_0", "inception_v3", "resnet50", "convnext_tiny", "vit_b_16",
    "swin_t", "r3d_18", "efficientnet_b0", "regnet_y_400mf", "mnasnet1_0", "wide_resnet50_2", "resnext50_32x4d",
    "squeezenet1_1", "vgg16_bn", "mobilenet_v2", "fcn_resnet50", "deeplabv3_resnet50",
)
# Smaller inputs than the paper's, where it makes a difference. With Swin's the windows, shifts and merges are padded.
SMALL = {"unet": (3, 64, 64), "vit_b_16": (3, 64, 64), "swin_t": (3, 100, 68), "r3d_18": (3, 8, 48, 48),
         "fcn_resnet50": (3, 65, 97), "deeplabv3_resnet50": (3, 65, 97)}
# Where torchvision lists its tensors in another order than that in which they are used.
ORDER = {
    "VisionTransformer": "conv_proj class_token encoder.pos_embedding encoder.layers encoder.ln heads",
    "PatchMerging": "norm reduction",
}


class DoubleConv(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        )


class UNet(nn.Module):
    """Ronneberger et al. 2015, figure 1, padded and with batch norm: written by hand, to compare with."""

    def __init__(self, width: int = 64, num_classes: int = 2) -> None:
        super().__init__()
        widths = [width * 2**k for k in range(5)]
        self.enc = nn.ModuleList(map(DoubleConv, [3, *widths], widths))
        self.up = nn.ModuleList()
        for w in reversed(widths[:-1]):
            self.up.append(nn.ModuleList([nn.ConvTranspose2d(2 * w, w, 2, stride=2), DoubleConv(2 * w, w)]))
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for k, enc in enumerate(self.enc):
            x = enc(x if k == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for up, double_conv in self.up:
            x = double_conv(torch.cat([skips.pop(), up(x)], dim=1))
        return self.head(x)


class Segmentation(nn.Module):
    """A network of torchvision that returns the output itself, not a dict of it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)["out"]


class Siamese(nn.Module):
    """Koch et al. 2015, figure 4: written by hand, to compare with."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(
            nn.Conv2d(1, 64, 10), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 7), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(128, 128, 4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(128, 256, 4), nn.ReLU(), nn.Flatten(),
            nn.Linear(9216, 4096), nn.Sigmoid(),
        )
        self.head = nn.Linear(4096, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.head((self.tower(left) - self.tower(right)).abs())


def reference(name: str, **options: object) -> nn.Module:
    if name == "unet":
        return UNet()
    if name == "siamese":
        return Siamese()
    if name in ("fcn_resnet50", "deeplabv3_resnet50"):
        return Segmentation(getattr(torchvision_models.segmentation, name)(weights_backbone=None))
    home = torchvision_models.video if name == "r3d_18" else torchvision_models
    return getattr(home, name)(**OPTIONS.get(name, {}), **options)


def tensors_in_order(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters and buffers, a module's children before its own.

    For a network whose tensors all sit in leaves, as archspec's do, this is PyTorch's order. torchvision's ConvNeXt
    block holds the layer scale itself, which PyTorch lists before the layers that run before it.
    """
    for path in ORDER.get(type(module).__name__, "").split():
        part = attrgetter(path)(module)
        yield from tensors_in_order(part) if isinstance(part, nn.Module) else [part]
    if type(module).__name__ in ORDER:
        return
    for child in module.children():
        yield from tensors_in_order(child)
    yield from module.parameters(recurse=False)
    yield from module.buffers(recurse=False)


def scramble_(module: nn.Module) -> None:
    """Give every tensor that starts as a constant a random value, so that no two can change places unseen."""
    for child in module.modules():
        if isinstance(child, (nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm)):
            nn.init.uniform_(child.weight, 0.8, 1.2)
            nn.init.normal_(child.bias, std=0.1)
        if isinstance(child, (nn.BatchNorm2d, nn.BatchNorm3d)):
            nn.init.uniform_(child.running_var, 0.8, 1.2)
            nn.init.normal_(child.running_mean, std=0.1)
        if isinstance(child, (nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(child.weight)
            if child.bias is not None:
                nn.init.normal_(child.bias, std=0.1)
        if hasattr(child, "layer_scale"):
            nn.init.uniform_(child.layer_scale, 0.5, 1.0)
    for parameter in module.parameters():
        if parameter.numel() > 1 and parameter.min() == parameter.max():
            nn.init.normal_(parameter, std=0.1)


@torch.no_grad()
def copy_in_order_(target: nn.Module, source: nn.Module) -> None:
    ours, theirs = list(tensors_in_order(target)), list(tensors_in_order(source))
    for mine, other in zip(ours, theirs, strict=True):
        batched = (1,) * (other.ndim - mine.ndim)  # torchvision's learned tensors have a batch of one
        assert tuple(other.shape) == (*batched, *mine.shape)
        mine.copy_(other.reshape(mine.shape))


@pytest.mark.parametrize("name", [*TORCHVISION, "unet"])
def test_output_equals_the_reference(name: str) -> None:
    path = ZOO / f"{name}.yaml"
    shape = SMALL.get(name) or archspec.analyze(path).input_shape
    torch.manual_seed(0)
    theirs = reference(name, **({"image_size": shape[-1]} if name == "vit_b_16" else {})).eval()
    scramble_(theirs)
    ours = archspec.build(path, input=shape).eval()
    copy_in_order_(ours, theirs)
    x = torch.randn(1, *shape)
    with torch.no_grad():
        expected, actual = theirs(x), ours(x)
    scale = max(1.0, expected.abs().max().item())
    assert (actual - expected).abs().max().item() <= 1e-5 * scale
    assert expected.std() > 1e-3 * scale  # the comparison could have failed


@pytest.mark.parametrize("name", [*TORCHVISION, "unet"])
def test_static_counts_equal_the_reference(name: str) -> None:
    report = archspec.analyze(ZOO / f"{name}.yaml")
    with torch.device("cpu" if name == "regnet_y_400mf" else "meta"):  # torchvision computes its widths with tensors
        model = reference(name).eval()
    model = model.to("meta")
    with torch.device("meta"), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
        model(torch.empty(1, *report.input_shape))
    assert report.params == sum(p.numel() for p in model.parameters())
    assert report.buffers == sum(b.numel() for b in model.buffers())
    assert report.macs == flops.get_total_flops() // 2


@pytest.mark.parametrize("name", SPELT)
def test_static_counts_equal_other_tools(name: str) -> None:
    spec, options = SPELT[name]
    report = archspec.analyze(spec, **options)
    counts = COUNTS[name]
    assert report.input_shape == (3, counts["resolution"], counts["resolution"])
    assert report.macs == counts["macs"]
    assert report.flops == counts["flop_counter_mode"]
    if name != "inception_v3":  # its figures there include the auxiliary head's parameters
        assert (report.params, report.buffers) == (counts["params"], counts["buffers"])


def test_siamese_equals_the_module_written_by_hand() -> None:
    torch.manual_seed(0)
    theirs, ours = Siamese(), archspec.build(ZOO / "siamese.yaml")
    scramble_(theirs)
    copy_in_order_(ours, theirs)
    left, right = torch.randn(2, 2, 1, 105, 105)
    expected, actual = theirs(left, right), ours(left=left, right=right)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    for output in (expected, actual):
        output.sum().backward()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-4 * other.grad.abs().max().item())


def test_googlenet_with_its_heads_equals_the_reference() -> None:
    """All three outputs in training, without dropout; the only one in evaluation; and the figures of both."""
    torch.manual_seed(0)
    theirs = torchvision_models.googlenet(aux_logits=True, transform_input=False, init_weights=False)
    for name in ("aux1", "aux2"):  # after the head, where the spec has them
        theirs._modules[name] = theirs._modules.pop(name)
    scramble_(theirs)
    ours = archspec.build(ZOO / "googlenet_aux.yaml")
    copy_in_order_(ours, theirs)
    for module in (*ours.modules(), *theirs.modules()):
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = torch.randn(2, 3, 224, 224)
    report = archspec.analyze(ZOO / "googlenet_aux.yaml")
    for training, macs in ((False, report.macs), (True, report.training_macs)):
        with torch.no_grad(), FlopCounterMode(display=False) as flops:
            expected = theirs.train(training)(x)
        with torch.no_grad():
            actual = ours.train(training)(x)
        assert flops.get_total_flops() // 4 == macs
        pairs = [(actual["head"], expected.logits), (actual["aux1"], expected.aux_logits1),
                 (actual["aux2"], expected.aux_logits2)] if training else [(actual, expected)]
        for mine, other in pairs:
            assert (mine - other).abs().max().item() <= 1e-5 * max(1.0, other.abs().max().item())
            assert other.std() > 1e-3
    assert report.params == sum(p.numel() for p in theirs.parameters())
