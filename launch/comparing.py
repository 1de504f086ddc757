"""The commands that hold runs against each other: diff, rerun --from; and lock. `cli` adds them to its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from framework.errors import ConfigError, Problem, SashikoError
from launch.steer import DEFAULT_DIRECTORY, DirectoryOption, EmbeddedOption
from launch.telling import Answer, JsonOption, answering

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run (PROJECT/ID, or its name), an artifact, or a provenance.toml.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (diff, lock):
        app.command()(command)


def diff(
    first: RunArgument,
    second: RunArgument,
    full: Annotated[bool, typer.Option("--full", help="All that differs, not one screen of it.")] = False,
    patch: Annotated[bool, typer.Option("--patch", help="The code's difference line by line.")] = False,
    directory: DirectoryOption = DEFAULT_DIRECTORY,
    embedded: EmbeddedOption = False,
    as_json: JsonOption = False,
) -> None:
    """In what two runs differ: config, code, packages, machine, data and metrics, on one screen."""
    from launch import choice, differing

    with answering(as_json=as_json) as answer:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        answer(differing.diff(tracker, first, second, full=full, patch=patch))


def lock(as_json: JsonOption = False) -> None:
    """Lock this environment: which file of the index each package is. Once, where an index can be reached."""
    from framework.tracking import lock as locking

    with answering(as_json=as_json) as answer:
        path = locking.make()
        typer.echo(f"locked: {path}")
        answer({"locked": str(path)})


@dataclass(frozen=True)
class Again:
    """`rerun --from` as it was typed."""

    text: str
    relative: float
    absolute: float
    fresh: bool


def rerun(wish: Again, others: Mapping[str, Any], directory: Path, *, embedded: bool, answer: Answer) -> int:
    """Do again what a run did and compare; the exit code is the verdict's, 3 also where there is none."""
    from framework.tracking.verdict import Tolerance, Verdict
    from launch import choice, repeating

    given = [name for name, value in others.items() if value]
    if given:
        told = "cannot be combined with --from, which means one run"
        raise ConfigError([Problem(name, told) for name in given], "rerun")
    try:
        tracker, sentence = choice.choose(directory, embedded=embedded)
        typer.echo(sentence)
        tolerance = Tolerance(wish.relative, wish.absolute)
        done = repeating.repeat(tracker, repeating.Wish(wish.text, tolerance, wish.fresh))
    except SashikoError as error:
        typer.echo(f"sashiko: {error}", err=True)
        typer.echo(f"verdict: {Verdict.INCOMPARABLE}")
        answer(
            {"verdict": str(Verdict.INCOMPARABLE), "exit_code": Verdict.INCOMPARABLE.exit_code, "why": str(error)}
        )
        return Verdict.INCOMPARABLE.exit_code
    answer(done)
    return done.exit_code
