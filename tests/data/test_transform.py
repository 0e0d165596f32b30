"""Batched transforms against torchvision's, image by image."""

import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms.v2 import functional

from archspec.data.transform import _resize_in_float, resize, scale, to_input

LEVEL = 1 / 255
SIZES = [(28, 28), (32, 32), (64, 64), (20, 17), (8, 8), (7, 50), (1, 1)]


def pictures(channels):
    """Noise, which is the hardest, and a smooth slope."""
    generator = torch.Generator().manual_seed(channels)
    noise = torch.randint(0, 256, (6, channels, 28, 28), dtype=torch.uint8, generator=generator)
    slope = torch.arange(28 * 28).reshape(28, 28).mul(255).div(28 * 28 - 1).to(torch.uint8)
    return torch.cat([noise, slope.expand(2, channels, 28, 28)])


def one_by_one(images, transform):
    """torchvision's transforms on PIL images, as the networks' sources train."""
    return torch.stack([transform(Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy())) for image in images])


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_resize_and_totensor_to_one_level(channels, size):
    images = pictures(channels)
    expected = one_by_one(images, transforms.Compose([transforms.Resize(size), transforms.ToTensor()]))
    found = to_input(images, size, channels)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < LEVEL + 1e-6
    assert (found - expected).mean().abs() < 0.1 * LEVEL  # roundings fall either way: no bias


@pytest.mark.parametrize("size", SIZES[:-1], ids=str)  # torchvision's own fails at 1×1
def test_equals_torchvisions_functional(size):
    images = pictures(3)
    expected = functional.resize(images, list(size), antialias=True)
    assert (resize(images, size).int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_off_the_cpu_the_result_is_the_same_to_one_level(size):
    """There it is computed in float32."""
    images = pictures(3)
    found = _resize_in_float(images, size)
    assert found.dtype == torch.uint8
    assert (found.int() - resize(images, size).int()).abs().max() <= 1


def test_scaling_equals_totensor_and_normalize():
    images = pictures(3)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    found = scale(images, 3, mean=mean, std=std)
    torch.testing.assert_close(found, one_by_one(images, steps), rtol=0, atol=1e-6)
    assert torch.equal(scale(images, 3), one_by_one(images, transforms.ToTensor()))


def test_the_same_image_gives_the_same_input_in_any_batch():
    images = pictures(3)
    whole = to_input(images, (40, 33), 3)
    alone = torch.cat([to_input(image[None], (40, 33), 3) for image in images])
    assert torch.equal(whole, alone)


def test_a_grey_image_is_repeated():
    images = pictures(1)
    x = to_input(images, (20, 20), 3, mean=(0, 0, 0.5))
    assert x.shape == (8, 3, 20, 20)
    assert torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(x[:, 0] - 0.5, x[:, 2])


@pytest.mark.parametrize(("images", "channels"), [(1, 1), (1, 3), (3, 3)])
def test_layout_and_type_are_as_asked_and_the_source_is_untouched(images, channels):
    source = pictures(images)
    before = source.clone()
    x = to_input(source, (28, 28), channels, torch.bfloat16, memory_format=torch.channels_last)
    assert x.dtype == torch.bfloat16
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, to_input(source, (28, 28), channels).to(torch.bfloat16))
    assert torch.equal(source, before)


def test_an_empty_batch_passes():
    assert to_input(pictures(1)[:0], (28, 28), 3).shape == (0, 3, 28, 28)
