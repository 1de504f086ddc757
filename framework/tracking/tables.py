"""The tables and arrays that the runs of a sweep logged, read from their artifacts when they are asked for.

Every finished run has one artifact `results` with its tables and arrays. A table that went `apart` (see
`Run.log_table`) has an artifact of its own kind; it is downloaded only when somebody asks for that table.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from framework.config import Config
from framework.errors import ArtifactError
from framework.tracking import artifacts
from framework.tracking.current import current_tracker
from framework.tracking.lineage import Version, of_runs
from framework.tracking.run import APART, RESULTS_KIND

if TYPE_CHECKING:
    import numpy as np

DOWNLOADS = 8
READERS = 4


class Source(NamedTuple):
    """What one run logged: the folder of its results, and the artifacts of tables that stand apart, by kind."""

    run_id: str
    config: Config
    folder: Path
    apart: Mapping[str, Version | None]


class Tables(Mapping[str, pd.DataFrame]):
    """Tables by name, each joined over the runs, with the column `run_id`; read at first use and kept.

    A table's own column of that name is `table.run_id`.
    """

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
            with ThreadPoolExecutor(READERS) as pool:
                frames = list(pool.map(lambda found: _read(*found), self.files(name)))
            self._read[name] = pd.concat(frames, ignore_index=True)
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a table of this name; it is not read for that."""
        return name in self._names

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

    def arrays(
        self, name: str, runs: Container[str] | None = None
    ) -> "Iterator[tuple[str, dict[str, np.ndarray]]]":
        """The arrays that runs logged under a name, run by run, with the run's id; of `runs` alone if given."""
        import numpy as np

        for source in self.sources:
            if runs is not None and source.run_id not in runs:
                continue
            path = source.folder / f"{name}.npz"
            if path.is_file():
                with np.load(path, allow_pickle=False) as file:
                    yield source.run_id, dict(file)


def _read(run_id: str, path: Path) -> pd.DataFrame:
    """The table of one run, with the column `run_id` in front."""
    try:
        frame = pd.read_parquet(path, use_threads=False)  # files are read side by side
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as a table: {error}") from error
    if "run_id" in frame:
        frame = frame.rename(columns={"run_id": "table.run_id"})
    frame.insert(0, "run_id", run_id)
    return frame


def sources_of(project_path: str, runs: Mapping[str, Config], filters: Mapping[str, Any]) -> list[Source]:
    """The results of each of these runs (config by id) that has any, downloaded and verified.

    They are those that the run itself logged, whatever has their name by now. `filters` are W&B's, and take in
    all of these runs.

    Raises:
        ArtifactError: the bytes of an artifact do not match their digest.
        TrackerError: the tracker does not answer, or answers with an error.
    """
    logged = dict(of_runs(current_tracker(), project_path, filters, "made")) if runs else {}
    whole = [(run_id, config, _newest(logged.get(run_id, ()))) for run_id, config in runs.items()]
    having = [(run_id, config, kinds) for run_id, config, kinds in whole if RESULTS_KIND in kinds]
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        folders = pool.map(lambda one: artifacts.fetch(project_path, one[2][RESULTS_KIND]), having)
        return [_source(*one, folder) for one, folder in zip(having, folders, strict=True)]


def _newest(versions: Iterable[Version]) -> dict[str, Version]:
    """By kind, the newest version: a run that was initialised anew has logged more than one."""
    return {version.kind: version for version in sorted(versions, key=lambda version: version.number)}


def _source(run_id: str, config: Config, kinds: Mapping[str, Version], folder: Path) -> Source:
    apart = map(str, kinds[RESULTS_KIND].metadata.get(APART) or ())
    return Source(run_id, config, folder, {name: kinds.get(name) for name in apart})


def _folder_of(project_path: str, kind: str, source: Source) -> Path:
    version = source.apart[kind]
    if version is None:
        raise ArtifactError(
            f"the table {kind} of run {source.run_id} is gone from {project_path}: the run logged it as an "
            "artifact of its own; delete the run and work the sweep again"
        )
    return artifacts.fetch(project_path, version)
