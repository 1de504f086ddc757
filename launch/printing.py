"""Pages as PDF, printed by a browser that is installed here."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from framework.errors import ConfigError, Problem

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
PRINT_S = 120.0


def browser() -> str:
    """A browser that prints.

    Raises:
        ConfigError: there is none.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        told = f"is printed by a browser, and none of {', '.join(BROWSERS)} is here"
        mend = "apt-get install chromium, or open the HTML and print it"
        raise ConfigError([Problem("--pdf", f"{told}: {mend}")], "report")
    return found


def to_pdf(program: str, html: Path, pdf: Path) -> None:
    """Print a page.

    Raises:
        ConfigError: the browser has printed nothing.
    """
    pdf.parent.mkdir(parents=True, exist_ok=True)
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox is not for root
    with tempfile.TemporaryDirectory(prefix="sashiko-browser-") as profile:
        done = subprocess.run(
            [program, "--headless", *alone, "--disable-gpu", f"--user-data-dir={profile}",
             "--no-pdf-header-footer", f"--print-to-pdf={pdf.absolute()}", html.absolute().as_uri()],
            capture_output=True, text=True, timeout=PRINT_S, check=False,
        )  # fmt: skip
    if done.returncode or not pdf.is_file():
        raise ConfigError(
            [Problem("--pdf", f"was not printed by {program}: {done.stderr.strip()[-400:]}")], "report"
        )
