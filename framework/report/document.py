"""A report as one page of HTML that needs nothing beside it: what a person attaches to a paper, or prints.

Answer, figures, tables, settings and provenance. Pictures are in the page itself; it loads nothing, runs nothing,
and looks the same in ten years.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from framework.importance import Importance
from framework.report.aggregate import number, readable
from framework.report.latex import is_numeric

MOST_ROWS, FURTHER_ROWS = 200, 40
"""Rows of the table, and of each further one, that a page shows; of more it says how many there are."""
FEW_EFFECTS = 3
BROAD = 1.6
"""Width over height from which on a picture has a row of its own."""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Picture:
    """A figure: its name, and its PNG file."""

    name: str
    path: Path

    @property
    def caption(self) -> str:
        """Its name as words."""
        return self.name.replace("_", " ")

    @property
    def is_broad(self) -> bool:
        """Whether it would be too small beside another one."""
        head = self.path.read_bytes()[16:24]  # of a PNG: width and height, four bytes each
        width, height = (int.from_bytes(part) for part in (head[:4], head[4:]))
        return height > 0 and width > BROAD * height

    @property
    def address(self) -> str:
        """The picture itself, as an address."""
        return f"data:image/png;base64,{base64.b64encode(self.path.read_bytes()).decode()}"


@dataclass(frozen=True)
class Document:
    """What a report says. `facts`, `swept` and `provenance` are rows of two cells: what, and what it is."""

    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    answer: pd.DataFrame | None = None
    caption: Sequence[str] = ()
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    importance: Importance | None = None
    metric: str = ""
    swept: Sequence[tuple[str, str]] = ()
    fixed: Sequence[tuple[str, str]] = ()
    provenance: Sequence[tuple[str, str]] = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Grid:
    """A table as the page has it: names of columns, which of them hold numbers, rows, and how many there are."""

    names: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]
    total: int


def page(document: Document) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    template = environment.get_template("document.html")
    return template.render(
        document=document,
        answer=None if document.answer is None else grid(document.answer),
        tables={
            name.replace("_", " "): grid(table, FURTHER_ROWS if place else MOST_ROWS)
            for place, (name, table) in enumerate(document.tables.items())
        },
        effects=_effects(document.importance),
    )


def grid(table: pd.DataFrame, most: int = MOST_ROWS) -> Grid:
    """A table; `x_mean` and `x_std` become one column, as in `readable`."""
    text = readable(table.head(most))
    columns = {str(name): [str(value) for value in text[name]] for name in text.columns}
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return Grid(list(columns), [is_numeric(cells) for cells in columns.values()], rows, len(table))


def _effects(importance: Importance | None) -> list[dict[str, Any]]:
    """The effects that a page shows: those above their noise floor, the seeds, and all others together."""
    if importance is None:
        return []
    shown = [effect for effect in importance.effects if effect.share > max(effect.floor or 0.0, 0.005)]
    shown = shown or list(importance.effects[:FEW_EFFECTS])  # none stands out of the noise: it is to be seen
    found = [
        {"name": " × ".join(effect.factors), "share": effect.share, "floor": effect.floor, "p": effect.p}
        for effect in shown
    ]
    rest = sum(effect.share for effect in importance.effects if effect not in shown) + (importance.left or 0.0)
    for name, share in (("seeds", importance.seeds), ("everything else", rest)):
        if share is not None and share > 0:
            found.append({"name": name, "share": share, "floor": None, "p": None})
    return found
