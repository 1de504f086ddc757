"""Tables and texts for the terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from framework.config import canonical
from framework.fields import default_sections, models_of

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT = 4
DIGITS = tuple("-0123456789")
UNBOUNDED = 400


def print_rows(rows: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """A table of mappings; numbers are right-aligned with four significant digits."""
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = all(cell(row[name])[:1] in DIGITS for row in rows)
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(value) for value in row.values()))
    console = console or Console()
    if not console.is_terminal:
        console.width = UNBOUNDED  # a pipe has no edge to fold at
    console.print(table)


def print_frame(frame: "pd.DataFrame", console: Console | None = None) -> None:
    """A data frame as a table."""
    records: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    print_rows(records, console)


def cell(value: Any) -> str:
    """One value as people read it."""
    if isinstance(value, float):
        return f"{value:.{SIGNIFICANT}g}"
    return "" if value is None else str(value)


def config_text(config: type[BaseModel]) -> str:
    """Every field with its default, commented with its description, as TOML."""
    return "\n".join(_sections(config, "", {})) + "\n"


def _sections(model: type[BaseModel], prefix: str, given: Mapping[str, Any]) -> Iterator[str]:
    """The values of one section, then its sub-sections; a union shows the default branch and names the others."""
    defaults = default_sections(model)
    inner = {name: models_of(info) for name, info in model.model_fields.items() if models_of(info)}
    for name, info in model.model_fields.items():
        if name in inner:
            continue
        value = given.get(name, None if info.is_required() else info.default)
        text = "" if value is None else json.dumps(canonical(value))
        comment = f"# {info.description}" if info.description else ""
        yield f"{'# ' if value is None else ''}{name} = {text}".ljust(40) + f" {comment}"
    for name, branches in inner.items():
        section = given.get(name) or defaults.get(name) or {}
        chosen = next((b for b in branches if section.get("kind") == getattr(b(), "kind", None)), branches[0])
        yield f"\n[{prefix}{name}]"
        if len(branches) > 1:
            kinds = ", ".join(str(getattr(branch(), "kind", branch.__name__)) for branch in branches)
            yield f"# kind: one of {kinds}"
        yield from _sections(chosen, f"{prefix}{name}.", section)
