"""How a command answers: to people in sentences, and with `--json` as one document that programs read.

With `--json` standard output has the document and nothing else; what is said on the way goes to standard error.
Where a command ends with an error before it has answered, the document is that error, with the same exit code.
"""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from framework.errors import InvalidInput, SashikoError

JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON document, for programs.")]
Answer = Callable[[Any], None]
MINUTE, HOUR, DAY = 60, 3_600, 86_400
DIGITS = 4


class Exact(float):
    """A number of which JSON has all digits."""


@contextlib.contextmanager
def answering(*, as_json: bool) -> Iterator[Answer]:
    """What gives the answer of a command as JSON: a dataclass, or what JSON knows; otherwise it does nothing.

    It may be called again, for one line after the other. With `as_json` all else that is printed meanwhile goes
    to standard error, and an error that comes before any answer is the answer.
    """
    if not as_json:
        yield lambda _: None
        return
    out, answered = sys.stdout, []

    def answer(what: Any) -> None:
        answered.append(True)
        out.write(json.dumps(plain(what), ensure_ascii=False) + "\n")
        out.flush()

    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield answer
    except SashikoError as error:
        if not answered:
            answer({"error": _of_error(error)})
        raise


def _of_error(error: SashikoError) -> dict[str, Any]:
    problems = error.problems if isinstance(error, InvalidInput) else ()
    return {
        "kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code,
        "problems": [{"key": problem.key, "message": problem.message} for problem in problems],
    }  # fmt: skip


def plain(what: Any) -> Any:
    """A tree of dataclasses as JSON knows it."""
    if dataclasses.is_dataclass(what) and not isinstance(what, type):
        return {field.name: plain(getattr(what, field.name)) for field in dataclasses.fields(what)}
    if isinstance(what, dict):
        return {str(key): plain(value) for key, value in what.items()}
    if isinstance(what, list | tuple):
        return [plain(value) for value in what]
    if isinstance(what, Exact):
        return float(what)
    if isinstance(what, float):
        return round(what, DIGITS)
    return what


def moment(seconds: float) -> str:
    """A time, in seconds since 1970, as JSON has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def lasting(seconds: float | None) -> str:
    """A length of time as people say it: `12 s`, `3 min`, `2 h 05`, `4 d 3 h`; `?` where it is not known."""
    if seconds is None:
        return "?"
    whole = max(0, round(seconds))
    if whole < 2 * MINUTE:
        return f"{whole} s"
    if whole < 2 * HOUR:
        return f"{whole // MINUTE} min"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d}"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"
