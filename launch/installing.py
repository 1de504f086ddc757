"""pip with a word now and then about how far it is: `python launch/installing.py --editable .`

On a terminal one line is written over and over; elsewhere, in logs, a line comes every quarter of a minute. What
pip says is kept back, but for errors and, where it ends with one, its last lines. Runs before anything is
installed, so it needs the standard library alone.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "raw")
TERMINAL_S, LOG_S = 0.5, 15.0
LONGEST = 78
LAST = 20

FETCHED = re.compile(r"(?:Downloading|Using cached|Processing) (\S+)")
FILE = re.compile(r"([\w.]+?)-\d.*\.(?:whl|tar\.gz|zip)\b")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
INSTALLING = re.compile(r"Installing collected packages: (.+)")
BUILT = re.compile(r"(?:Building (?:wheels?|editable) for|Preparing|Installing build dependencies)")


@dataclass
class State:
    """How far an installation is, as pip's lines tell it."""

    doing: str = "looking up what is needed"
    name: str = ""
    share: str = ""
    fetched: int = 0
    wanted: int = 0

    def take(self, line: str) -> None:
        """Read one line of pip's output."""
        if match := PROGRESS.search(line):
            done, whole = map(int, match.groups())
            self.share = f" {done >> 20} of {whole >> 20} MB" if whole >> 24 else ""
        elif match := INSTALLING.match(line):
            self.wanted = match[1].count(",") + 1
            self.doing, self.name, self.share = "unpacking", "", ""
        elif match := FETCHED.search(line):
            file = FILE.match(match[1].rsplit("/", 1)[-1])
            if file is not None and not match[1].endswith(".metadata"):
                self.fetched += 1
                self.doing, self.name, self.share = "fetching", file[1], ""
        elif BUILT.search(line):
            self.doing = "building"

    def told(self, seconds: float, there: int) -> str:
        """The state in words, after these seconds, with so many new packages in place."""
        clock = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
        if self.wanted:
            return f"  {clock}  unpacking {_counted(self.wanted)}, {min(there, self.wanted)} in place"
        count = f"{_counted(self.fetched)} found; " if self.fetched else ""
        return f"  {clock}  {count}{self.doing} {self.name}{self.share}".rstrip()


def main(words: list[str]) -> int:
    """Run pip with these words; its exit code."""
    start, before = time.monotonic(), _packages()
    state, over, said = State(), threading.Event(), list[str]()
    teller = threading.Thread(target=_tell, args=(state, before, start, over, sys.stdout), daemon=True)
    teller.start()
    with subprocess.Popen(
        [*PIP, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            state.take(line.strip())
            if not PROGRESS.match(line):
                said.append(line.rstrip())
    over.set()
    teller.join()
    code = process.returncode
    new, seconds = len(_packages() - before), time.monotonic() - start
    print("\n".join(ending(code, new, seconds, said)))
    return code


def ending(code: int, new: int, seconds: float, said: list[str]) -> list[str]:
    """The last lines: errors that pip told of, and whether it ended well."""
    if code:
        return ["  pip ended with an error; it said:", *said[-LAST:]]
    errors = [line for line in said if line.startswith("ERROR")]
    return [*errors, f"  installed in {seconds:.0f} s: {_counted(new, 'new ')}"]


def _counted(count: int, adjective: str = "") -> str:
    return f"{count} {adjective}package{'' if count == 1 else 's'}"


def _tell(state: State, before: set[str], start: float, over: threading.Event, out: TextIO) -> None:
    terminal = out.isatty()
    while not over.wait(TERMINAL_S if terminal else LOG_S):
        line = state.told(time.monotonic() - start, len(_packages() - before) if state.wanted else 0)
        out.write(f"\r{line[:LONGEST]:<{LONGEST}}" if terminal else f"{line}\n")
        out.flush()
    if terminal:
        out.write(f"\r{'':<{LONGEST}}\r")
        out.flush()


def _packages(folders: Iterable[str] = tuple(sys.path)) -> set[str]:
    """The packages that are installed, as pip leaves them: a folder of metadata each."""
    return {path.name for folder in folders for path in Path(folder).glob("*.dist-info")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
