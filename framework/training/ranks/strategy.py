"""How Lightning trains with several ranks: its DDP, on processes that are there already.

To Lightning every rank is a node with one device. So each has the device that it sees as its only one, and what
holds for one process (`cuda` is the GPU) holds for each rank. Lightning starts no process, requeues no job and
hears no signal.
"""

from typing import Any

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.utilities import rank_zero as fabric
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero as lightning

from framework.training.ranks import shares, world


class Ranks(ClusterEnvironment):
    """The ranks as Lightning asks for them. The process group is made before, so the address is never read."""

    @property
    def creates_processes_externally(self) -> bool:
        """They are started already."""
        return True

    @property
    def main_address(self) -> str:
        """None is needed."""
        return ""

    @property
    def main_port(self) -> int:
        """None is needed."""
        return 0

    @staticmethod
    def detect() -> bool:
        """Never taken by itself."""
        return False

    def world_size(self) -> int:
        """How many ranks there are."""
        return world.size()

    def set_world_size(self, size: int) -> None:
        """It is what it is."""

    def global_rank(self) -> int:
        """Which one this is."""
        return world.rank()

    def set_global_rank(self, rank: int) -> None:
        """It is what it is."""

    def local_rank(self) -> int:
        """Alone on what Lightning takes for a node."""
        return 0

    def node_rank(self) -> int:
        """As many nodes as ranks."""
        return world.rank()


class SharedBatches(DDPStrategy):
    """DDP whose gradient is that of the mean over the whole batch, also where shares differ in size.

    DDP takes the mean of the ranks' gradients; each loss, a mean over the share, is weighted by what the share is
    of the batch. DDP looks for unused parameters at each step: else it would lay out its buffers anew after the
    first one, sums would be added up in another order, and a training that goes on would differ in the last bit.
    """

    def __init__(self) -> None:
        super().__init__(cluster_environment=Ranks(), find_unused_parameters=True, broadcast_buffers=False)

    def _configure_launcher(self) -> None:
        """Nothing is to be launched."""

    def setup_distributed(self) -> None:
        """The process group is there; Lightning's own way would also seed every generator anew."""
        self.set_world_ranks()

    def set_world_ranks(self) -> None:
        """Have Lightning's own notes come from the first rank alone."""
        for module in (fabric, lightning):
            vars(module)["rank_zero_only"].rank = world.rank()

    def barrier(self, *args: Any, **kwargs: Any) -> None:
        """Wait for all; on CPUs, whatever the ranks compute on."""
        world.wait()

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """The step, with its loss weighted."""
        outputs = super().training_step(*args, **kwargs)
        share = shares.now()
        if share is not None and isinstance(outputs, dict):
            loss = outputs["loss"] if share.images else torch.nan_to_num(outputs["loss"])
            outputs["loss"] = loss * share.weight
        return outputs
