"""One run: an encoder that was trained without labels, and how it is evaluated."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config, no_effect
from framework.data.config import DataConfig
from framework.data.facts import facts_of, train_images
from framework.errors import Problem
from framework.problems import within
from framework.ssl.training.config import EncoderConfig

Metric = Literal["accuracy", "class_average", "precision", "recall"]


class SSLConfig(Config):
    """An encoder is evaluated beside its backbone without training; all is fitted on train and chosen on val."""

    encoder: EncoderConfig = Field(
        EncoderConfig(), description="The encoder, which is trained where it is not there."
    )
    weights: Literal["best", "last"] = Field(
        "best", description="Which of its weights: best (by the neighbours on val), or last."
    )
    neighbours: int = Field(20, ge=1, description="Neighbours k of the train split that vote on an image.")
    temperature: float = Field(0.1, gt=0, description="Temperature t of their votes, exp(cosine / t).")
    metrics: tuple[Metric, ...] = Field(
        ("accuracy", "class_average", "precision", "recall"),
        min_length=1,
        description="What is told of each evaluation, besides the accuracy: class_average, precision, recall.",
    )
    top_k: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 3), min_length=1, description="Classes that a prediction may name, for each metric."
    )
    average: Literal["macro", "micro", "weighted"] = Field(
        "macro", description="How precision and recall are averaged over the classes."
    )
    baselines: bool = Field(
        True,
        description="Whether the backbone is evaluated with random weights (of encoder.seed) and with pretrained "
        "ones (where they lie on this machine), too (true or false).",
    )
    transfer: DataConfig | None = Field(
        None,
        description="A further data set that the encoder is evaluated on, fitted to its images; null has none.",
    )
    fine_tune_epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Epochs in which a copy goes on learning with labels and a linear head; null does not."
    )
    gallery: int = no_effect(
        6, description="Test images that are shown with their nearest train images; 0 shows none."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = no_effect(
        "auto", description="Where to compute; auto takes a GPU where there is one."
    )

    def conflicts(self) -> Iterator[Problem]:
        """More neighbours or classes than there are."""
        named = {"encoder.data": self.encoder.data, **({"transfer": self.transfer} if self.transfer else {})}
        for key, data in named.items():
            images, classes = train_images(data), facts_of(data).classes
            if self.neighbours > images:
                message = f"is {self.neighbours}, and the train split of {key} ({data.name}) has {images} images"
                yield Problem("neighbours", f"{message}; allowed: 1 to {images}")
            if max(self.top_k) > classes:
                message = f"is {list(self.top_k)}, and {key} ({data.name}) has {classes} classes"
                yield Problem("top_k", f"{message}; allowed: 1 to {classes} each")
        if self.transfer is not None:
            yield from within("transfer", self._transfer_problems(self.transfer))
        if "accuracy" not in self.metrics:
            yield Problem("metrics", f"is {list(self.metrics)}; accuracy is among them, reports are made of it")

    def _transfer_problems(self, data: DataConfig) -> Iterator[Problem]:
        own = self.encoder.data
        if (data.name, data.folder) == (own.name, own.folder):
            yield Problem("name", f"is {data.name}, the encoder's own data set; take another, or transfer=null")
        if data.normalise != self.encoder.data.normalise:
            message = (
                f"is {data.normalise}, and the encoder learned on {self.encoder.data.normalise}; make them equal"
            )
            yield Problem("normalise", message)
