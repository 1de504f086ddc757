"""BYOL: from one view the target of a momentum encoder for the other is predicted; there are no negatives.

Grill, Strub, Altché and others, "Bootstrap your own latent: a new approach to self-supervised learning", 2020,
equation (2). There the loss is the squared distance of normalised vectors, 2 + 2 d with d as here, lightly's
`NegativeCosineSimilarity`:

    d(z, p)    - 1/B Σ_b cos(z_b, p_b)
    heads      D-1024 (batch normalisation, ReLU) -256; predictor 256-1024 (batch normalisation, ReLU) -256
    targets    of the momentum encoder, m from 0.99 to 1 by a cosine over the training

`momentum: null` leaves a SimSiam; with `stop_gradient: false` and `predictor: null`, too, it collapses.

Shapes: B images, F numbers of a projection.
"""

from framework.ssl.predictive import PredictiveMethod


class BYOLMethod(PredictiveMethod):
    """BYOL; see the module."""
