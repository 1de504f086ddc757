"""The tables and arrays that the runs of a sweep logged, read from their artifacts when they are asked for.

Every finished run has one artifact `results` with its tables and arrays. A table that went `apart` (see
`Run.log_table`) has an artifact of its own kind; it is downloaded only when somebody asks for that table.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from framework.config import Config
from framework.errors import ArtifactError
from framework.tracking import artifacts
from framework.tracking.run import APART, RESULTS_KIND

if TYPE_CHECKING:
    import numpy as np

DOWNLOADS = 8


class Source(NamedTuple):
    """What one run logged: the folder of its results, and the kinds of the tables that stand apart."""

    run_id: str
    config: Config
    folder: Path
    apart: tuple[str, ...]


class Tables(Mapping[str, pd.DataFrame]):
    """Tables by name, each joined over the runs, with the column `run_id`; read at first use and kept."""

    def __init__(self, project_path: str, sources: Sequence[Source]) -> None:
        self.project_path, self.sources = project_path, sources
        self._apart = {name for source in sources for name in source.apart}
        inside = {path.stem for source in sources for path in source.folder.glob("*.parquet")}
        self._names = sorted(inside) + sorted(self._apart - inside)
        self._read: dict[str, pd.DataFrame] = {}

    @property
    def apart(self) -> set[str]:
        """The names of the large tables, which are not downloaded until they are asked for."""
        return set(self._apart)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            frames = [_read(path).assign(run_id=run_id) for run_id, path in self.files(name)]
            joined = pd.concat(frames, ignore_index=True)
            self._read[name] = joined[["run_id", *(column for column in joined if column != "run_id")]]
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def files(self, name: str) -> list[tuple[str, Path]]:
        """The parquet file of a table for each run that logged it, by run id.

        Raises:
            ArtifactError: a file is missing, or its bytes do not match their digest.
        """
        if name not in self._apart:
            found = [(source.run_id, source.folder / f"{name}.parquet") for source in self.sources]
            return [(run_id, path) for run_id, path in found if path.is_file()]
        having = [source for source in self.sources if name in source.apart]
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            folders = list(pool.map(partial(_folder_of, self.project_path, name), having))
        return [
            (source.run_id, folder / f"{name}.parquet") for source, folder in zip(having, folders, strict=True)
        ]

    def arrays(self, name: str) -> "Iterator[tuple[str, dict[str, np.ndarray]]]":
        """The arrays that runs logged under a name, run by run, with the run's id."""
        import numpy as np

        for source in self.sources:
            path = source.folder / f"{name}.npz"
            if path.is_file():
                with np.load(path, allow_pickle=False) as file:
                    yield source.run_id, dict(file)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as a table: {error}") from error


def sources_of(project_path: str, runs: Sequence[tuple[str, Config]]) -> list[Source]:
    """The results of each run (id and config) that has any, downloaded and verified.

    Raises:
        ArtifactError: the bytes of an artifact do not match their digest.
    """
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        found = pool.map(lambda one: _source_of(project_path, *one), runs)
    return [source for source in found if source is not None]


def _source_of(project_path: str, run_id: str, config: Config) -> Source | None:
    artifact = artifacts.find_one(project_path, RESULTS_KIND, config)
    if artifact is None:
        return None
    apart = tuple(map(str, (artifact.metadata or {}).get(APART) or ()))
    return Source(run_id, config, artifacts.download(artifact), apart)


def _folder_of(project_path: str, kind: str, source: Source) -> Path:
    artifact = artifacts.find_one(project_path, kind, source.config)
    if artifact is None:
        raise ArtifactError(
            f"the table {kind} of run {source.run_id} is gone from {project_path}: the run logged it as an "
            "artifact of its own; delete the run and work the sweep again"
        )
    return artifacts.download(artifact)
