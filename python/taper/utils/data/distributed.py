"""The sampler that gives each process of a distributed job its own part of the data."""

import math
import os

import taper
from taper.utils.data.sampler import Sampler

# torchrun and most others; Open MPI; MPICH and Intel MPI; Slurm.
_LAUNCHERS = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)


def _job():
    """(rank, world size) of this process, from the process group or the launcher's environment."""
    distributed = getattr(taper, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    for rank, world in _LAUNCHERS:
        if rank in os.environ and world in os.environ:
            return int(os.environ[rank]), int(os.environ[world])
    raise RuntimeError(
        "DistributedSampler: no process group is initialized and no launcher's variables (RANK, WORLD_SIZE) "
        "are set; give num_replicas and rank"
    )


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th index, beginning at rank, of an order that all processes share.

    The order is shuffled with seed + epoch: call `set_epoch(epoch)` before each epoch. The number of samples
    is made divisible by repeating the first ones, or by leaving out the last ones (drop_last).
    """

    def __init__(self, dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False):
        if num_replicas is None or rank is None:
            own_rank, world = _job()
            num_replicas = world if num_replicas is None else num_replicas
            rank = own_rank if rank is None else rank
        if num_replicas < 1:
            raise ValueError(f"DistributedSampler: num_replicas must be at least 1, got {num_replicas}")
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        length = len(dataset)
        self.num_samples = length // num_replicas if drop_last else math.ceil(length / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self):
        length = len(self.dataset)
        if self.shuffle:
            generator = taper.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = taper.randperm(length, generator=generator).tolist()
        else:
            indices = list(range(length))
        if length and not self.drop_last:
            indices *= math.ceil(self.total_size / length)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self):
        return self.num_samples

    def set_epoch(self, epoch):
        """Sets the epoch, which together with the seed decides the order."""
        self.epoch = epoch
