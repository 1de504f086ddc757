"""One run: a pair of networks that differ in their seed alone. This module knows no tensor."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from framework.config import Config, Seed, no_effect, replicate
from framework.data.config import DataConfig
from framework.data.facts import train_images
from framework.errors import Problem
from framework.fusion.config import ActivationMatching, AlignmentConfig, Average, WeightMatching, inputs_needed
from framework.mappings.config import Affine, MappingConfig, Orthogonal
from framework.models.config import MLP
from framework.models.facts import is_classifier
from framework.problems import differing
from framework.ssl.probed.config import ProbeConfig
from framework.training.config import TrainingConfig
from framework.training.optimizers import SGD

SEED_ALONE = "a pair differs in its seed alone, so that what is compared is chance"


def _classifier(seed: int) -> TrainingConfig:
    return TrainingConfig(
        data=DataConfig(normalise="standard"),
        model=MLP(hidden=(64, 64), bias=True),
        seed=seed,
        optimizer=SGD(),
        learning_rate=0.05,
        max_epochs=10,
    )


class Classifiers(Config):
    """Two seeds of one classifier: maps between their hidden layers, and what becomes of them when fused."""

    kind: Literal["classifiers"] = Field("classifiers", description="Selects two seeds of one classifier.")
    first: TrainingConfig = Field(_classifier(0), description="The first classifier; fused ones are in its basis.")
    second: TrainingConfig = Field(_classifier(1), description="The second: the same training from another seed.")
    layers: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Names of the hidden layers that are mapped, as in named_modules(); null takes the output of "
        "every nonlinearity behind which the model can be cut.",
    )
    alignments: tuple[AlignmentConfig, ...] = Field(
        (Average(), WeightMatching(), ActivationMatching()),
        min_length=1,
        description="How the second classifier's hidden units are matched with the first one's before both are "
        "averaged; `average` matches nothing.",
    )
    curve_places: int = Field(
        11,
        ge=3,
        description="Places on the straight line between the two, ends included, at which the barrier is looked "
        "for; an odd number has the middle among them.",
    )
    num_inputs: int = Field(
        1000,
        ge=2,
        description="Images of the train split whose activations alignments see, drawn by samples_seed.",
    )

    @property
    def data(self) -> DataConfig:
        """The images of both."""
        return self.first.data

    @property
    def width(self) -> int | None:
        """The most units of a layer, where they are known before the model is built."""
        model = self.first.model
        return max(model.hidden, default=None) if isinstance(model, MLP) and self.layers is None else None

    def conflicts(self) -> Iterator[Problem]:
        """A pair that is none, and alignments that cannot be told apart or see too few images."""
        for role in ("first", "second"):
            model = getattr(self, role).model
            if not is_classifier(model):
                message = f"is {model.kind}, which is no classifier: it has no accuracy that fusion could keep"
                yield Problem(f"{role}.model.kind", message)
        yield from pair_problems(self.first, self.second)
        kinds = [alignment.kind for alignment in self.alignments]
        for kind in dict.fromkeys(kind for kind in kinds if kinds.count(kind) > 1):
            yield Problem("alignments", f"names {kind} twice; tables tell alignments apart by their kind")
        available = min(self.num_inputs, train_images(self.data))
        for number, alignment in enumerate(self.alignments):
            if inputs_needed(alignment) > available:
                message = f"is {inputs_needed(alignment)}, and alignments see {available} images (num_inputs, and "
                message += f"the train split of {self.data.name} has {train_images(self.data)}); take no more"
                yield Problem(f"alignments.{number}.num_samples", message)


class Encoders(Config):
    """Two seeds of one self-supervised encoder: is one's linear probe of use on the other's mapped features?"""

    kind: Literal["encoders"] = Field("encoders", description="Selects two seeds of one encoder, with probes.")
    first: ProbeConfig = Field(ProbeConfig(), description="The first encoder with a linear probe.")
    second: ProbeConfig = Field(
        ProbeConfig.model_validate({"encoder": {"seed": 1}}),
        description="The second: the same training from another seed, with a probe of its own.",
    )

    @property
    def data(self) -> DataConfig:
        """The images of both."""
        return self.first.data

    @property
    def width(self) -> int | None:
        """The number of features, where it is known before the encoder is built."""
        return self.first.num_features

    def conflicts(self) -> Iterator[Problem]:
        """A pair that is none."""
        if self.first.weights != self.second.weights:
            message = f"is {self.second.weights}, and first.weights is {self.first.weights}: {SEED_ALONE}"
            yield Problem("second.weights", message)
        for problem in pair_problems(self.first.encoder, self.second.encoder):
            role, _, rest = problem.key.partition(".")
            yield Problem(f"{role}.encoder{f'.{rest}' if rest else ''}", problem.message)


def pair_problems(first: Any, second: Any) -> Iterator[Problem]:
    """What makes two trainings no pair: the same seed, or another difference than that of the seed."""
    other = second.model_copy(update={"seed": first.seed})
    if other.canonical_text != first.canonical_text:
        message = f"differs from first in more than its seed, in {differing(first, other)}: {SEED_ALONE}"
        yield Problem("second", message)
    elif first.seed == second.seed:
        message = f"is {second.seed}, and so is that of first: they are one network, not two; take another seed"
        yield Problem("second.seed", message)


class CommunicationConfig(Config):
    """A pair of networks: how well a map carries one's representation to the other, and what they do together."""

    subject: Annotated[Classifiers | Encoders, Field(discriminator="kind")] = Field(
        Classifiers(), description="The two networks: classifiers, which are fused, or encoders with probes."
    )
    mappings: tuple[MappingConfig, ...] = Field(
        (Affine(ridges="auto"), Orthogonal()),
        min_length=1,
        description="Maps that are fitted both ways; of several ridges that with the least error on val is taken.",
    )
    num_samples: int = Field(
        1000,
        ge=2,
        description="Images of the train split that maps are fitted on; more than a layer has units.",
    )
    samples_seed: Seed = replicate(0, description="Seed of the draw of images, and of the shuffled control.")
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Maps that cannot be told apart, and samples that are too few or are not there."""
        labels = [mapping.label for mapping in self.mappings]
        for label in dict.fromkeys(label for label in labels if labels.count(label) > 1):
            yield Problem("mappings", f"names {label} twice; tables tell maps apart by this name")
        images = train_images(self.subject.data)
        if self.num_samples > images:
            message = f"is {self.num_samples}, and the train split of {self.subject.data.name} has {images} images"
            yield Problem("num_samples", f"{message}; allowed: 2 to {images}")
        width = self.subject.width
        if width is not None and self.num_samples <= width:
            yield Problem("num_samples", few_samples(self.num_samples, "the widest layer", width))


def few_samples(num_samples: int, layer: str, units: int) -> str:
    """Why so few samples cannot tell how well a layer is mapped."""
    return (
        f"is {num_samples}, and {layer} has {units} units: with no more samples than units a map fits whatever "
        f"it is given; take more than {units}, or name smaller layers"
    )


def setting_of(config: CommunicationConfig) -> dict[str, str]:
    """What a pair shares, in words, by column: what tables and figures call the group that it is of."""
    subject = config.subject
    encoder = subject.first.encoder if isinstance(subject, Encoders) else None
    trained: Any = encoder or subject.first
    model = encoder.method.kind if encoder is not None else _architecture(trained.model)
    shared = _shared_epochs(trained)
    own = trained.max_epochs + trained.extra_epochs
    epochs = f"{own} more" if shared == "best" else str(own + (int(shared) if shared.isdecimal() else 0))
    return {"dataset": facts_name(trained.data), "model": model, "epochs": epochs, "shared_epochs": shared}


def facts_name(data: DataConfig) -> str:
    """The name of the data set, and the number of images of train where that is a share."""
    return data.name if data.train_fraction == 1 else f"{data.name} ({train_images(data)})"


def _shared_epochs(trained: Any) -> str:
    """The epochs of the training that both begin with: `best` where it took the best of them, 0 of the same first
    weights, and `none` where each draws its own.
    """
    if trained.start.kind != "from_other":
        return "none"
    which: str = trained.start.which
    last = str(trained.start.other.max_epochs + trained.start.other.extra_epochs)
    return {"last": last, "initial": "0"}.get(which, which.removeprefix("epoch_").lstrip("0"))


def _architecture(model: Any) -> str:
    if isinstance(model, MLP):
        return "-".join(map(str, model.hidden))
    facts = [str(getattr(model, name)) for name in ("depth", "width") if hasattr(model, name)]
    return " ".join([model.kind, *facts])


def group_of(config: CommunicationConfig) -> str:
    """The identity of what a pair shares: that of its first network with the seed 0."""
    first = config.subject.first
    if isinstance(first, ProbeConfig):
        return first.model_copy(update={"encoder": first.encoder.model_copy(update={"seed": 0})}).config_id
    return first.model_copy(update={"seed": 0}).config_id
