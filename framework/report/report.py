"""What a report is: tables to read, and figures that are drawn when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pandas as pd

from framework.report.aggregate import readable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]


@dataclass(frozen=True)
class Answer:
    """What a reader wants to see first: a small table of text, and lines below it that say how to read it.

    All of it has at most `LINES` lines of `COLUMNS` characters; the caption tells the metric, its direction, what
    the mean and the spread are over, and how what is shown was chosen.
    """

    LINES: ClassVar[int] = 15
    COLUMNS: ClassVar[int] = 100

    table: pd.DataFrame
    caption: Sequence[str]


@dataclass(frozen=True)
class Report:
    """A view of a sweep's tables.

    `table` holds numbers, one column each (`x_mean`, `x_std`, `n`); `readable()` is for eyes. A figure is a
    function that draws it, so that a report without figures costs no drawing; where it is a function with its data
    (`functools.partial`), it is drawn anew only when one of them changes. `brief` gives a narrower table
    for the terminal, where the whole one is long. `more` holds further tables by name, which go into files of
    their own, and `notes` sentences for the reader, such as why a table is missing. `answer` is what the terminal
    shows first; there it stands for the table unless the whole is asked for.

    Raises:
        ValueError: a further table is called `table`, whose file is that of the first.
    """

    table: pd.DataFrame
    figures: Mapping[str, Draw] = field(default_factory=dict)
    brief: Callable[[], pd.DataFrame] | None = None
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: Sequence[str] = ()
    answer: Callable[[], Answer] | None = None

    def __post_init__(self) -> None:
        if "table" in self.more:
            raise ValueError("a further table is called `table`; its file would replace that of the first")

    def readable(self) -> pd.DataFrame:
        """For eyes: `mean ± std` in one column, numbers to four significant digits."""
        return readable(self.table if self.brief is None else self.brief())

    def save(self, folder: Path, formats: tuple[str, ...] = ("png", "pdf")) -> list[Path]:
        """Write every table as CSV and every figure in each of `formats` into `folder`; the paths written."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for name, table in {"table": self.table, **self.more}.items():
            paths.append(folder / f"{name}.csv")
            table.to_csv(paths[-1], index=False)
        for name, draw in self.figures.items():
            figure = draw()
            for kind in formats:
                paths.append(folder / f"{name}.{kind}")
                figure.savefig(paths[-1])
        return paths
