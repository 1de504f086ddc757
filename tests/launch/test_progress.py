"""The bar over runs: counts, and notes as they are."""

import io

from rich.console import Console

from launch.progress import runs_bar


def test_the_bar_counts_and_shows_a_note_as_it_is():
    out = io.StringIO()
    with runs_bar(Console(file=out, width=120)) as progress:
        progress.update(progress.add_task("runs", total=3, note=""), advance=2, note="x=[red] of [8]")
    assert "runs" in out.getvalue()
    assert "2/3 x=[red] of [8] 0:00:00" in out.getvalue()
