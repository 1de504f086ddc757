"""How far projections or features are spread along each axis of views x batch x features.

    std_batch    mean over V, F of the standard deviation over the images     0 where a network has collapsed
    std_feature  mean over V, B of the standard deviation over the features
    std_view     mean over B, F of the standard deviation over the views      0 where the views are told as one

Deviations have n - 1 in the denominator, and no ε.

Shapes: V views, B images, F features.
"""

from framework.ssl.diagnostics.inputs import Numbers, cube_of


def std_batch(cube_VBF: Numbers) -> float:
    """Mean over views and features of the standard deviation over the images, of (V, B, F).

    Raises:
        InvalidInput: as `cube_of`; a single image.
    """
    return float(cube_of(cube_VBF, "std_batch", images=2).std(dim=1).mean())


def std_feature(cube_VBF: Numbers) -> float:
    """Mean over views and images of the standard deviation over the features, of (V, B, F).

    Raises:
        InvalidInput: as `cube_of`; a single feature.
    """
    return float(cube_of(cube_VBF, "std_feature", features=2).std(dim=2).mean())


def std_view(cube_VBF: Numbers) -> float:
    """Mean over images and features of the standard deviation over the views, of (V, B, F).

    Raises:
        InvalidInput: as `cube_of`; a single view.
    """
    return float(cube_of(cube_VBF, "std_view", views=2).std(dim=0).mean())
