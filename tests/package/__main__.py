"""The package on every interpreter that it is said to run on, with the newest and the oldest allowed libraries.

`python -m tests.package`, or `make package`. Each pair gets an environment without torch, in which
`without_torch.py` runs; all of them, and what was fetched for them, are gone afterwards. Without an index or an
interpreter it says so, loudly, and does not fail: what was not tested is listed at the end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.package import building, interpreters
from tests.package.building import uv

RESOLUTIONS = {"newest": "highest", "oldest": "lowest-direct"}
INSTALL_S, CHECK_S = 600, 300
LAST = 25
NO_INDEX = ("failed to fetch", "error sending request", "dns error", "could not connect", "network", "timed out")
CHECK = Path(__file__).with_name("without_torch.py")


class NotTested(Exception):
    """Something that is not here, and so was not tested."""


def main(words: list[str]) -> int:
    """Test every pair; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.package", description=__doc__)
    parser.add_argument(
        "--python", action="append", choices=interpreters.versions(), help="only these; repeatable"
    )
    parser.add_argument("--libraries", choices=sorted(RESOLUTIONS), help="only these")
    options = parser.parse_args(words)
    failed, left_out = [], []
    with tempfile.TemporaryDirectory(prefix="sashiko-package-") as text:
        folder = Path(text)
        wheel = building.build(building.copy(folder / "tree"), folder / "built").wheel
        for version in options.python or interpreters.versions():
            for libraries in [options.libraries] if options.libraries else RESOLUTIONS:
                pair, start = f"Python {version} with the {libraries} libraries", time.monotonic()
                try:
                    told = test(version, libraries, wheel, folder)
                except NotTested as reason:
                    left_out.append(f"{pair}: {reason}")
                except subprocess.SubprocessError as error:
                    failed.append(pair)
                    print(f"FAILED  {pair}\n{_said(error)}", flush=True)
                else:
                    print(f"passed  {pair} ({told}), {time.monotonic() - start:.0f} s", flush=True)
    for reason in left_out:
        print(f"NOT TESTED  {reason}", flush=True)
    return 1 if failed else 0


def test(version: str, libraries: str, wheel: Path, folder: Path) -> str:
    """Make the environment of a pair and run the checks in it; how many packages it has.

    Raises:
        NotTested: there is no such interpreter, or no index answers.
        SubprocessError: something does not install, or does not work.
    """
    python = interpreters.find(version) or interpreters.fetch(version, folder / "interpreters")
    if python is None:
        raise NotTested("no such interpreter is here, and uv cannot fetch one")
    wanted = folder / "wanted.txt"
    wanted.write_text("".join(f"{line}\n" for line in interpreters.requirements()), encoding="utf-8")
    given = interpreters.environment_of(folder / "cache")
    with tempfile.TemporaryDirectory(prefix="environment-", dir=folder) as text:
        made = Path(text, "venv")
        pip = [uv(), "pip", "install", "--quiet", "--python", str(made / "bin" / "python")]
        _run([uv(), "venv", "--quiet", "--python", str(python), str(made)], given)
        try:
            words = [
                "--resolution",
                RESOLUTIONS[libraries],
                "--only-binary",
                ":all:",
                "--requirement",
                str(wanted),
            ]
            _run([*pip, *words], given)
        except subprocess.CalledProcessError as error:
            if any(sign in _said(error).lower() for sign in NO_INDEX):
                raise NotTested(f"no package index answers: {_said(error).splitlines()[-1].strip()}") from error
            raise
        _run([*pip, "--offline", "--no-deps", str(wheel)], given)
        place = Path(text, "place")
        place.mkdir()
        _run([str(made / "bin" / "python"), "-P", str(CHECK), str(place)], _user(place), CHECK_S)
        return f"{len(list(made.glob('lib/python*/site-packages/*.dist-info')))} packages"


def _user(place: Path) -> dict[str, str]:
    """The variables of somebody who has no account, and nothing of this tree."""
    left_out = ("WANDB", "SASHIKO", "PYTHON", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    folders = {
        name: str(place / name.lower()) for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR")
    }
    own = {"HOME": str(place), "NETRC": str(place / "netrc"), "SASHIKO_CACHE": str(place / "cache")}
    return kept | folders | own | {"WANDB_ERROR_REPORTING": "false", "PYTHONWARNINGS": "default"}


def _run(words: list[str], given: dict[str, str], timeout_s: float = INSTALL_S) -> None:
    subprocess.run(words, env=given, check=True, capture_output=True, text=True, timeout=timeout_s)


def _said(error: subprocess.SubprocessError) -> str:
    """The last lines of what a command has said."""
    told = [getattr(error, name, None) or "" for name in ("stdout", "stderr")]
    text = "\n".join(part.decode(errors="replace") if isinstance(part, bytes) else part for part in told)
    return "\n".join(text.strip().splitlines()[-LAST:]) or str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
