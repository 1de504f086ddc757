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


def data_folder() -> Path:
    """Where data sets are looked for: `SASHIKO_DATA`, or `data` in the working directory."""
    return Path(os.environ.get("SASHIKO_DATA") or "data").absolute()


def lies_here(name: str) -> bool:
    """Whether a data set that is read through torchvision is in the data folder."""
    return (data_folder() / TORCHVISION[name][1]).is_file()
