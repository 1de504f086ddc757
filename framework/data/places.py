"""Where data sets lie. This module knows no tensor and reads no image."""

import os
from pathlib import Path

# torchvision's class for each set, and a file that is there when the set is.
TORCHVISION = {
    "mnist": ("MNIST", "MNIST/raw/train-images-idx3-ubyte"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw/train-images-idx3-ubyte"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py/data_batch_1"),
    "cifar100": ("CIFAR100", "cifar-100-python/train"),
}
STL10 = "stl10_binary"
# The editions of Imagenette by the shorter side of their photographs, in pixels; the last has them as they were.
IMAGENETTE = {160: "imagenette2-160", 320: "imagenette2-320", None: "imagenette2"}
IMAGENETTE_SIZE = 160


def data_folder() -> Path:
    """Where data sets are looked for: `SASHIKO_DATA`, or `data` in the working directory."""
    return Path(os.environ.get("SASHIKO_DATA") or "data").absolute()


def imagenette_folder(image_size: int) -> str:
    """The smallest edition whose photographs need not be enlarged."""
    return next(
        (name for side, name in IMAGENETTE.items() if side is None or image_size <= side), IMAGENETTE[None]
    )


def lies_here(name: str) -> bool:
    """Whether a data set that is read through torchvision is in the data folder."""
    return (data_folder() / TORCHVISION[name][1]).is_file()
