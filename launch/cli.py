"""sashiko: the command line.

Every command prints which tracker it speaks to. Errors go to standard error without a traceback; the exit code is
0, 1 (a run failed), 2 (the input is invalid) or 3 (the tracker). Heavy imports wait inside the commands.
"""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, TextIO

import typer

from framework.errors import ArtifactError, ConfigError, Interrupted, Problem, SashikoError, TrackerError
from framework.tracking import leaving, logs
from launch import archiving, comparing, new, preprocessing, results, seeing, serve, steer, syncing, working
from launch.completing import ExperimentArgument, at_once_in_zsh
from launch.steer import DEFAULT_DIRECTORY, DirectoryOption, EmbeddedOption
from launch.telling import JsonOption, answering
from launch.working import FileArgument, StaleOption, WorkersOption

app = typer.Typer(
    name="sashiko",
    help="Sweeps over neural networks: plan them, work them, compare them; with or without a W&B account.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(serve.app, name="serve")
at_once_in_zsh()
logger = logging.getLogger("launch.cli")


def _tell_version(asked: bool) -> None:
    if asked:
        from launch.version import told

        typer.echo(told())
        raise typer.Exit


@app.callback()
def begin(
    context: typer.Context,
    log_level: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="Show what is logged from this level on: DEBUG to CRITICAL, or OFF."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell which Sashiko this is.")
    ] = False,
) -> None:
    """Set up logging: to the terminal from --log-level on, to the folder's logs whatever that is."""
    logs.set_up(log_level)
    logger.info("begins", extra={"command": context.invoked_subcommand, "words": sys.argv[1:], "pid": os.getpid()})


@app.command()
def plan(
    file: FileArgument,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of text.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Only the number of runs.")] = False,
) -> None:
    """Print the exact runs of a sweep file and start nothing; an invalid file gets every error and exit code 2."""
    out = sys.stdout  # a list of points, a line each, with every digit; `answering` has what is wrong instead
    with answering(as_json=as_json):
        _plan(file, out, as_json=as_json, count=count)


def _plan(file: Path, out: TextIO, *, as_json: bool, count: bool) -> None:
    from experiments import manager_of, sweep_files
    from framework.plan import plan as plan_of
    from launch import drawn
    from launch.words import warn

    definition = sweep_files.read(file)
    warn(definition, file)
    experiment = manager_of(definition.experiment).config
    if not definition.is_grid and not as_json:
        drawn.check(definition, experiment)
        typer.echo(drawn.count(definition) if count else f"{drawn.extent(definition)}; of {definition.experiment}")
        return
    points = plan_of(experiment, definition)
    if count:
        lines = [str(len(points))]
    elif as_json:
        lines = [
            json.dumps(
                {"index": p.index, "label": p.label, "name": p.name, "config_id": p.config_id, "point": p.raw}
            )
            for p in points
        ]
        lines = ["[", ",\n".join(lines), "]"]
    else:
        from launch.words import counted

        width = len(str(len(points)))
        lines = [f"{point.index:>{width}}  {point.config_id}  {point.name}" for point in points]
        batch = points[0].batch if points else "-"
        lines.append(f"{counted(len(points), 'run')} of {definition.experiment}, batch {batch}")
    out.write("\n".join(lines) + "\n")


@app.command()
def config(
    experiment: ExperimentArgument,
    as_json: JsonOption = False,
) -> None:
    """Print every field of an experiment's config with its default and description, as TOML to start from."""
    from experiments import manager_of
    from launch.show import config_text

    with answering(as_json=as_json) as answer:
        found = manager_of(experiment).config
        answer(found.model_json_schema())
        sys.stdout.write("" if as_json else config_text(found))


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List the models: key, parameters, input shape, and whether they encode and decode."""
    from framework.models import describe
    from launch.show import print_rows

    rows = [row._asdict() for row in describe()]
    with answering(as_json=as_json) as answer:
        print_rows(rows)
        answer(rows)


@app.command()
def env(directory: DirectoryOption = DEFAULT_DIRECTORY, as_json: JsonOption = False) -> None:
    """Print the exports that point a shell at the embedded server: eval "$(sashiko env)"."""
    import shlex

    from launch.embedded import find_server, find_starting

    with answering(as_json=as_json) as answer:
        info = find_server(directory)
        found = find_starting(directory) if info is None else None
        if found is not None:
            raise TrackerError(
                f"the embedded server of {directory} does not answer yet (pid {found.pid}, which {found.told}):"
                " try again when it does"
            )
        if info is None:
            raise TrackerError(
                f"no embedded server runs in {directory}; start it with: sashiko serve --dir {directory}"
            )
        values = {"WANDB_BASE_URL": info.url, "WANDB_API_KEY": info.key, "WANDB_ERROR_REPORTING": "false"}
        answer(values)
        for name, value in values.items():
            typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def push(
    project: Annotated[str, typer.Argument(metavar="[ENTITY/]PROJECT", help="A project of the tracker.")],
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The other server; its key: SASHIKO_PUSH_KEY.")],
    name: Annotated[
        str,
        typer.Option("--as", metavar="[ENTITY/]PROJECT", help="Its name there; default: the same."),
    ] = "",
    only: Annotated[list[str] | None, typer.Option(help="Only the run with this id; repeatable.")] = None,
    sweep: Annotated[str, typer.Option(help="Only the runs of this sweep, by id.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Send also what is there already.")] = False,
    running: Annotated[bool, typer.Option("--running", help="Send also runs that are not over.")] = False,
    workers: WorkersOption = 2,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Send a project to another W&B server: runs, files, artifacts, sweeps; what is there is not sent again."""
    from rich.console import Console

    from launch import choice
    from launch.push import project as pushing

    with answering(as_json=as_json) as answer:
        target = pushing.destination(to)
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        source, there = pushing.ends(tracker, target, project, name)
        wish = pushing.Wish(only or [], sweep, again, running, workers)
        answer(pushing.push(source, there, wish, Console(stderr=True)))


@app.command()
def find(
    kind: Annotated[str, typer.Argument(help="Kind of artifact: model, mapping, results.")],
    where: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE …", help="Values of its config.")] = None,
    project: Annotated[str, typer.Option(help="Project to look in.")] = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find artifacts by the values of the config that made them; names are never parsed."""
    from framework.tracking import artifacts
    from framework.tracking.tracker import DEFAULT_PROJECT
    from launch import choice

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence, err=True)
        path = f"{tracker.check()}/{project or os.environ.get('WANDB_PROJECT') or DEFAULT_PROJECT}"
        found = [artifact.qualified_name for artifact in artifacts.find(path, kind, _conditions(where or []))]
        if not found:
            raise ArtifactError(f"{path} has artifacts of the kind {kind}, but none with {' '.join(where or [])}")
        answer(found)
        typer.echo("\n".join(found))


def _conditions(words: list[str]) -> dict[str, object]:
    import yaml

    wrong = [word for word in words if "=" not in word]
    if wrong:
        raise ConfigError([Problem(word, "is no condition; write key=value") for word in wrong], "find")
    return {key: yaml.safe_load(text) for key, _, text in (word.partition("=") for word in words)}


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    experiment: ExperimentArgument,
    stale: StaleOption = "",
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run one config: `sashiko run stitching --config my.toml --source.seed 2`, or `--sweep FILE --index K`."""
    from experiments.__main__ import prepare, work
    from launch import choice, local

    with answering(as_json=as_json) as answer:
        os.environ.setdefault("OMP_NUM_THREADS", local.THREADS)  # before what is looked at starts any threads
        task = prepare([experiment, *context.args])
        if os.environ.get("WANDB_MODE") in ("offline", "disabled"):
            typer.echo(f"tracker: none (WANDB_MODE={os.environ['WANDB_MODE']})")
        else:
            typer.echo(choice.choose(directory, embedded=embedded)[1])
        if task is not None:
            run_id, url = work(task)
            answer({"run": run_id, "url": url})


working.add_to(app)
seeing.add_to(app)
results.add_to(app)
steer.add_to(app)
comparing.add_to(app)
preprocessing.add_to(app)
new.add_to(app)
archiving.add_to(app)
syncing.add_to(app)


def main() -> None:
    """Entry point: print what is addressed to the user, and exit with the code that it carries."""
    interrupts: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    try:
        app()
    except SashikoError as error:
        logger.error("ends", extra={"error": str(error), "exit_code": error.exit_code})  # noqa: TRY400 (said to the user, not a fault)
        sys.stderr.write(f"sashiko: {error}\n")
        sys.exit(error.exit_code)
    except Interrupted as interrupted:
        sys.stderr.write(f"sashiko: {interrupted}; the same command goes on with what is kept\n")
        sys.exit(interrupted.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception:
        asked = leaving.raised() or (interrupts[0] if interrupts else 0)
        if asked:  # by way of a library that made an error of its own of it
            sys.exit(128 + asked)
        logger.critical("ends with an error of Sashiko's own", exc_info=True)
        raise
    finally:
        logs.into_if_there(DEFAULT_DIRECTORY)


if __name__ == "__main__":
    main()
