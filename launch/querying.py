"""SQL over what runs said: `runs`, `history` and every table that they logged, read only, by DuckDB.

DuckDB runs in this process, in memory, without files and without network; what it is given are columns of the
mirror. Only tables that the query names are fetched.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from framework.errors import ConfigError, Problem
from framework.tracking.tracker import Tracker
from launch.comparison import ROWS, records_of
from launch.fetching import telling
from launch.places import Place
from launch.show import print_frame, visible
from launch.written import Files, write

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from framework.tracking.mirror import Mirror

LIST = "-"
RUNS, HISTORY, OF_RUNS = "runs", "history", "table."
MADE = "created_at"


@dataclass(frozen=True)
class Answered:
    """The rows of an answer."""

    columns: list[str]
    rows: list[dict[str, Any]]
    files: list[str] = field(default_factory=list)


def query(tracker: Tracker, place: Place, sql: str, csv: Path | None, parquet: Path | None) -> Answered:
    """Print the answer, and write it where asked.

    Raises:
        ConfigError: the query is no single SELECT, or names what there is not.
        TrackerError: there is no such project, or the tracker does not answer.
    """
    from framework.tracking.mirror import look

    with telling() as say, look(tracker, place.project_path, place.sweeps, say) as mirror:
        if sql.strip() == LIST:
            return _listed(mirror, place, tracker)
        answer = _ask(mirror, place, tracker, sql)
    frame = answer.to_pandas()
    print_frame(frame.head(ROWS))
    if len(frame) > ROWS:
        typer.echo(f"{len(frame) - ROWS:,} further rows; --csv and --parquet write all")
    return Answered(list(answer.column_names), records_of(frame), write(frame, frame, Files(csv, parquet)))


def _ask(mirror: "Mirror", place: Place, tracker: Tracker, sql: str) -> "pa.Table":
    import duckdb

    db = duckdb.connect(config={"enable_external_access": "false", "autoinstall_known_extensions": "false"})
    try:
        names = _names(mirror)
        known = {shown.casefold(): shown for shown in names}
        for name in _named(db, sql):
            meant = name if name in names else known.get(name.casefold(), name)
            db.register(name, _table(mirror, place, tracker, meant))
        db.execute("SET lock_configuration = true")
        found: pa.Table = db.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        told = ", ".join(_names(mirror))
        raise ConfigError([Problem("query", f"{error}; the tables are {told}")]) from error
    finally:
        db.close()
    return _plain(found)


def _named(db: "duckdb.DuckDBPyConnection", sql: str) -> set[str]:
    """The tables that a query names, as its syntax tree has them; those that it makes itself are none.

    Raises:
        ConfigError: it is not one SELECT.
    """
    import duckdb

    statements = db.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        told = "is not one SELECT; nothing else is taken, since nothing can be changed"
        raise ConfigError([Problem("query", told)])
    ((text,),) = db.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()
    named: set[str] = set()
    made: set[str] = set()
    _walk(json.loads(text), named, made)
    return named - made


def _walk(node: Any, named: set[str], made: set[str]) -> None:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE":
            named.add(str(node.get("table_name")))
        made |= {str(entry.get("key")) for entry in (node.get("cte_map") or {}).get("map") or ()}
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _walk(child, named, made)


def _plain(answer: "pa.Table") -> "pa.Table":
    """Sums of whole numbers as whole numbers, where they are not too large, and other decimals as floats."""
    import pyarrow as pa

    for index, kind in enumerate(answer.schema.types):
        if pa.types.is_decimal(kind):
            column = answer.column(index)
            try:
                column = column.cast(pa.int64() if kind.scale == 0 else pa.float64())
            except pa.ArrowInvalid:  # larger than 64 bits
                column = column.cast(pa.float64())
            answer = answer.set_column(index, answer.column_names[index], column)
    return answer


def _table(mirror: "Mirror", place: Place, tracker: Tracker, name: str) -> "pa.Table":
    import pyarrow as pa

    from framework.tracking.export import parquet_of
    from framework.tracking.frames import page_of, runs_frame
    from framework.tracking.tables import empty

    if name == RUNS:
        frame = runs_frame(mirror.runs(), page_of(tracker, place.project_path)).frame
        return empty() if frame.empty else pa.Table.from_pandas(_typed(parquet_of(frame)), preserve_index=False)
    if name == HISTORY:
        found = mirror.history()
        return empty() if found is None else found
    name = _logged(name)
    if name not in mirror.table_names():
        if name in mirror.apart():
            told = f"stands apart, and is fetched by: sashiko pull --table {name}"
            raise ConfigError([Problem(f"table {name}", told)])
        raise ConfigError(
            [Problem(f"table {name}", f"is none of these runs; they have {', '.join(_names(mirror))}")]
        )
    found = mirror.table(name)
    return empty() if found is None else found


def _names(mirror: "Mirror") -> list[str]:
    """What can be asked: a logged table that is called like one of the two others is `table.runs` here."""
    logged = mirror.table_names()
    return [RUNS, HISTORY, *(f"{OF_RUNS}{name}" if name in (RUNS, HISTORY) else name for name in logged)]


def _logged(name: str) -> str:
    bare = name.removeprefix(OF_RUNS)
    return bare if bare in (RUNS, HISTORY) else name


def _typed(runs: "pd.DataFrame") -> "pd.DataFrame":
    """When runs were made as moments (UTC), which can be compared; a column without a value as text."""
    import pandas as pd

    made = pd.to_datetime(runs[MADE], utc=True).dt.tz_localize(None)
    empty = [name for name in runs if runs[name].isna().all()]
    return runs.assign(**{MADE: made}).astype({name: "string" for name in empty if name != MADE})


def _listed(mirror: "Mirror", place: Place, tracker: Tracker) -> Answered:
    """The tables with their columns."""
    rows = []
    for name in _names(mirror):
        schema = _table(mirror, place, tracker, name).schema
        rows += [{"table": name, "column": field.name, "type": str(field.type)} for field in schema]
        typer.echo(visible(f"{name}: {', '.join(field.name for field in schema)}"))
    return Answered(["table", "column", "type"], rows)
