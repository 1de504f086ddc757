"""The addresses that the pages of a run, of an artifact and of a comparison ask."""

from collections.abc import Callable, Mapping
from typing import Any

from launch.server.request import Request
from launch.server.views import compare, curves, lineage, media, sweep_curves, tables

RUN = "/{entity}/{project}/runs/{run}"
VERSION = "/{entity}/{project}/artifacts/{type}/{name}/{version}"
VIEWS: Mapping[str, Callable[[Request, Mapping[str, str]], Any]] = {
    f"{RUN}/curves": curves.curves,
    f"{RUN}/system": curves.system,
    f"{RUN}/media": media.media,
    f"{RUN}/table": tables.table,
    f"{RUN}/console": tables.console,
    f"{RUN}/lineage": lineage.of_run,
    f"{VERSION}/lineage": lineage.of_version,
    "/{entity}/{project}/compare/curves": compare.curves,
    "/{entity}/{project}/sweeps/{sweep}/curves": sweep_curves.curves,
}
