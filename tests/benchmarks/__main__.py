"""Run every benchmark, or those that are named: python -m tests.benchmarks [plan] … (`NAMES`, `ALONE`)."""

import importlib
import os
import sys
from typing import Any

NAMES = (
    *("plan", "claims", "linear", "ridge", "decouple", "study", "sweep", "trials", "cluster", "frozen"),
    *(
        "fusion",
        "architectures",
        "one_shot",
        "several",
        "sharpness",
        "hessian",
        "search",
        "neighbours",
        "executor",
        "intake",
        "reads",
        "run_page",
        "archive",
        "distortions",
        "ssl",
        "knn",
        "coordinates",
        "multitask",
        "provenance",
        "results",
        "pages",
    ),
)
ALONE = ("year", "crowd", "faults")
"""Those that take longer than all others, and run only when they are named."""


def main(chosen: list[str]) -> int:
    """Print a row for each measurement; the exit code is 1 if a target was missed, 2 for a name that is none."""
    unknown = [name for name in chosen if name not in (*NAMES, *ALONE)]
    if unknown:
        print(
            f"no benchmark is called {', '.join(unknown)}; there are: {', '.join((*NAMES, *ALONE))}",
            file=sys.stderr,
        )
        return 2
    missed = 0
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in chosen or NAMES:
        module: Any = importlib.import_module(f"tests.benchmarks.bench_{name}")
        for row in module.measure():
            missed += not row["reached"]
            verdict = "reached" if row["reached"] else "MISSED"
            print(f"{row['name']}\n    {row['measured']}; target {row['target']}: {verdict}", flush=True)
            if row.get("note"):
                print(f"    {row['note']}", flush=True)
            print(f"    again: python -m tests.benchmarks {name}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
