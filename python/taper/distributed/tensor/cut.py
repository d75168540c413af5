"""Cut: how one dimension of a tensor is divided among the ranks of a group."""

from dataclasses import dataclass

import taper

from ..collectives import all_gather
from .placement_types import Shard


@dataclass(frozen=True)
class Cut:
    """One cut of a tensor: among the ranks of group, dimension dim, which has size elements in all."""

    group: object
    dim: int
    size: int

    @property
    def chunk(self):
        """How much all ranks have but the last ones, which may have less."""
        return -(-self.size // self.group.size())

    @property
    def start(self):
        """Where this rank's part begins."""
        return Shard.local_shard_size_and_offset(self.size, self.group.size(), self.group.rank())[1]

    @property
    def length(self):
        """How much this rank has."""
        return Shard.local_shard_size_and_offset(self.size, self.group.size(), self.group.rank())[0]

    def own(self, tensor):
        """This rank's part, a view."""
        return tensor.narrow(self.dim, self.start, self.length)

    def whole(self, part):
        """The tensor of which all ranks have a part; all of them call it."""
        sizes = list(part.shape)
        sizes[self.dim] = self.chunk
        padded = part.new_zeros(sizes)
        padded.narrow(self.dim, 0, self.length).copy_(part)
        parts = [part.new_empty(sizes) for _ in range(self.group.size())]
        all_gather(parts, padded, self.group)
        return taper.cat(parts, self.dim).narrow(self.dim, 0, self.size).contiguous()
