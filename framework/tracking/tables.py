"""The tables and arrays that the runs of a sweep logged, read when they are asked for.

Every finished run has one artifact `results` with its tables and arrays. The tables come with the mirror of the
project. One that went `apart` (see `Run.log_table`) has an artifact of its own kind; it is downloaded only when
somebody asks for that table, as are arrays.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from framework.errors import ArtifactError
from framework.tracking import artifacts
from framework.tracking.current import current_tracker
from framework.tracking.lineage import Version, of_runs
from framework.tracking.mirror import Mirror
from framework.tracking.mirror.store import RUN
from framework.tracking.run import RESULTS_KIND

if TYPE_CHECKING:
    import numpy as np

DOWNLOADS = 8
READERS = 4


class Tables(Mapping[str, pd.DataFrame]):
    """Tables by name, each joined over the runs in their order, with the column `run_id`; read at first use.

    A table's own column of that name is `table.run_id`.
    """

    def __init__(
        self, project_path: str, runs: Sequence[str], mirror: Mirror | None, filters: Mapping[str, Any]
    ) -> None:
        """`filters` are W&B's, and take in all of these `runs`. Without a mirror there are no tables."""
        self.project_path, self._runs, self._filters = project_path, runs, filters
        self._inside = set() if mirror is None else set(mirror.table_names(runs))
        self._apart = {} if mirror is None else mirror.apart(runs)
        self._look = None if mirror is None else mirror.again
        self._names = [*sorted(self._inside), *sorted(self._apart.keys() - self._inside)]
        self._read: dict[str, pd.DataFrame] = {}

    @property
    def apart(self) -> set[str]:
        """The names of the large tables, which are not downloaded until they are asked for."""
        return set(self._apart)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._joined(name) if name in self._apart else columns_frame(self.columns(name))
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is a table of this name; it is not read for that."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def columns(self, name: str) -> pa.Table:
        """A table that does not stand apart, in columns as they are kept."""
        if self._look is None:
            return empty()
        with self._look() as mirror:
            found = mirror.table(name, self._runs)
        return empty() if found is None else found

    def files(self, name: str) -> list[tuple[str, Path]]:
        """The parquet file of a table that stands apart, for each run that logged it, by run id.

        Raises:
            ArtifactError: a file is missing, or its bytes do not match their digest.
        """
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            folders = list(pool.map(partial(self._folder, name), self._apart[name]))
        return [(run, folder / f"{name}.parquet") for run, folder in zip(self._apart[name], folders, strict=True)]

    def arrays(
        self, name: str, runs: Container[str] | None = None
    ) -> "Iterator[tuple[str, dict[str, np.ndarray]]]":
        """The arrays that runs logged under a name, run by run, with the run's id; of `runs` alone if given."""
        import numpy as np

        wanted = [run for run in self._runs if runs is None or run in runs]
        having = [run for run in wanted if RESULTS_KIND in self._versions.get(run, {})]
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            folders = pool.map(partial(self._folder, RESULTS_KIND), having)
            for run, folder in zip(having, folders, strict=True):
                path = folder / f"{name}.npz"
                if path.is_file():
                    with np.load(path, allow_pickle=False) as file:
                        yield run, dict(file)

    def _joined(self, name: str) -> pd.DataFrame:
        with ThreadPoolExecutor(READERS) as pool:
            frames = list(pool.map(lambda found: _frame_of_file(*found), self.files(name)))
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def _versions(self) -> dict[str, dict[str, Version]]:
        """What each run logged, by kind: the newest version, since one that was begun anew has more than one."""
        logged = of_runs(current_tracker(), self.project_path, self._filters, "made")
        return {run: _newest(versions) for run, versions in logged}

    def _folder(self, kind: str, run: str) -> Path:
        version = self._versions.get(run, {}).get(kind)
        if version is None:
            raise ArtifactError(
                f"the table {kind} of run {run} is gone from {self.project_path}: the run logged it as an "
                "artifact of its own; delete the run and work the sweep again"
            )
        return artifacts.fetch(self.project_path, version)


def empty() -> pa.Table:
    """A table of no runs."""
    return pa.table({RUN: pa.array([], pa.string())})


def columns_frame(table: pa.Table) -> pd.DataFrame:
    """A table of the mirror as a frame; the ids of the runs are text."""
    frame: pd.DataFrame = table.to_pandas()
    frame[RUN] = frame[RUN].astype(str)
    return frame


def _frame_of_file(run_id: str, path: Path) -> pd.DataFrame:
    """The table of one run, with the column `run_id` in front."""
    try:
        frame = pd.read_parquet(path, use_threads=False)  # files are read side by side
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as a table: {error}") from error
    if RUN in frame:
        frame = frame.rename(columns={RUN: f"table.{RUN}"})
    frame.insert(0, RUN, run_id)
    return frame


def _newest(versions: Iterable[Version]) -> dict[str, Version]:
    return {version.kind: version for version in sorted(versions, key=lambda version: version.number)}
