"""SimSiam: from one view the projection of the other, without its gradient, is predicted.

Chen and He, "Exploring simple siamese representation learning", 2021, equations (1) to (4): the negative cosine
similarity, here lightly's `NegativeCosineSimilarity`, symmetrised over two views.

    d(z, p)    - 1/B Σ_b cos(z_b, p_b)
    heads      D-2048 (batch normalisation, ReLU) -2048 (batch normalisation without scale and shift);
               predictor 2048-512 (batch normalisation, ReLU) -2048
    targets    the projections, without their gradient

Without the stopped gradient or without the predictor it collapses (section 4.1 and 4.2): the loss goes to -1, and
the standard deviation of normalised projections from about 1/√F to 0.

Shapes: B images, F numbers of a projection.
"""

from framework.ssl.predictive import PredictiveMethod


class SimSiamMethod(PredictiveMethod):
    """SimSiam; see the module."""
