"""What a report is: tables to read, and figures that are drawn when they are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from framework.report.aggregate import readable

Draw = Callable[[], Figure]


@dataclass(frozen=True)
class Report:
    """A view of a sweep's tables.

    `table` holds numbers, one column each (`x_mean`, `x_std`, `n`); `readable()` is for eyes. A figure is a
    function that draws it, so that a report without figures costs no drawing. `brief` gives a narrower table
    for the terminal, where the whole one is long. `more` holds further tables by name, which go into files of
    their own, and `notes` sentences for the reader, such as why a table is missing.

    Raises:
        ValueError: a further table is called `table`, whose file is that of the first.
    """

    table: pd.DataFrame
    figures: Mapping[str, Draw] = field(default_factory=dict)
    brief: Callable[[], pd.DataFrame] | None = None
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    notes: Sequence[str] = ()

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
