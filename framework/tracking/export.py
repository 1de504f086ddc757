"""A sweep on this machine: its runs and tables as parquet and CSV, its artifacts as folders.

Tables are written run by run, so that one of many million rows needs the memory of one run.
"""

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from framework.config import canonical_json
from framework.errors import ConfigError, Problem
from framework.fields import nearest
from framework.tracking import artifacts
from framework.tracking.current import current_tracker
from framework.tracking.lineage import FIELDS, Version, of_runs
from framework.tracking.tables import Tables

Format = Literal["parquet", "csv"]
FORMATS: tuple[Format, ...] = ("parquet", "csv")


class Written(NamedTuple):
    """A file, or the folder of an artifact, and how many rows or files it holds."""

    path: Path
    size: int


class Exportable(Protocol):
    """Runs of one project, and the tables that they logged. `filters` are W&B's, and take in the runs."""

    @property
    def project_path(self) -> str:
        """entity/project."""

    @property
    def runs(self) -> pd.DataFrame:
        """A row a run, with the column `run_id`."""

    @property
    def tables(self) -> Tables:
        """Their tables."""

    @property
    def filters(self) -> Mapping[str, Any]:
        """W&B's."""


def export_runs(results: Exportable, folder: Path, formats: Sequence[Format] = FORMATS) -> list[Written]:
    """Write `runs`: a row a run with identity, state, factors and summary metrics; lists become JSON."""
    return export_frame(results.runs, "runs", folder, formats)


def export_frame(
    frame: pd.DataFrame, name: str, folder: Path, formats: Sequence[Format] = FORMATS
) -> list[Written]:
    """Write a frame as `<name>.parquet` and `<name>.csv`; what is no scalar becomes JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = parquet_of(frame)
    written = []
    for kind in formats:
        path = folder / f"{name}.{kind}"
        if kind == "csv":
            plain.to_csv(path, index=False)
        else:
            plain.to_parquet(path, index=False)
        written.append(Written(path, len(frame)))
    return written


def parquet_of(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as parquet takes it: lists and sections as JSON, a column of several kinds as text."""
    odd = [name for name in frame if frame[name].dtype == object]
    plain = frame.copy(deep=False)
    for name in odd:
        plain[name] = frame[name].map(lambda value: value if _scalar(value) else canonical_json(value))
    mixed = [name for name in odd if plain[name].dropna().map(type).nunique() > 1]
    return plain.astype(dict.fromkeys(mixed, "string"))


def stems_of(names: Iterable[str]) -> dict[str, str]:
    """What the files of tables are called: no folders, nothing hidden, each another, none like the files of runs.

    `train/conf` is `train_conf`, a table `runs` is `table.runs`.
    """
    found: dict[str, str] = {}
    taken = {"runs", "history"}
    for name in names:
        plain = re.sub(r"[^\w.+=@ -]", "_", name).lstrip(".") or "_"
        stem = f"table.{plain}" if plain.lower() in ("runs", "history") else plain
        while stem.lower() in taken:
            stem += "_"
        taken.add(stem.lower())
        found[name] = stem
    return found


def export_table(
    results: Exportable, name: str, folder: Path, formats: Sequence[Format] = FORMATS
) -> list[Written]:
    """Write one table of a sweep, the rows of all runs below one another, with the column `run_id`.

    Raises:
        ConfigError: no run has logged a table of this name.
        ArtifactError: a file is missing, or its bytes do not match their digest.
    """
    if name not in results.tables:
        message = f"is no table of this sweep; {nearest(name, list(results.tables))}"
        raise ConfigError([Problem(f"table {name}", message)])
    folder.mkdir(parents=True, exist_ok=True)
    stem = stems_of(results.tables)[name]
    paths = [folder / f"{stem}.{kind}" for kind in formats]
    apart = name in results.tables.apart
    schema, pieces = _apart(results.tables.files(name)) if apart else _whole(results.tables.columns(name))
    rows = 0
    with ExitStack() as stack:
        writers: list[Any] = [
            stack.enter_context(
                csv.CSVWriter(path, schema) if path.suffix == ".csv" else pq.ParquetWriter(path, schema)
            )
            for path in paths
        ]
        for table in pieces:
            rows += table.num_rows
            for writer in writers:
                writer.write_table(table)
    return [Written(path, rows) for path in paths]


def _apart(files: Sequence[tuple[str, Path]]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    schema = _schema([path for _, path in files])
    return schema, (_aligned(path, run_id, schema) for run_id, path in files)


def _whole(table: pa.Table) -> tuple[pa.Schema, Iterator[pa.Table]]:
    schema = pa.schema([field.with_type(_plain(field.type)) for field in table.schema])
    return schema, iter([table.cast(schema)])


def export_artifacts(results: Exportable, kind: str, folder: Path) -> list[Written]:
    """Copy every artifact of a kind that the sweep's runs made or used into `folder/kind/name`, each once.

    Several versions of one name have their numbers in the names of the folders.

    Raises:
        ConfigError: the runs have none of this kind.
        ArtifactError: the bytes of an artifact do not match their digest.
    """
    every = list(_versions_of(results))
    found = dict.fromkeys((v.collection, v.number) for v in every if v.kind == kind)
    if not found:
        kinds = sorted({version.kind for version in every})
        message = f"is no kind of artifact that these runs made or used; {nearest(kind, kinds)}"
        raise ConfigError([Problem(f"artifact {kind}", message)])
    by_key = {(version.collection, version.number): version for version in every}
    names = Counter(collection for collection, _ in found)
    written = []
    for collection, number in found:
        target = folder / kind / (collection if names[collection] == 1 else f"{collection}-v{number}")
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(artifacts.fetch(results.project_path, by_key[collection, number]), target)
        written.append(Written(target, sum(path.is_file() for path in target.rglob("*"))))
    return written


def _versions_of(results: Exportable) -> Iterator[Version]:
    """What the runs made, and then what they used, version by version."""
    runs = set(results.runs["run_id"])
    for side in FIELDS:
        for run_id, versions in of_runs(current_tracker(), results.project_path, results.filters, side):
            yield from versions if run_id in runs else ()


def _schema(paths: Sequence[Path]) -> pa.Schema:
    """The columns of all files, each with a type that holds every run's values; categories become plain text."""
    schemas = []
    for path in paths:
        fields = [field.with_type(_plain(field.type)) for field in pq.read_schema(path)]
        schemas.append(pa.schema([field.remove_metadata() for field in fields]))
    return pa.unify_schemas([pa.schema([("run_id", pa.string())]), *schemas], promote_options="permissive")


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _aligned(path: Path, run_id: str, schema: pa.Schema) -> pa.Table:
    table = pq.read_table(path)
    columns = []
    for field in schema:
        if field.name == "run_id":
            columns.append(pa.array([run_id] * table.num_rows, pa.string()))
        elif field.name in table.column_names:
            columns.append(table[field.name].cast(field.type))
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.table(columns, schema=schema)


def _scalar(value: Any) -> bool:
    return value is None or value is pd.NaT or isinstance(value, bool | int | float | str)
