"""All diagnostics of an encoder that need no labels, of its features and of its projections.

    images (B, C, H, W) --distort--> views (V, B, C, S, S) --encode--> features (V, B, D) --project--> (V, B, F)

Images and draws are those of a seed, so that two encoders of one data set, and two epochs of one encoder, are
diagnosed on the same views.

Shapes: V views, B images, C channels, H x W pixels, D features, F numbers of a projection.
"""

import torch
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.seeds import torch_numbers
from framework.ssl.diagnostics import correlations, covariances, std_batch, std_feature, std_view
from framework.ssl.diagnostics.alpha_req import alpha_req
from framework.ssl.diagnostics.collapse import collapse
from framework.ssl.diagnostics.lidar import lidar
from framework.ssl.diagnostics.rankme import rankme
from framework.ssl.distortions.distorter import Distorter, generator_of
from framework.ssl.method import Method
from framework.training.evaluation import evaluating

AT_ONCE = 256
LEAST = 2


def chosen(images_NCHW: Tensor, count: int, seed: int) -> Tensor:
    """The images, (B, C, H, W), that a seed chooses: `count` of them, or all where there are fewer.

    Raises:
        InvalidInput: fewer than two are asked for.
    """
    if count < LEAST:
        raise InvalidInput([Problem("diagnostics_images", f"is {count}; allowed: {LEAST} or more")])
    return images_NCHW[torch.randperm(len(images_NCHW), generator=torch_numbers(seed))[:count].sort().values]


def views_for(images_BCHW: Tensor, distorter: Distorter, seed: int) -> Tensor:
    """Their views (V, B, C, S, S), of the draws of a seed."""
    return distorter.make(images_BCHW, generator_of(seed, 0))[0]


def diagnose(method: Method, views_VBCSS: Tensor) -> dict[str, float]:
    """All numbers by name (`features/rankme`, `projections/Cor_batch_ik_10`), in eval mode.

    NaN and infinite features have no numbers but NaN.
    """
    features_VBD, projections_VBF = _encoded(method, views_VBCSS)
    return {
        f"{name}/{measure}": value
        for name, cube in (("features", features_VBD), ("projections", projections_VBF))
        for measure, value in _measures(cube).items()
    }


def _measures(cube_VBF: Tensor) -> dict[str, float]:
    if not bool(torch.isfinite(cube_VBF).all()):
        return {"spread": float("nan")}
    return {
        "spread": collapse(cube_VBF).ratio,
        "std_batch": std_batch(cube_VBF),
        "std_feature": std_feature(cube_VBF),
        "std_view": std_view(cube_VBF),
        "rankme": rankme(cube_VBF[0]),
        "alpha_req": float(alpha_req(cube_VBF[0])),
        "lidar": lidar(cube_VBF),
        **correlations(cube_VBF),
        **covariances(cube_VBF),
    }


def _encoded(method: Method, views_VBCSS: Tensor) -> tuple[Tensor, Tensor]:
    views, images = views_VBCSS.shape[:2]
    place = next(method.parameters()).device
    features, projections = [], []
    with evaluating(method):
        for part in torch.split(views_VBCSS.flatten(0, 1), AT_ONCE):
            features.append(method.encode(part.to(place)))
            projections.append(method.project(features[-1]).float().cpu())
    cubes = (torch.cat([part.float().cpu() for part in features]), torch.cat(projections))
    return cubes[0].view(views, images, -1), cubes[1].view(views, images, -1)
