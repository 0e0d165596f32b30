"""Small data sets in the formats of the real ones."""

import gzip
import hashlib
import struct

import torch
from PIL import Image

from archspec.data.registry import DATASETS, DataFile

COUNTS = {"train": 12, "test": 6}
PREFIX = {"train": "train", "test": "t10k"}


def data_file(name, content):
    return DataFile(name, len(content), hashlib.md5(content).hexdigest())


def idx_bytes(dims, payload):
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, 8, len(dims), *dims) + payload


class TinyIdx:
    """5×4 images in 3 classes: `info` as of a known data set, and the bytes of its files."""

    def __init__(self):
        self.images, self.labels, self.contents = {}, {}, {}
        files = {}
        for split, count in COUNTS.items():
            pixels = bytes((7 * k + len(split)) % 256 for k in range(count * 20))
            labels = bytes(k % 3 for k in range(count))
            self.images[split] = torch.tensor(list(pixels), dtype=torch.uint8).reshape(count, 1, 5, 4)
            self.labels[split] = torch.tensor(list(labels))
            names = [f"{PREFIX[split]}-images-idx3-ubyte", f"{PREFIX[split]}-labels-idx1-ubyte"]
            parts = [idx_bytes((count, 5, 4), pixels), idx_bytes((count,), labels)]
            self.contents |= dict(zip(names, parts, strict=True))
            files[split] = tuple(map(data_file, names, parts))
        self.info = DATASETS["fashion-mnist"]._replace(
            height=5, width=4, classes=("a", "b", "c"), train_size=COUNTS["train"],
            test_size=COUNTS["test"], train_files=files["train"], test_files=files["test"], system_folders=(),
        )

    def write(self, folder, packed=True):
        """Put all files into `folder`; return it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        return folder


def write_image(path, pixels, mode="RGB"):
    """An image file whose pixels follow from the number `pixels`; its size differs with it, too."""
    width, height = 6 + pixels % 5, 7 + pixels % 3
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, (width, height))
    bands = len(image.getbands())
    values = [(pixels * 31 + 5 * k) % 256 for k in range(width * height * bands)]
    image.frombytes(bytes(values))
    image.save(path)
    return path


def write_folder(root, counts, mode="RGB", suffix=".png"):
    """`counts`: split folder → class → images. Return the root."""
    number = 0
    for split, classes in counts.items():
        for name, count in classes.items():
            for k in range(count):
                write_image(root / split / name / f"{k:03}{suffix}", number, mode)
                number += 1
    return root
