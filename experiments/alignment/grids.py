"""The grids of the alignment experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

from experiments.alignment.config import AlignmentConfig
from framework.grid import Grid, choice, minimize, replicates, same

GRIDS = {
    # A minute on a laptop: two architectures on digits, each trained towards a reference of both.
    "alignment": Grid(
        AlignmentConfig,
        choice("reference.model.kind", ["pcktae", "mlp_autoencoder"]),
        choice("model.model.kind", ["pcktae", "mlp_autoencoder"]),
        replicates("model.seed", [1, 2, 3]),
        exclude=[same("model", "reference")],
        metric=minimize("mapping/error_last"),
    ),
}
