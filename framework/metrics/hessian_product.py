"""Products of the Hessian of a classifier's loss with vectors, the loss being the mean cross-entropy per image.

    H v = Σ_b (N_b / N) ∇ (∇L_b(θ) · v)                                                                         (1)

The gradient ∇L_b does not change from product to product. Its graph is kept for as many batches as fit into
memory, which leaves a product with a third of its work; the others' are built each time. ReLU counts as linear
beside its kink, and batch normalisation has its running statistics: the model runs in eval mode.

Shapes: P weights, B images in a batch, C channels, H x W pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from framework.metrics.perturbation import Batch

GRAPH_ROOM = 2**30  # bytes of tensors that kept graphs may hold


class HessianProduct:
    """`product(vector_P)` is equation (1), (P,), over the parameters in the order of `named_parameters`.

    Use it within `steady(model)`. The model's own parameters are not touched.
    """

    def __init__(self, model: nn.Module, batches: Sequence[Batch], room: int = GRAPH_ROOM) -> None:
        self._model, self._batches = model, batches
        self._leaves = {name: p.detach().requires_grad_() for name, p in model.named_parameters()}
        self._sizes = [leaf.numel() for leaf in self._leaves.values()]
        self._count = sum(len(labels) for _, labels in batches)
        self.num_weights = sum(self._sizes)
        kept = self._fitting(room)
        self._kept = [self._gradient(batch) for batch in batches[:kept]]

    def __call__(self, vector_P: Tensor) -> Tensor:
        """Equation (1)."""
        parts = torch.split(vector_P, self._sizes)
        vectors = [part.view(leaf.shape) for part, leaf in zip(parts, self._leaves.values(), strict=True)]
        product_P = torch.zeros_like(vector_P)
        for i, batch in enumerate(self._batches):
            keep = i < len(self._kept)
            gradient = self._kept[i] if keep else self._gradient(batch)
            # A parameter that the logits do not depend on has a gradient without a graph.
            pairs = [(g, v) for g, v in zip(gradient, vectors, strict=True) if g.requires_grad]
            if not pairs:
                continue
            with_graph, along = zip(*pairs, strict=True)
            products = torch.autograd.grad(
                with_graph,
                list(self._leaves.values()),
                along,
                retain_graph=keep,
                allow_unused=True,
                materialize_grads=True,
            )
            share = len(batch[1]) / self._count
            product_P.add_(torch.cat([product.flatten() for product in products]), alpha=share)
        return product_P

    def _gradient(self, batch: Batch) -> tuple[Tensor, ...]:
        images, labels = batch
        with torch.enable_grad():
            loss = F.cross_entropy(functional_call(self._model, self._leaves, (images,)), labels)
            return torch.autograd.grad(
                loss, list(self._leaves.values()), create_graph=True, allow_unused=True, materialize_grads=True
            )

    def _fitting(self, room: int) -> int:
        """How many graphs fit into `room` bytes, by what the first one holds beside the weights."""
        held: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, _itself):
            self._gradient(self._batches[0])
        for leaf in self._leaves.values():
            held.pop(leaf.untyped_storage().data_ptr(), None)
        gradient = sum(leaf.numel() * leaf.element_size() for leaf in self._leaves.values())
        return min(len(self._batches), room // max(1, sum(held.values()) + gradient))


def _itself(tensor: Tensor) -> Tensor:
    return tensor
