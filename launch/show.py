"""Tables and texts for the terminal."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table
from rich.text import Text

from framework.config import canonical
from framework.fields import branch_of, default_sections, discriminator_of, models_of

if TYPE_CHECKING:
    import pandas as pd

SIGNIFICANT = 4
DIGITS = tuple("-0123456789")
UNBOUNDED = 400
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_rows(rows: Sequence[Mapping[str, Any]], console: Console | None = None, *, fold: bool = True) -> None:
    """A table of mappings; numbers are right-aligned with four significant digits.

    What is too wide for the terminal is folded within its columns, or left to the terminal.
    """
    if not rows:
        return
    console = console or Console()
    if not console.is_terminal or not fold:
        console.width = UNBOUNDED  # a pipe has no edge to fold at
    console.print(table_of(rows))


def table_of(rows: Sequence[Mapping[str, Any]], *, words: bool = False) -> Table:
    """A table of mappings, of which there must be one; numbers are right-aligned, but not in one of `words`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = not words and all(cell(row[name])[:1] in DIGITS for row in rows)
        table.add_column(Text(visible(str(name))), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row.values()))  # no markup: names may hold brackets
    return table


def print_frame(frame: "pd.DataFrame", console: Console | None = None, *, fold: bool = True) -> None:
    """A data frame as a table."""
    records: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    print_rows(records, console, fold=fold)


def cell(value: Any) -> str:
    """One value as people read it."""
    if isinstance(value, float):
        return f"{value:.{SIGNIFICANT}g}"
    return "" if value is None else visible(str(value))


def visible(text: str) -> str:
    """A text without what a terminal obeys: escapes, and marks that turn the order of letters, are spelt out."""
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def config_text(config: type[BaseModel]) -> str:
    """Every field with its default, commented with its description, as TOML that stands for the defaults.

    What is null by default, or required, is shown behind a `#`.
    """
    return "\n".join(_sections(config, "", {})) + "\n"


def _sections(model: type[BaseModel], prefix: str, given: Mapping[str, Any]) -> Iterator[str]:
    """The values of one section, then its sub-sections; a union shows the default branch and names the others."""
    inner = {name: models_of(info) for name, info in model.model_fields.items() if models_of(info)}
    for name, info in model.model_fields.items():
        if name not in inner:
            value = given.get(name, None if info.is_required() else info.default)
            line = f"{'# ' if value is None else ''}{name} = {'' if value is None else toml(value)}"
            yield f"{line:<40} # {info.description}" if info.description else line
    for name, branches in inner.items():
        section = given.get(name) or default_sections(model).get(name)
        chosen = _chosen(model.model_fields[name], branches, section or {})
        lines = [f"[{prefix}{name}]"]
        kinds = _kinds(model.model_fields[name], branches)
        lines += [f"# {discriminator_of(model.model_fields[name])}: one of {', '.join(kinds)}"] if kinds else []
        lines += _sections(chosen, f"{prefix}{name}.", section or {})
        yield ""
        yield from lines if section is not None else (f"# {line}" if line else "" for line in lines)


def _chosen(info: FieldInfo, branches: Sequence[type[BaseModel]], section: Mapping[str, Any]) -> type[BaseModel]:
    tag = section.get(discriminator_of(info) or "")
    return (branch_of(info, tag) if tag is not None else None) or branches[0]


def _kinds(info: FieldInfo, branches: Sequence[type[BaseModel]]) -> list[str]:
    tag = discriminator_of(info)
    return (
        [str(kind) for branch in branches for kind in get_args(branch.model_fields[tag].annotation)] if tag else []
    )


def toml(value: Any) -> str:
    """A value as TOML on one line. Null has no form in TOML: it is left out of mappings."""
    if isinstance(value, BaseModel):
        return toml(value.model_dump())
    if isinstance(value, Mapping):
        entries = (f"{_key(str(key))} = {toml(item)}" for key, item in value.items() if item is not None)
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(canonical(value), ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
