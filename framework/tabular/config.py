"""The models of tables, as data. Each predicts classes or numbers, as the table asks for. Knows no tensor."""

from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config
from framework.training.starts import Extended


class Network(Extended):
    """What torch trains, on the cross-entropy of classes or the squared error of the standardised target."""

    batch_size: int = Field(32, ge=2, description="Rows per optimiser step.")
    learning_rate: float = Field(
        0.005, gt=0, description="Step size of the optimiser, without unit; the schedule goes on from it."
    )
    max_epochs: int = Field(200, ge=1, description="Most passes over the train split, in epochs.")
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        20,
        description="Stop after these many epochs in a row without a smaller val error; null goes on to "
        "max_epochs. The weights of the best epoch on val are taken either way.",
    )


class Linear(Network):
    """One linear layer: softmax regression for classes, least squares for numbers."""

    kind: Literal["linear"] = Field("linear", description="Selects the linear model, trained by torch.")


class MLP(Network):
    """Linear layers with ReLU between them."""

    kind: Literal["mlp"] = Field("mlp", description="Selects the fully connected network, trained by torch.")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (64, 64), min_length=1, description="Widths of the hidden layers, in units."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of hidden units that is left out in training.")


class LogisticOrRidge(Config):
    """Linear with an L2 penalty, solved exactly: logistic regression for classes, ridge regression for numbers."""

    kind: Literal["logistic_or_ridge"] = Field(
        "logistic_or_ridge", description="Selects logistic regression (classes) or ridge regression (numbers)."
    )
    penalty: float = Field(
        1.0,
        gt=0,
        description="λ beside the sum of errors over rows: λ/2 ‖w‖² of classes, λ ‖w‖² of numbers, without unit.",
    )


class Neighbours(Config):
    """The k nearest rows of train vote, or their mean is taken."""

    kind: Literal["nearest_neighbours"] = Field("nearest_neighbours", description="Selects k-nearest neighbours.")
    num_neighbours: int = Field(5, ge=1, description="k, in rows; where train has fewer, all of them.")


class RandomForest(Config):
    """Trees on draws of the rows (Breiman, 2001), each split looking at some of the features."""

    kind: Literal["random_forest"] = Field("random_forest", description="Selects the random forest.")
    num_trees: int = Field(100, ge=1, description="Number of trees.")


class GradientBoosting(Config):
    """Trees that each mend what those before leave, on features in bins (scikit-learn's HistGradientBoosting)."""

    kind: Literal["gradient_boosting"] = Field("gradient_boosting", description="Selects gradient boosting.")
    learning_rate: float = Field(0.1, gt=0, le=1, description="Weight of each tree, in (0, 1].")
    max_trees: int = Field(
        100, ge=1, description="Most trees, of each class where there are more than two; val chooses how many."
    )
    max_leaves: int = Field(31, ge=2, description="Most leaves of a tree.")


class Dummy(Config):
    """What is known without features: the most frequent class of train, or the mean of its targets."""

    kind: Literal["dummy"] = Field("dummy", description="Selects the baseline that looks at no feature.")


ModelConfig = Annotated[
    Linear | MLP | LogisticOrRidge | Neighbours | RandomForest | GradientBoosting | Dummy,
    Field(discriminator="kind"),
]
MODELS = (
    "dummy",
    "linear",
    "mlp",
    "logistic_or_ridge",
    "nearest_neighbours",
    "random_forest",
    "gradient_boosting",
)
"""The kinds, in the order of reports."""
