"""Tables as a page of HTML that needs nothing beside it, laid out by Great Tables."""

from typing import TYPE_CHECKING

import pandas as pd

from framework.report.aggregate import readable
from framework.report.latex import is_numeric

if TYPE_CHECKING:
    from great_tables import GT


def html(table: pd.DataFrame, title: str = "") -> str:
    """A whole page; `x_mean` and `x_std` become one column, as in `readable`, and numbers are right aligned."""
    return str(_laid_out(table, title).as_raw_html(make_page=True))


def _laid_out(table: pd.DataFrame, title: str) -> "GT":
    from great_tables import GT

    text = readable(table)
    right = [str(name) for name in text.columns if is_numeric([str(value) for value in text[name]])]
    laid = GT(text.rename(columns=str), id="table").cols_align("left").cols_align("right", columns=right)
    laid = laid.tab_options(table_font_size="13px", data_row_padding="3px", heading_align="left")
    return laid.tab_header(title) if title else laid
