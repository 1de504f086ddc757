"""What workers tell whoever started them: events, one JSON object a line, on standard output."""

import json
import os
from typing import Any


def emit(kind: str, **facts: Any) -> None:
    """Tell whoever started the workers what happened. One short write, so that lines of workers do not mix."""
    line = json.dumps({"event": kind, **facts}) + "\n"
    os.write(1, line.encode())


def say_away(problem: str) -> None:
    emit("away", error=problem)
