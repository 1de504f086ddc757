"""SimCLR: the other view of an image is told from all other images of the batch.

Chen, Kornblith, Norouzi and Hinton, "A simple framework for contrastive learning of visual representations",
2020, equation (1): NT-Xent, here lightly's `NTXentLoss`, whose formula is in `framework/ssl/contrastive.py`.

    d(z, p)    NT-Xent at temperature 0.5, as in the paper for CIFAR-10
    heads      D-512-512-512-512 (batch normalisation, ReLU) -128 (batch normalisation); no predictor
    targets    the projections themselves, with their gradient

With a memory bank the negatives are the projections of earlier batches, and no longer those of the batch itself.
"""

from framework.ssl.contrastive import ContrastiveMethod


class SimCLRMethod(ContrastiveMethod):
    """SimCLR; see the module."""
