"""What agents run, and what `sashiko run` calls: one experiment, one config.

python -m experiments stitching --config my.toml --source.seed 2
python -m experiments --write-sweeps sweeps
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments import EXPERIMENTS, manager_of, sweep_files
from framework.config import Config
from framework.definition import raw_config
from framework.errors import ConfigError, Interrupted, Problem, SashikoError
from framework.layers import DEFAULT, resolve, split_overrides
from framework.manager import Manager
from framework.plan import Point, plan, point_at

if TYPE_CHECKING:
    from framework.tracking.run import Identity


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one config; the exit code is 0, or that of the error that ended it."""
    try:
        run(list(sys.argv[1:] if arguments is None else arguments))
    except SashikoError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Interrupted as interrupted:
        print(f"{interrupted}: the same command goes on with what is kept", file=sys.stderr)
        return interrupted.exit_code
    return 0


@dataclass(frozen=True)
class Task:
    """One run that is asked for, once nothing is wrong with it: by a point, by an agent, or by words and files."""

    experiment: str
    manager: Manager[Any]
    config: Config
    origins: Mapping[str, str] = field(default_factory=dict)
    point: Point | None = None
    agent: "Identity | None" = None


def run(arguments: list[str]) -> None:
    """Parse, resolve and run.

    Raises:
        SashikoError: whatever is wrong with the experiment, the config, or the run.
    """
    task = prepare(arguments)
    if task is not None:
        work(task)


def work(task: Task) -> tuple[str, str | None]:
    """Do the run of a task, and say where it is; its id and its page."""
    from framework.tracking import single

    for key, origin in task.origins.items():
        print(f"  {key} from {origin}")
    identity = single.identity_of(task.experiment, task.config, task.point, task.agent, task.origins)
    run_id, url = single.work(task.manager, task.config, identity)
    print(f"run {run_id} finished{f': {url}' if url else ''}")
    return run_id, url


def prepare(arguments: list[str]) -> Task | None:
    """The run that the words ask for, or None where they ask for something else, which is then done.

    Raises:
        SashikoError: whatever is wrong with the experiment, the config, or what it names; nothing is started.
    """
    parser = argparse.ArgumentParser(prog="python -m experiments", allow_abbrev=False)
    parser.add_argument("experiment", nargs="?", help=", ".join(EXPERIMENTS))
    parser.add_argument("--write-sweeps", metavar="FOLDER", type=Path, help="write every grid as a sweep file")
    parser.add_argument("--config", action="append", default=[], type=Path, help="TOML, YAML or JSON; repeatable")
    parser.add_argument("--sweep", type=Path, help="take the config from a sweep file, with --index")
    parser.add_argument("--index", type=int, help="which point of --sweep, from 0")
    parser.add_argument(
        "--again", metavar="FILE", type=Path, help="work what a provenance file tells of once more"
    )
    parser.add_argument("--told", metavar="FILE", type=Path, help="where --again writes the new provenance file")
    options, words = parser.parse_known_args(arguments)
    if options.again is not None:
        again(options.again, options.told or options.again.with_name("again.toml"))
        return None
    if options.write_sweeps is not None:
        sweep_files.write_all(options.write_sweeps)
        return None
    name = options.experiment or ""
    manager, agent = manager_of(name), _agent()
    if options.sweep or options.index is not None:
        point = _point(name, options.sweep, options.index, words)
        manager.check(point.config)
        return Task(name, manager, point.config, point=point, agent=agent)
    if agent is not None:
        config = manager.config.parse(raw_config(agent.swept), f"sweep {agent.sweep_id}")
        manager.check(config)
        return Task(name, manager, config, agent=agent)
    resolved = resolve(manager.config, options.config, split_overrides(words), manager.check)
    given = {key: origin for key, origin in resolved.origins.items() if origin != DEFAULT}
    return Task(name, manager, resolved.config, given)


def again(path: Path, write_to: Path) -> None:
    """Work once more what a provenance file tells of, and write that of the new run.

    Raises:
        SashikoError: the file cannot be used, or its run failed.
    """
    from framework.tracking import record
    from framework.tracking.again import work_again

    told = record.read(path)
    url = work_again(told, manager_of(str(told["work"].get("experiment", ""))), write_to, str(path))
    print(f"worked again{f': {url}' if url else ''}")


def _agent() -> "Identity | None":
    """The identity that `wandb agent` gave this process."""
    if "WANDB_SWEEP_ID" not in os.environ:
        return None
    from framework.tracking import single

    return single.take_from_agent(os.environ)


def _point(experiment: str, path: Path | None, index: int | None, words: list[str]) -> Point:
    if path is None or index is None:
        raise ConfigError([Problem("--sweep/--index", "go together: a sweep file and the index of a point")])
    if words:
        raise ConfigError([Problem(words[0], "cannot be combined with --index: a point has all its values")])
    definition = sweep_files.read(path)
    if definition.experiment != experiment:
        message = f"{path} is a sweep of the experiment {definition.experiment}, not of {experiment}"
        raise ConfigError([Problem("--sweep", f"{message}; write `{definition.experiment}` instead")])
    return point_at(plan(manager_of(experiment).config, definition), index)


if __name__ == "__main__":
    sys.exit(main())
