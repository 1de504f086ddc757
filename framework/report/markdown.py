"""Tables as Markdown, in the dialect of GitHub."""

import pandas as pd

from framework.report.aggregate import readable
from framework.report.latex import is_numeric


def markdown(table: pd.DataFrame) -> str:
    """A table; `x_mean` and `x_std` become one column, as in `readable`, and numbers are right aligned."""
    text = readable(table)
    columns = {escaped(str(name)): [escaped(str(value)) for value in text[name]] for name in text.columns}
    widths = {name: max(3, len(name), *map(len, cells), 0) for name, cells in columns.items()}
    right = {name for name, cells in columns.items() if is_numeric(cells)}
    lines = [
        [name.rjust(widths[name]) if name in right else name.ljust(widths[name]) for name in columns],
        ["-" * (widths[name] - 1) + ":" if name in right else "-" * widths[name] for name in columns],
        *(
            [cell.rjust(widths[name]) if name in right else cell.ljust(widths[name])
             for name, cell in zip(columns, row, strict=True)]
            for row in zip(*columns.values(), strict=True)
        ),
    ]  # fmt: skip
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escaped(text: str) -> str:
    """Text as a cell shows it."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
