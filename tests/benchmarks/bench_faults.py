"""Faults at the size of a year: kill -9, disks that fill, torn copies, backups that go on from the one before.

`SASHIKO_YEAR` makes a smaller year, `SASHIKO_YEAR_DIR` keeps it, as the benchmark `year` does. Two kinds of faults
are tried at a time, each on copies of its own. Disks that fill take the right to mount one.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_year import folder_of, place
from tests.benchmarks.year.faults import backups, disks, kills, torn
from tests.benchmarks.year.faults.trying import Found
from tests.benchmarks.year.faults.whole import Checked

AT_ONCE = 2
Part = Callable[[Path, Path, Checked, random.Random], Iterator[Found]]
CHAINS: dict[str, tuple[Part, ...]] = {
    "backups": (backups.fresh, backups.existing, backups.restored, disks.backing_up),
    "ageing": (kills.ageing,),
    "torn": (torn.databases,),
    "disks": (disks.upkeep, disks.migrating),
    "compacting": (kills.compacting,),
    "migrating": (kills.migrating,),
    "retaining": (kills.retaining,),
}
"""What is tried on the same copies, one after the other; the longest first."""
CHECKED = Checked()


def measure() -> Iterator[dict[str, Any]]:
    """A line for each kind of fault."""
    with place() as here:
        year = folder_of(here, "year")
        start = time.perf_counter()
        with ProcessPoolExecutor(AT_ONCE) as workers:
            for done in as_completed([workers.submit(_tried, here, year, chain) for chain in CHAINS]):
                for found in done.result():
                    yield found.row()
        print(f"    all of it took {time.perf_counter() - start:.0f} s", flush=True)


def _tried(here: Path, year: Path, chain: str) -> list[Found]:
    """What was found by the parts of a chain, in a folder of their own."""
    own = here / f"faults-{chain}"
    tried: list[Found] = []
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    try:
        for part in CHAINS[chain]:
            tried += part(own, year, CHECKED, random.Random(part.__name__))
    except RuntimeError as error:  # a command that was to do its work did not: the others are tried all the same
        tried.append(Found(f"{chain}: {part.__name__}", problems=[str(error)]))
    finally:
        shutil.rmtree(own)
    return tried
