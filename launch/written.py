"""Tables as files: CSV and parquet with numbers, LaTeX, Markdown and HTML for readers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    import pandas as pd


class Files(NamedTuple):
    """Where to write a table in which form; None for not at all."""

    csv: Path | None = None
    parquet: Path | None = None
    latex: Path | None = None
    markdown: Path | None = None
    html: Path | None = None


def write(
    table: "pd.DataFrame",
    readable: "pd.DataFrame",
    files: Files,
    more: Mapping[str, "pd.DataFrame"] | None = None,
) -> list[str]:
    """Write a table into each of the files, and each of `more` beside it, by name; the paths, which are told."""
    written = []
    for kind, path in files._asdict().items():
        if path is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        for_eyes = kind in ("latex", "markdown", "html")
        _KINDS[kind](readable if for_eyes else table, path)
        written.append(path)
        for name, other in (more or {}).items():
            beside = path.with_name(f"{path.stem}_{name}{path.suffix}")
            _KINDS[kind](other, beside)
            written.append(beside)
    for path in written:
        typer.echo(f"table   {path}")
    return [str(path) for path in written]


def _csv(table: "pd.DataFrame", path: Path) -> None:
    table.to_csv(path, index=False)


def _parquet(table: "pd.DataFrame", path: Path) -> None:
    from framework.tracking.export import parquet_of

    parquet_of(table).to_parquet(path, index=False)


def _latex(table: "pd.DataFrame", path: Path) -> None:
    from framework.report.latex import latex

    path.write_text(latex(table), encoding="utf-8")


def _markdown(table: "pd.DataFrame", path: Path) -> None:
    from framework.report.markdown import markdown

    path.write_text(markdown(table), encoding="utf-8")


def _html(table: "pd.DataFrame", path: Path) -> None:
    from framework.report.html import html

    path.write_text(html(table, path.stem), encoding="utf-8")


_KINDS: Mapping[str, Callable[["pd.DataFrame", Path], None]] = {
    "csv": _csv,
    "parquet": _parquet,
    "latex": _latex,
    "markdown": _markdown,
    "html": _html,
}
