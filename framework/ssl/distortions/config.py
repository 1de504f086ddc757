"""Distortions of images as data: an ordered, typed list. This module knows no tensor.

Every entry is applied where it stands, with its own probability, to images whose intensities lie in [0, 1]; two
entries of one kind are both applied. Parameters mean what they mean in torchvision.transforms.v2.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from framework.config import Config, no_effect
from framework.errors import Problem
from framework.problems import within

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Share | Annotated[tuple[Share, ...], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Range = tuple[float, float]

PROBABILITY = (
    "Share of the images that it is applied to, in [0, 1]; a list gives one for each view, and starts again where "
    "there are more views."
)
LEAST_VIEWS, MOST_VIEWS = 2, 10


def _not_ascending(key: str, given: Range, least: float, most: float = float("inf")) -> Iterator[Problem]:
    if not least <= given[0] <= given[1] <= most:
        bound = f"at least {least:g}" if most == float("inf") else f"from {least:g} to {most:g}"
        yield Problem(key, f"is {list(given)}; allowed: two numbers in ascending order, {bound}")


class _Boxes(Config):
    """What draws a rectangle."""

    scale: tuple[Positive, Positive]
    ratio: tuple[Positive, Positive]

    def conflicts(self) -> Iterator[Problem]:
        """Ranges that are none."""
        yield from _not_ascending("scale", self.scale, 0, 1)
        yield from _not_ascending("ratio", self.ratio, 0)


class Crop(_Boxes):
    """A random rectangle of the image, resized to the size of the views: bilinear, with antialias."""

    kind: Literal["crop"] = Field("crop", description="Selects the random resized crop.")
    probability: Probability = Field(1.0, description=PROBABILITY + " The others are resized whole.")
    scale: tuple[Positive, Positive] = Field(
        (0.08, 1.0), description="Least and largest share of the image's area, in (0, 1]."
    )
    ratio: tuple[Positive, Positive] = Field(
        (0.75, 4 / 3), description="Least and largest ratio of width to height."
    )


class HorizontalFlip(Config):
    """Left and right exchanged."""

    kind: Literal["horizontal_flip"] = Field("horizontal_flip", description="Selects the horizontal flip.")
    probability: Probability = Field(0.5, description=PROBABILITY)


class VerticalFlip(Config):
    """Top and bottom exchanged."""

    kind: Literal["vertical_flip"] = Field("vertical_flip", description="Selects the vertical flip.")
    probability: Probability = Field(0.5, description=PROBABILITY)


class Rotate(Config):
    """A rotation about the centre; black where the image leaves."""

    kind: Literal["rotate"] = Field("rotate", description="Selects the rotation by an angle.")
    probability: Probability = Field(0.5, description=PROBABILITY)
    degrees: Range = Field((-30.0, 30.0), description="Least and largest angle, in degrees, counter-clockwise.")
    interpolation: Literal["nearest", "bilinear"] = Field(
        "bilinear", description="How pixels between those of the image are found: nearest or bilinear."
    )

    def conflicts(self) -> Iterator[Problem]:
        """A range that is none."""
        yield from _not_ascending("degrees", self.degrees, -360, 360)


class Rotate90(Config):
    """A rotation by quarter turns, which loses nothing."""

    kind: Literal["rotate_90"] = Field("rotate_90", description="Selects the rotation by quarter turns.")
    probability: Probability = Field(0.5, description=PROBABILITY)
    turns: tuple[Literal[1, 2, 3], ...] = Field(
        (1, 2, 3), min_length=1, description="Quarter turns counter-clockwise that are equally likely: 1, 2 or 3."
    )


class ColourJitter(Config):
    """Brightness, contrast, saturation and hue, each by a factor of its own, in an order that is drawn too."""

    kind: Literal["colour_jitter"] = Field("colour_jitter", description="Selects the colour jitter.")
    probability: Probability = Field(0.8, description=PROBABILITY)
    brightness: float = Field(
        0.8, ge=0, description="b: the factor is drawn from [max(0, 1 - b), 1 + b]; 0 leaves it alone."
    )
    contrast: float = Field(0.8, ge=0, description="As brightness, towards the mean of the grey image.")
    saturation: float = Field(0.8, ge=0, description="As brightness, towards the grey image.")
    hue: float = Field(
        0.2, ge=0, le=0.5, description="h: the shift is drawn from [-h, h], in turns of the circle."
    )


class Grey(Config):
    """The grey image in every channel."""

    kind: Literal["grey"] = Field("grey", description="Selects the conversion to grey.")
    probability: Probability = Field(0.2, description=PROBABILITY)


class Blur(Config):
    """A Gaussian blur with reflected borders."""

    kind: Literal["blur"] = Field("blur", description="Selects the Gaussian blur.")
    probability: Probability = Field(0.5, description=PROBABILITY)
    sigma: tuple[Positive, Positive] = Field(
        (0.1, 2.0), description="Least and largest standard deviation of the kernel, in pixels."
    )
    kernel_size: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Side of the kernel, in pixels, odd; null takes three of the largest standard deviations each "
        "way, as far as the image goes.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """A range that is none, or a kernel without a centre."""
        yield from _not_ascending("sigma", self.sigma, 0)
        if self.kernel_size is not None and self.kernel_size % 2 == 0:
            yield Problem("kernel_size", f"is {self.kernel_size}; allowed: an odd number of pixels, or null")


class Solarise(Config):
    """Intensities from the threshold on are inverted."""

    kind: Literal["solarise"] = Field("solarise", description="Selects the solarisation.")
    probability: Probability = Field(0.2, description=PROBABILITY)
    threshold: Share = Field(0.5, description="Intensity from which on a pixel is inverted, in [0, 1].")


class Posterise(Config):
    """Few intensities are left."""

    kind: Literal["posterise"] = Field("posterise", description="Selects the posterisation.")
    probability: Probability = Field(0.5, description=PROBABILITY)
    bits: int = Field(4, ge=1, le=8, description="Bits of an intensity that are left, 1 to 8.")


class Erase(_Boxes):
    """A random rectangle is painted over. With one scale and ratio 1 it is a cutout that lies inside the image."""

    kind: Literal["erase"] = Field("erase", description="Selects the random erasing.")
    probability: Probability = Field(0.5, description=PROBABILITY)
    scale: tuple[Positive, Positive] = Field(
        (0.02, 0.33), description="Least and largest share of the image's area, in (0, 1]."
    )
    ratio: tuple[Positive, Positive] = Field((0.3, 3.3), description="Least and largest ratio of height to width.")
    value: Share = Field(0.0, description="Intensity of the rectangle, in [0, 1].")


class Noise(Config):
    """Gaussian noise on each pixel and channel; what leaves [0, 1] is clipped."""

    kind: Literal["noise"] = Field("noise", description="Selects the Gaussian noise.")
    probability: Probability = Field(0.5, description=PROBABILITY)
    mean: float = Field(0.0, description="Mean of the noise, in intensity on [0, 1].")
    sigma: float = Field(0.1, ge=0, description="Standard deviation of the noise, in intensity on [0, 1].")


Distortion = Annotated[
    Crop
    | HorizontalFlip
    | VerticalFlip
    | Rotate
    | Rotate90
    | ColourJitter
    | Grey
    | Blur
    | Solarise
    | Posterise
    | Erase
    | Noise,
    Field(discriminator="kind"),
]
Steps = tuple[Distortion, ...]

SIMCLR: Steps = (Crop(), HorizontalFlip(), ColourJitter(), Grey(), Blur())
BYOL: Steps = (
    Crop(),
    HorizontalFlip(),
    ColourJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    Grey(),
    Blur(probability=(1.0, 0.1)),
    Solarise(probability=(0.0, 0.2)),
)
VICREG: Steps = (
    Crop(),
    HorizontalFlip(),
    ColourJitter(brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1),
    Grey(),
    Solarise(probability=0.1),
    Blur(),
)
FASTSIAM: Steps = (
    Crop(scale=(0.2, 1.0)),
    HorizontalFlip(),
    ColourJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    Grey(),
    Blur(),
)
DIGITS: Steps = (
    Crop(scale=(0.5, 1.0)),
    Rotate(degrees=(-15.0, 15.0)),
    ColourJitter(probability=0.5, brightness=0.4, contrast=0.4, saturation=0.0, hue=0.0),
    Noise(probability=0.5, sigma=0.05),
)
PRESETS: Mapping[str, Steps] = {
    "simclr": SIMCLR,
    "byol": BYOL,
    "vicreg": VICREG,
    "fastsiam": FASTSIAM,
    "digits": DIGITS,
    "none": (),
}
"""Lists by the family of methods whose papers use them, with the numbers of lightly's transforms of the name.

    simclr     Chen et al., 2020; also DCL
    byol       Grill et al., 2020: two unequal views; the first is always blurred, the second sometimes solarised.
               Also Barlow Twins
    vicreg     Bardes et al., 2022
    fastsiam   Pototzky et al., 2022: crops of at least a fifth of the area. Also SimSiam and MoCo v2
    digits     8x8 grey digits, which neither flips nor small crops leave what they are
"""


class DistortionsConfig(Config):
    """How views are made of images: which distortions, on which share of the images, and at which size."""

    preset: Literal["simclr", "byol", "vicreg", "fastsiam", "digits", "none"] | None = Field(
        "simclr", description="A list of distortions by name; null where `steps` lists them."
    )
    steps: Steps | None = Field(
        None, description="The distortions in the order in which they are applied; null takes the preset's."
    )
    fraction: Share = Field(
        1.0,
        description="Share of the images of each batch that is distorted, in [0, 1], rounded to whole images; "
        "all views of the others are the plain, resized image.",
    )
    size: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Side of the views, in pixels; null takes the image's."
    )
    place: Literal["auto", "device", "workers"] = no_effect(
        "auto",
        description="Where views are made: device, on the training thread; workers, in processes beside it; auto "
        "tries both for 20 steps and takes the faster, or device without a try where num_workers is 0. The draws "
        "are the same.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Both lists, or none."""
        if self.steps is not None and self.preset is not None:
            message = f"is {self.preset}, and steps is given too; allowed: preset=null beside steps, or steps=null"
            yield Problem("preset", message)
        if self.steps is None and self.preset is None:
            yield Problem("preset", f"is null, and so is steps; allowed: {', '.join(PRESETS)}, or a list in steps")

    @property
    def listed(self) -> Steps:
        """The distortions, in order."""
        return PRESETS[self.preset or "none"] if self.steps is None else self.steps


def reduced(config: DistortionsConfig, channels: int) -> tuple[Steps, tuple[str, ...]]:
    """The distortions that can be done to images of so many channels; and what a preset's are less, in words.

    A preset is written for colour images: of images of one channel its colours are left out.
    """
    if channels != 1 or config.steps is not None:
        return config.listed, ()
    kept: list[Any] = []
    told = []
    for step in config.listed:
        if isinstance(step, Grey):
            told.append("grey is left out: images of one channel are grey")
        elif isinstance(step, ColourJitter) and (step.saturation or step.hue):
            kept.append(step.model_copy(update={"saturation": 0.0, "hue": 0.0}))
            told.append("colour_jitter is without saturation and hue: images of one channel have none")
        else:
            kept.append(step)
    return tuple(kept), tuple(told)


def view_problems(config: DistortionsConfig, shape: tuple[int, int, int], views: int) -> Iterator[Problem]:
    """What cannot be done to images of `shape` (C, H, W), or with so many views; keys are those of the config."""
    if not LEAST_VIEWS <= views <= MOST_VIEWS:
        yield Problem("views", f"is {views}; allowed: {LEAST_VIEWS} to {MOST_VIEWS}")
    channels, *sides = shape
    steps = reduced(config, channels)[0]
    resized_first = not any(isinstance(step, Crop) for step in steps)
    for place, step in enumerate(steps):
        if config.size and (resized_first or isinstance(step, Crop)):
            sides = [config.size] * 2
        key = f"steps.{place}" if config.steps is not None else ""
        yield from within(key, _step_problems(step, channels, sides, views))


def _step_problems(step: Any, channels: int, sides: list[int], views: int) -> Iterator[Problem]:
    given = step.probability
    if isinstance(given, tuple) and len(given) > views:
        yield Problem("probability", f"lists {len(given)} views; allowed: at most {views}, as there are views")
    if isinstance(step, Grey) and channels == 1:
        yield Problem("kind", "is grey, and images of one channel are grey already; leave it out")
    if isinstance(step, ColourJitter) and channels == 1:
        for name in ("saturation", "hue"):
            if getattr(step, name):
                message = f"is {getattr(step, name)}, and images of one channel have no colour; allowed: 0"
                yield Problem(name, message)
    if isinstance(step, Grey | ColourJitter) and channels not in (1, 3):
        message = (
            f"is {step.kind}, and the images have {channels} channels; allowed: images of 3 channels, or of 1"
        )
        yield Problem("kind", message)
    if isinstance(step, Rotate90) and sides[0] != sides[1] and set(step.turns) & {1, 3}:
        yield Problem(
            "turns", f"is {list(step.turns)}, and images of {sides[0]}x{sides[1]} are no squares; take [2]"
        )
    if isinstance(step, Blur) and (step.kernel_size or 1) // 2 >= min(sides):
        most = 2 * min(sides) - 1
        yield Problem("kernel_size", f"is {step.kernel_size}; allowed: at most {most} on {min(sides)} pixels")
