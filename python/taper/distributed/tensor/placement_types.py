"""How a tensor lies on the ranks along one dimension of a mesh."""

from dataclasses import dataclass


class Placement:
    """One of Shard, Replicate and Partial."""

    def is_shard(self, dim=None):
        """Whether it is a Shard (of this dimension)."""
        return isinstance(self, Shard) and (dim is None or self.dim == dim)

    def is_replicate(self):
        """Whether each rank has all of it."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op=None):
        """Whether the tensor is what the ranks have, reduced (by this operation)."""
        return isinstance(self, Partial) and (reduce_op is None or self.reduce_op == reduce_op)


@dataclass(frozen=True)
class Shard(Placement):
    """Each rank has its part of dimension dim, as tensor.chunk() cuts it."""

    dim: int

    def __str__(self):
        return f"S({self.dim})"

    @staticmethod
    def local_shard_size_and_offset(curr_local_size, num_chunks, rank):
        """Of that many elements among so many ranks: how many this rank has, and where they begin."""
        chunk = -(-curr_local_size // num_chunks)
        start = min(rank * chunk, curr_local_size)
        return min(chunk, curr_local_size - start), start


@dataclass(frozen=True)
class Replicate(Placement):
    """Each rank has all of it."""

    def __str__(self):
        return "R"


@dataclass(frozen=True)
class Partial(Placement):
    """The tensor is the sum of what the ranks have, or by reduce_op their mean ("avg"), "max", "min" or
    "product"."""

    reduce_op: str = "sum"

    def __repr__(self):
        return f"Partial({self.reduce_op})"

    def __str__(self):
        return f"P({self.reduce_op})"


@dataclass(frozen=True)
class _StridedShard(Shard):
    """A Shard of what later dimensions of the mesh, which make split_factor parts of the same dimension, have
    cut already: parts are divided among processes after layers were."""

    split_factor: int = 1
