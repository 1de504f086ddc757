"""Which table, what of it is predicted, and how it is split. This module knows no frame and reads no file."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field

from framework.config import Config
from framework.errors import Problem

SHIPPED = ("iris", "wine", "breast_cancer", "diabetes", "digits")
"""The tables that scikit-learn ships."""
SUFFIXES = (".csv", ".parquet")
MOST_CLASSES = 20
Task = Literal["classification", "regression"]


class TableConfig(Config):
    """A table with a target column, in three disjoint splits: train, val and test.

    What `preprocess` has written brings its test split, and val is drawn from its train split; of any other table
    both are drawn. The seed of the draws is that of the run.
    """

    name: str = Field(
        "iris",
        min_length=1,
        description="The table: iris (150 rows, 3 classes), wine (178, 3), breast_cancer (569, 2), digits (1,797, "
        "10) or diabetes (442, a number), which ship with scikit-learn; the name of one that `sashiko preprocess "
        "tabular` has written; or the path of a file that ends in .csv or .parquet. The path stands for what lies "
        "there: another table needs another one.",
    )
    target: str | None = Field(
        None,
        description="Column that is predicted; null takes the one that the table brings, which a file has not.",
    )
    task: Literal["auto", "classification", "regression"] = Field(
        "auto",
        description="Whether the target is a class or a number: classification, regression, or auto, by its type: "
        f"text, true and false, and whole numbers of at most {MOST_CLASSES} values are classes, others numbers.",
    )
    leave_out: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Columns that are no features, such as the number of a sample."
    )
    stratify: bool = Field(
        True,
        description="Whether classes are drawn into the splits in equal shares, at least one row of each (true or "
        "false); where the target is a number it has no effect.",
    )
    val_fraction: float = Field(
        0.2, gt=0, lt=1, description="Share of the rows outside the test split that goes to val, in (0, 1)."
    )
    test_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of all rows that goes to test, in (0, 1); what `preprocess` has written ignores it, "
        "because it brings its test split.",
    )

    @property
    def is_file(self) -> bool:
        """Whether the table is a file of the user's own."""
        return is_file(self.name)

    @property
    def is_known(self) -> bool:
        """Whether it is a table that ships with scikit-learn, as it is: nothing can be wrong with it."""
        return self.name in SHIPPED and self == TableConfig(name=self.name)

    def conflicts(self) -> Iterator[Problem]:
        """A file without a target; a target that is left out."""
        if self.is_file and self.target is None:
            yield Problem("target", f"is null, and the file {self.name} does not say; allowed: one of its columns")
        if self.target is not None and self.target in self.leave_out:
            yield Problem("leave_out", f"names {self.target}, which is the target; drop it from one of both")


def is_file(name: str) -> bool:
    """Whether a name is the path of a CSV or parquet file."""
    return PurePath(name).suffix.lower() in SUFFIXES
