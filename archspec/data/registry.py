"""The data sets that archspec knows by name, and their files. Does not import torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeVar

from archspec.diagnostics import SourceSpan, SpecError, error, nearest
from archspec.diagnostics.hints import near
from archspec.diagnostics.wording import shortened
from archspec.plugins import Door, PluginError
from archspec.text import shell

Split = Literal["train", "test"]  # as data sets are published
RunSplit = Literal["train", "validation", "test"]  # as a run uses them
FOLDER_PREFIX: Final = "folder:"
TABLE_PREFIX: Final = "table:"
OWN_PREFIX: Final = "python:"  # a data set of the user's own, by its class


class DataFile(NamedTuple):
    """One file of a data set. size: of its decompressed content, in bytes. md5: of the same content.

    The content is checked and not the compressed file, because Debian compresses the same content differently. MD5 is
    enough to find damage and mix-ups, and the authors publish it.
    """

    name: str
    size: int
    md5: str


class Archive(NamedTuple):
    """The archive in which a data set is published."""

    name: str
    size: int  # bytes
    md5: str
    url: str


class ImageDataset(ABC):
    """A data set of images with classes, for `@register_dataset`: what is known about it, and how to read it.

    name: in recipes. description: one line. shape: (C, H, W) of its images, in pixels. classes: their names; labels are
    0 … len(classes) - 1. train_size, test_size: the numbers of images.
    """

    name: ClassVar[str]
    description: ClassVar[str] = ""
    shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[tuple[str, ...]]
    train_size: ClassVar[int]
    test_size: ClassVar[int]

    @abstractmethod
    def read(self, split: Split, root: Path | None) -> tuple[Any, Any]:
        """Images, uint8 (N, C, H, W), and labels, integers (N,), of a split: tensors or arrays, always the same.

        root: the folder of `--data-root`. Raises OSError if its files cannot be read. The only method that imports
        torch or numpy.
        """


class DatasetInfo(NamedTuple):
    """What is known about a data set without reading it. Heights and widths in pixels, sizes in images.

    layout: `idx` (files: images and labels of a split), `cifar` (files: batches of a split), `digits`, `plugin`.
    folders: its folders below a data root, the usual one first. label_bytes: label bytes of a cifar record.
    pickled: names of files with the data set in Python's pickle format, which is never read.
    """

    name: str
    description: str
    channels: int
    height: int
    width: int
    classes: tuple[str, ...]
    train_size: int
    test_size: int
    sources: tuple[str, ...]
    layout: Literal["idx", "cifar", "digits", "plugin"]
    train_files: tuple[DataFile, ...] = ()
    test_files: tuple[DataFile, ...] = ()
    folders: tuple[str, ...] = ()
    system_folders: tuple[str, ...] = ()
    package: str | None = None
    archive: Archive | None = None
    label_bytes: int = 1
    pickled: tuple[str, ...] = ()
    reader: ImageDataset | None = None  # of the layout `plugin`

    @property
    def num_classes(self) -> int:
        """The number of classes; labels are 0 … num_classes - 1."""
        return len(self.classes)

    def size(self, split: Split) -> int:
        """The number of images of a split."""
        return self.train_size if split == "train" else self.test_size

    def files(self, split: Split) -> tuple[DataFile, ...]:
        """The files of a split."""
        return self.train_files if split == "train" else self.test_files


def _idx_files(prefix: str, count: int, images_md5: str, labels_md5: str) -> tuple[DataFile, ...]:
    """The files of images and labels of a split of 28×28 images; their headers have 16 and 8 bytes."""
    return (
        DataFile(f"{prefix}-images-idx3-ubyte", 16 + count * 28 * 28, images_md5),
        DataFile(f"{prefix}-labels-idx1-ubyte", 8 + count, labels_md5),
    )


def _like_mnist(
    name: str, description: str, *, train: tuple[str, str], test: tuple[str, str], **more: Any
) -> DatasetInfo:
    """A data set with the sizes and files of MNIST. train, test: the MD5 digests of images and labels."""
    return DatasetInfo(
        name, description, channels=1, height=28, width=28, train_size=60_000, test_size=10_000, layout="idx",
        train_files=_idx_files("train", 60_000, *train), test_files=_idx_files("t10k", 10_000, *test), **more,
    )


_FASHION_MNIST: Final = _like_mnist(
    "fashion-mnist", "grey 28×28 pictures of clothes (Xiao, Rasul & Vollgraf 2017)",
    train=("f4a8712d7a061bf5bd6d2ca38dc4d50a", "9018921c3c673c538a1fc5bad174d6f9"),
    test=("8181f5470baa50b63fa0f6fddb340f0a", "15d484375f8d13e6eb1aabb0c3f46965"),
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    sources=("Debian's package dataset-fashion-mnist", "a download of 30 MiB"),
    folders=("FashionMNIST/raw", "fashion-mnist"),
    system_folders=("/usr/share/datasets/fashion-mnist",),
    package="dataset-fashion-mnist",
)

_MNIST: Final = _like_mnist(
    "mnist", "grey 28×28 pictures of handwritten digits (LeCun et al. 1998)",
    train=("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624"),
    test=("2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637"),
    classes=tuple("0123456789"),
    sources=("a download of 11 MiB",),
    folders=("MNIST/raw", "mnist"),
)

_CIFAR10: Final = DatasetInfo(
    name="cifar10",
    description="coloured 32×32 photographs in 10 classes (Krizhevsky 2009)",
    channels=3, height=32, width=32, train_size=50_000, test_size=10_000,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    sources=("a download of 162 MiB (the binary version)",),
    layout="cifar",
    train_files=(
        DataFile("data_batch_1.bin", 30_730_000, "5dd7e06a14cb22eb9f671a540d1b7c25"),
        DataFile("data_batch_2.bin", 30_730_000, "5ea93a67294ea407fff1d09f752e9692"),
        DataFile("data_batch_3.bin", 30_730_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
        DataFile("data_batch_4.bin", 30_730_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
        DataFile("data_batch_5.bin", 30_730_000, "53f37980c15c3d472c316c40844f3f0d"),
    ),
    test_files=(DataFile("test_batch.bin", 30_730_000, "803d5f7f4d78ea53de84dbe85f74fb6d"),),
    folders=("cifar-10-batches-bin",),
    archive=Archive(
        "cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530",
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    ),
    pickled=("cifar-10-batches-py", "cifar-10-python.tar.gz"),
)

_CIFAR100: Final = DatasetInfo(
    name="cifar100",
    description="coloured 32×32 photographs in 100 classes (Krizhevsky 2009)",
    channels=3, height=32, width=32, train_size=50_000, test_size=10_000,
    classes=(
        "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
        "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
        "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
        "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
        "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
        "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
        "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
        "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew",
        "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower",
        "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor", "train", "trout",
        "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
    ),
    sources=("a download of 161 MiB (the binary version)",),
    layout="cifar",
    train_files=(DataFile("train.bin", 153_700_000, "6172c7755cfe09b2fe270c85cebc1b15"),),
    test_files=(DataFile("test.bin", 30_740_000, "4499cfba6c016c1be1438163640a0898"),),
    folders=("cifar-100-binary",),
    archive=Archive(
        "cifar-100-binary.tar.gz", 168_513_733, "03b5dce01913d631647c71ecec9e9cb8",
        "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    ),
    label_bytes=2,  # the coarse label, then the fine one
    pickled=("cifar-100-python", "cifar-100-python.tar.gz"),
)

_DIGITS: Final = DatasetInfo(
    name="digits",
    description="grey 8×8 pictures of handwritten digits, from scikit-learn (Alpaydin & Kaynak 1998)",
    channels=1, height=8, width=8, train_size=1_442, test_size=355,
    classes=tuple("0123456789"),
    sources=("the package scikit-learn; nothing is downloaded",),
    layout="digits",
    train_files=(DataFile("digits.csv", 264_712, "a0339c30a8a5312a1b6f9e5c719dcce5"),),
    test_files=(DataFile("digits.csv", 264_712, "a0339c30a8a5312a1b6f9e5c719dcce5"),),
)

DATASETS: Final[dict[str, DatasetInfo]] = {
    info.name: info for info in (_FASHION_MNIST, _MNIST, _CIFAR10, _CIFAR100, _DIGITS)
}
DatasetClass = TypeVar("DatasetClass", bound=type[ImageDataset])


def register_dataset(cls: DatasetClass) -> DatasetClass:
    """Class decorator: make a data set known to recipes by its `name`.

    Errors: ValueError if it is not a complete subclass of `ImageDataset`, or its name is taken.
    """
    if not (isinstance(cls, type) and issubclass(cls, ImageDataset)):
        raise PluginError(f"`{getattr(cls, '__name__', cls)}` is not a subclass of archspec.ImageDataset")
    wanted = [key for key in ImageDataset.__annotations__ if not hasattr(cls, key)]
    if missing := [*wanted, *sorted(cls.__abstractmethods__)]:
        raise PluginError(f"the data set `{cls.__name__}` does not define {', '.join(f'`{key}`' for key in missing)}")
    if not cls.name or ":" in cls.name:
        raise PluginError(f"`{cls.name}` cannot be the name of a data set")
    if len(cls.shape) != 3 or not cls.classes or min(*cls.shape, cls.train_size, cls.test_size) < 1:
        raise PluginError(f"the data set `{cls.name}` needs a shape (C, H, W), classes, and images in both splits")
    channels, height, width = cls.shape
    info = DatasetInfo(
        cls.name, cls.description, channels, height, width, tuple(cls.classes), cls.train_size, cls.test_size,
        (f"{cls.__module__}.{cls.__qualname__}",), "plugin", reader=cls(),
    )
    DATASET_DOOR.add(cls.name, cls, info)
    return cls


DATASET_DOOR: Final = Door("data set", "archspec.datasets", DATASETS, register_dataset)


def known_dataset(name: str) -> DatasetInfo | None:
    """The data set of this name, built in or of a plugin; None if there is none, or the name is a folder's."""
    if name not in DATASETS and ":" not in name:
        DATASET_DOOR.discover()
    return DATASETS.get(name)


def check_name(name: str, span: SourceSpan | None = None) -> DatasetInfo | None:
    """The data set that `data` in a recipe names; None for `folder:PATH`.

    Errors: RUN304 for an unknown name.
    """
    if name.startswith(FOLDER_PREFIX):
        if name == FOLDER_PREFIX:
            raise error("RUN304", "`folder:` names no folder", span=span, hint="write `folder:PATH`")
        return None
    if name.startswith(TABLE_PREFIX):
        if name == TABLE_PREFIX:
            raise error("RUN304", "`table:` names no file", span=span, hint="write `table:FILE.csv`")
        return None
    if (info := known_dataset(name)) is not None:
        return info
    if name.startswith(OWN_PREFIX):
        raise error("RUN304", f"`{name[:80]}` is data that was given in Python: no command can read it",
                    span=span, hint="train with `archspec.train(spec, train=…, test=…)`, or name a data set")
    raise _unknown(name, span)


def folder_path(name: str) -> Path:
    """The PATH of `folder:PATH`, as `expand_home` gives it."""
    return expand_home(name.removeprefix(FOLDER_PREFIX))


def expand_home(text: str) -> Path:
    """A path with `~` or `~user` expanded, if there is such a home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no user of that name
        return Path(text)


def data_argument(folder: Path | str) -> str:
    """The argument for a folder of images on a command line: `folder:PATH`, quoted for the shell if necessary."""
    return shell(f"{FOLDER_PREFIX}{folder}")


def _folder_meant(name: str) -> Path | None:
    """The folder of images that a name without `folder:` probably means; None if there is none."""
    from archspec.data.layout import likely_folder  # only needed after a mistake

    return likely_folder(expand_home(name)) if name.strip() else None


def _unknown(name: str, span: SourceSpan | None) -> SpecError:
    close = nearest(name, DATASETS)
    names = ", ".join(DATASETS)
    hint: str = near(close) if close else f"known are {names} and `folder:PATH`"
    if (folder := _folder_meant(name)) is not None:
        hint = f"did you mean `{data_argument(folder)}`?"
    elif close is None and ("/" in name or name.startswith(".")):
        hint = f"a folder of images is written `{data_argument(name)}`"
    notes = DATASET_DOOR.problems
    return error("RUN304", f"no data set is named `{shortened(name, 80)}`", span=span, notes=notes, hint=hint)
