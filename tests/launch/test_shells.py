"""Completion in the shells themselves: installed by the command, then asked for with the tab key."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab import ROOT

ANSWERS_S, PAUSE_S = 60.0, 0.2
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|\(B|[=>])|.\x08")
"""What a terminal is told, and no text: colours, places; a letter that is written over."""
ASKED = [("sashiko pl", "plan"), ("sashiko plan sweeps/mi", "sweeps/mine"), ("sashiko config stit", "stitching")]

pytestmark = pytest.mark.slow


class Shell:
    """An interactive shell of somebody with an empty home, in which `sashiko` is this one."""

    def __init__(self, kind: str, home: Path) -> None:
        self.kind, self.home = kind, home
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("WANDB", "SASHIKO", "ZDOT", "XDG"))
        }
        self.given = kept | {
            "HOME": str(home), "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
            "TERM": "xterm", "SHELL": shutil.which(kind) or "", "HISTFILE": "/dev/null",
        }  # fmt: skip

    def call(self, words: str) -> str:
        """What a line of the shell prints."""
        done = subprocess.run(
            [self.kind, "-c", words], cwd=self.home, env=self.given, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=ANSWERS_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def typed(self, keys: str, wanted: str) -> str:
        """What the terminal shows after some keys, until it is what is wanted."""
        pid, terminal = pty.fork()
        if not pid:
            os.chdir(self.home)
            os.execvpe(self.kind, [self.kind, "-i"], self.given)
        try:
            self._shown(terminal, "ready> ")
            os.write(terminal, keys.encode())
            return self._shown(terminal, wanted)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def _shown(self, terminal: int, wanted: str) -> str:
        shown, end = "", time.monotonic() + ANSWERS_S
        while wanted not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], PAUSE_S)[0]:
                shown = ESCAPES.sub("", shown + os.read(terminal, 4096).decode(errors="replace"))
        return shown[: shown.index(wanted) + len(wanted)] if wanted in shown else shown


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    kind: str = request.param
    if shutil.which(kind) is None:
        pytest.skip(f"there is no {kind} on this machine")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "sashiko"
    command.write_text(f"#!{sys.executable}\nimport sashiko\nsashiko.main()\n")
    command.chmod(0o755)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text("")
    made = Shell(kind, tmp_path)
    said = made.call("sashiko --install-completion; true")
    assert f"{kind} completion installed" in said
    return made


def prompt(shell: Shell) -> None:
    """A prompt that can be waited for."""
    if shell.kind == "fish":
        folder = shell.home / ".config" / "fish"
        (folder / "functions").mkdir(parents=True, exist_ok=True)
        (folder / "functions" / "fish_prompt.fish").write_text("function fish_prompt; echo -n 'ready> '; end\n")
        return
    with (shell.home / f".{shell.kind}rc").open("a") as file:
        file.write("\nPS1='ready> '\n")


@pytest.mark.parametrize(("line", "wanted"), ASKED)
def test_the_tab_key_completes(shell: Shell, line: str, wanted: str):
    """At the first time, too: the word stands there, which nobody has typed."""
    prompt(shell)
    rest = wanted.removeprefix(line.rsplit(maxsplit=1)[-1])
    shown = shell.typed(f"{line}\t", rest)
    assert shown.endswith(rest), repr(shown)
