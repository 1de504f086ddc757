"""The memory bank: projections of earlier batches as negatives, on lightly's.

What lightly's does not: the bank is part of the state dict, so that training that goes on elsewhere has its
negatives; it gives them in the precision of what they are compared with; it is filled when it is told to, once
a step with all targets, and not by each call of a loss, of which several views make many; it takes none of a step
in which some are NaN or infinite, as one of them makes every later loss NaN; and where it comes to
its end it goes on at its beginning, so that it always holds the newest K projections.

He, Fan, Wu, Xie and Girshick, "Momentum contrast for unsupervised visual representation learning", 2020,
section 3.2.

`BankedNTXent` is lightly's NT-Xent with such a bank or without one: the loss of SimCLR and MoCo, whose
equations are in their files.

Shapes: N projections, K of them in the bank, V views, B images, F numbers of a projection.
"""

import torch
from lightly.loss import NTXentLoss  # type: ignore[import-untyped]
from lightly.models.modules.memory_bank import MemoryBankModule  # type: ignore[import-untyped]
from lightly.models.utils import concat_all_gather  # type: ignore[import-untyped]
from lightly.utils import dist  # type: ignore[import-untyped]
from torch import Tensor

from framework.errors import InvalidInput, Problem
from framework.ssl.method import GATHERED


class MemoryBank(MemoryBankModule):  # type: ignore[misc]
    """K normalised projections, at first random directions from torch's seed."""

    bank: Tensor
    bank_ptr: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__((size, width))
        for name in ("bank", "bank_ptr"):
            self.register_buffer(name, self.get_buffer(name), persistent=True)

    def forward(
        self, output: Tensor, labels: Tensor | None = None, update: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """`output` (N, F) as it is, and the bank (F, K) in its precision. `labels` and `update` are lightly's."""
        del labels, update
        _, bank_FK = super().forward(output)
        return output, bank_FK.to(output.dtype)

    @torch.no_grad()
    def enqueue(self, projections_NF: Tensor) -> None:
        """Put projections in the place of the oldest; those of all processes that train together.

        Where one is NaN or infinite, as their loss then is, none is taken: who trains ends with that loss.

        Raises:
            InvalidInput: there are more than the bank has places.
        """
        if dist.world_size() > 1:
            projections_NF = concat_all_gather(projections_NF)
        size, count = len(self.bank), len(projections_NF)
        if count > size:
            message = (
                f"is {size}, smaller than the {count} projections of one step (the views of a batch that are "
                f"targets); set it to {count} or more, or to 0, or take smaller batches"
            )
            raise InvalidInput([Problem("memory_bank_size", message)])
        if not bool(projections_NF.isfinite().all()):
            return
        normalised = torch.nn.functional.normalize(projections_NF.float(), dim=1).to(self.bank.dtype)
        before_end = min(size - int(self.bank_ptr), count)
        for part_NF in (normalised[:before_end], normalised[before_end:]):
            if len(part_NF):
                super().forward(part_NF, update=True)


class BankedNTXent(NTXentLoss):  # type: ignore[misc]
    """NT-Xent at a temperature. Its negatives are the last `size` projections; with 0 those of the batch."""

    def __init__(self, temperature: float, size: int, width: int) -> None:
        super().__init__(temperature, gather_distributed=GATHERED)
        self.size = size
        if size:
            self.memory_bank = MemoryBank(size, width)

    def enqueue(self, targets_VBF: Tensor) -> None:
        """Put the targets of all views into the bank, where there is one, and gradients are being taken.

        Raises:
            InvalidInput: as `MemoryBank.enqueue`.
        """
        if self.size and torch.is_grad_enabled():
            self.memory_bank.enqueue(targets_VBF.detach().flatten(0, 1))
