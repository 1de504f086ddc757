"""Labels that are wrong on purpose. Knows no model.

Shapes: N images.
"""

import torch

from framework.data.vision import ImageSet
from framework.seeds import torch_numbers


def with_label_noise(images: ImageSet, share: float, seed: int) -> ImageSet:
    """`images` of which a seeded share, rounded, has another class, each other one that there is equally likely.

    Which images and which classes does not depend on the random state. With one class, nothing can change.
    """
    classes = torch.unique(images.labels)
    number = round(share * len(images))
    if not number or len(classes) < 2:
        return images
    generator = torch_numbers(seed)
    wrong = torch.randperm(len(images), generator=generator)[:number]
    place = torch.searchsorted(classes, images.labels[wrong])
    further = torch.randint(1, len(classes), (number,), generator=generator)
    labels_N = images.labels.clone()
    labels_N[wrong] = classes[(place + further) % len(classes)]
    return ImageSet(images.images, labels_N, images.indices)
