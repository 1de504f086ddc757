"""MoCo: the target of a momentum encoder is told from the targets of earlier batches.

He, Fan, Wu, Xie and Girshick, "Momentum contrast for unsupervised visual representation learning", 2020, equation
(1) and algorithm 1; the head with a hidden layer is that of Chen, Fan, Girshick and He, "Improved baselines with
momentum contrastive learning", 2020. The loss is lightly's `NTXentLoss` with a bank
(`framework/ssl/contrastive.py`).

    d(z, p)    InfoNCE at temperature 0.1 against a bank of 4096
    heads      D-512 (ReLU) -128, without batch normalisation; no predictor
    targets    of the momentum encoder, m = 0.99, constant

Two views are symmetrised (`strategy: none`), as in the authors' code for CIFAR-10: each is query and key in turn,
and the keys of both go into the bank. `backbone.splits` has the part of shuffled batch normalisation (section
3.3): keys are shuffled before they are normalised in groups. Without a bank (`memory_bank_size: 0`) the negatives
are those of the batch.
"""

from framework.ssl.contrastive import ContrastiveMethod


class MoCoMethod(ContrastiveMethod):
    """MoCo; see the module."""
