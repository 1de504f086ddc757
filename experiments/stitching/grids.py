"""The grids of the stitching experiment; `python -m experiments --write-sweeps` writes them to sweeps/."""

from experiments.stitching.config import StitchingConfig
from framework.grid import Grid, choice, same

MODELS = [{"model": {"kind": kind}, "seed": seed} for kind in ("pcktae", "mlp_autoencoder") for seed in (0, 1, 2)]

GRIDS = {
    # Minutes on a laptop: six models on digits, every ordered pair, two mappings. Sample counts and ridges are
    # axes inside each run.
    "stitching": Grid(
        StitchingConfig,
        choice("source", MODELS),
        choice("target", MODELS),
        choice("mapping.kind", ["linear", "affine"]),
        choice("mapping.ridges", [(0, 0.01, 0.1, 1)]),
        exclude=[same("source", "target")],
    ),
}
