"""Tables as LaTeX, for papers that load the package `booktabs`."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from framework.errors import InvalidInput, Problem
from framework.report.aggregate import readable

Better = Literal["lower", "higher"]

NUMBER = r"-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf)"
CELL = re.compile(rf"({NUMBER})(?: ± ({NUMBER}))?")
MISSING = ("", "-", "nan", "None")

# What LaTeX would stop at, or print as another sign in its old text encoding.
ESCAPES = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "|": r"\textbar{}",
        "<": "$<$",
        ">": "$>$",
        "±": r"$\pm$",
        "×": r"$\times$",
        "→": r"$\to$",
        "Δ": r"$\Delta$",
        "λ": r"$\lambda$",
        "ρ": r"$\rho$",
        "σ": r"$\sigma$",
        "τ": r"$\tau$",
        "≤": r"$\leq$",
        "≥": r"$\geq$",
        "–": "--",
        "…": r"\ldots{}",
        "\n": " ",
    }
)


def latex(table: pd.DataFrame, best: Mapping[str, Better] | None = None) -> str:
    """A booktabs `tabular` of a table; `x_mean` and `x_std` become one column, as in `readable`.

    Columns of numbers are right aligned, numbers are in math mode, and a missing number is a dash.

    Args:
        table: Numbers, or text as `readable` gives it.
        best: Columns in which the best mean is bold, by name in the readable table, with what is better in them.

    Raises:
        InvalidInput: `best` names a column that the readable table lacks, or asks for neither lower nor higher.
    """
    text = readable(table)
    best = dict(best or {})
    known = ", ".join(map(str, text.columns))
    problems = [Problem(f"best.{name}", f"is no column; known: {known}") for name in best if name not in text]
    problems += [
        Problem(f"best.{name}", f"is {better!r}; allowed: lower, higher")
        for name, better in best.items()
        if better not in ("lower", "higher")
    ]
    if problems:
        raise InvalidInput(problems)
    columns = {str(name): [str(value) for value in text[name]] for name in text.columns}
    numeric = {name: is_numeric(cells) for name, cells in columns.items()}
    written = [
        _numbers(cells, best.get(name)) if numeric[name] else [escaped(cell) for cell in cells]
        for name, cells in columns.items()
    ]
    lines = [
        rf"\begin{{tabular}}{{{''.join('r' if numeric[name] else 'l' for name in columns)}}}",
        r"\toprule",
        _row([escaped(name) for name in columns]),
        r"\midrule",
        *(_row(row) for row in zip(*written, strict=True)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text as LaTeX prints it letter by letter."""
    return text.translate(ESCAPES)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether cells hold numbers, with or without a standard deviation."""
    filled = [cell for cell in cells if cell not in MISSING]
    return bool(filled) and all(CELL.fullmatch(cell) for cell in filled)


def _numbers(cells: Sequence[str], better: Better | None) -> list[str]:
    means = [float(match[1]) if (match := CELL.fullmatch(cell)) else None for cell in cells]
    known = [mean for mean in means if mean is not None]
    chosen = None if better is None else min(known) if better == "lower" else max(known)
    return [
        "--" if mean is None else _math(cell, bold=mean == chosen) for cell, mean in zip(cells, means, strict=True)
    ]


def _math(cell: str, *, bold: bool) -> str:
    mean, *std = (_number(part) for part in cell.split(" ± "))
    parts = [rf"\mathbf{{{mean}}}" if bold else mean, *std]
    return "$" + r" \pm ".join(parts) + "$"


def _number(text: str) -> str:
    if text.endswith("inf"):
        return text.replace("inf", r"\infty")
    mantissa, exponent, power = text.partition("e")
    return rf"{mantissa} \times 10^{{{int(power)}}}" if exponent else mantissa
