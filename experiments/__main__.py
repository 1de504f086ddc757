"""What agents run, and what `sashiko run` calls: one experiment, one config.

python -m experiments stitching --config my.toml --source.seed 2
python -m experiments --write-sweeps sweeps
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import EXPERIMENTS, manager_of
from framework.definition import raw_config, read_file
from framework.errors import ConfigError, Problem, SashikoError
from framework.grid import Grid
from framework.layers import DEFAULT, Resolved, resolve, split_overrides
from framework.plan import Point, plan, point_at

PROJECT = "sashiko"
WRITTEN = "Written from the grids by `make sweeps`. Use: sashiko sweep FILE --workers 2, or: wandb sweep FILE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one config; the exit code is 0, or that of the error that ended it."""
    try:
        run(list(sys.argv[1:] if arguments is None else arguments))
    except SashikoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def run(arguments: list[str]) -> None:
    """Parse, resolve and run.

    Raises:
        SashikoError: whatever is wrong with the experiment, the config, or the run.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments", allow_abbrev=False)
    parser.add_argument("experiment", nargs="?", help=", ".join(EXPERIMENTS))
    parser.add_argument("--write-sweeps", metavar="FOLDER", type=Path, help="write every grid as a sweep file")
    parser.add_argument("--config", action="append", default=[], type=Path, help="TOML, YAML or JSON; repeatable")
    parser.add_argument("--sweep", type=Path, help="take the config from a sweep file, with --index")
    parser.add_argument("--index", type=int, help="which point of --sweep, from 0")
    options, words = parser.parse_known_args(arguments)
    if options.write_sweeps is not None:
        write_sweeps(options.write_sweeps)
        return
    manager = manager_of(options.experiment or "")
    from framework.tracking import single

    agent = single.take_from_agent(os.environ)
    point = _point(options.sweep, options.index, words) if options.sweep or options.index is not None else None
    if point is not None:
        config = point.config
    elif agent is not None:
        config = manager.config.parse(raw_config(agent.swept), f"sweep {agent.sweep_id}")
    else:
        resolved = resolve(manager.config, options.config, split_overrides(words))
        config = resolved.config
        _print_origins(resolved)
    run_id, url = single.work(manager, config, single.identity_of(options.experiment, config, point, agent))
    print(f"run {run_id} finished{f': {url}' if url else ''}")


def _point(path: Path | None, index: int | None, words: list[str]) -> Point:
    if path is None or index is None:
        raise ConfigError([Problem("--sweep/--index", "go together: a sweep file and the index of a point")])
    if words:
        raise ConfigError([Problem(words[0], "cannot be combined with --index: a point has all its values")])
    definition = read_file(path)
    return point_at(plan(manager_of(definition.experiment).config, definition), index)


def write_sweeps(folder: Path) -> None:
    """Write the grids of all experiments as `<name>.yaml`, which `wandb sweep` takes as it is."""
    for experiment in EXPERIMENTS:
        for name, grid in manager_of(experiment).grids.items():
            (folder / f"{name}.yaml").write_text(sweep_text(experiment, name, grid), encoding="utf-8")


def sweep_text(experiment: str, name: str, grid: Grid) -> str:
    """A grid as the text of a sweep file."""
    return f"# {WRITTEN}\n" + grid.definition(name, experiment, project=PROJECT).text()


def _print_origins(resolved: Resolved[Any]) -> None:
    given = {key: origin for key, origin in resolved.origins.items() if origin != DEFAULT}
    for key, origin in given.items():
        print(f"  {key} from {origin}")


if __name__ == "__main__":
    sys.exit(main())
