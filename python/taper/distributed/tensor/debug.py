"""What DTensors do: which collectives were called, and which rank has which part."""

from collections import Counter

from taper import _C

from .placement_types import Shard

__all__ = ["CommDebugMode", "visualize_sharding"]

_GROUP = _C._distributed.ProcessGroup
_COUNTED = """_all_gather _all_gather_into_tensor _all_reduce _all_to_all _all_to_all_single _broadcast
    _gather _reduce _reduce_scatter _reduce_scatter_tensor _scatter""".split()


class CommDebugMode:
    """Counts the collectives of this process while it is open, by name, from zero each time."""

    def __init__(self):
        self.comm_counts = Counter()

    def __enter__(self):
        self.comm_counts = Counter()
        self._before = {name: getattr(_GROUP, name) for name in _COUNTED}
        for name, method in self._before.items():
            setattr(_GROUP, name, self._counting(name[1:], method))
        return self

    def __exit__(self, *exception):
        for name, method in self._before.items():
            setattr(_GROUP, name, method)

    def _counting(self, name, method):
        def counted(group, *args, **kwargs):
            self.comm_counts[name] += 1
            return method(group, *args, **kwargs)

        return counted

    def get_total_counts(self):
        """How many there were."""
        return sum(self.comm_counts.values())

    def get_comm_counts(self):
        """How many there were of each."""
        return dict(self.comm_counts)


def visualize_sharding(dtensor, header=""):
    """Prints on the first rank of the mesh which rows and columns each rank has, of a tensor with one
    dimension or two."""
    if dtensor.ndim not in (1, 2):
        raise RuntimeError("visualize sharding is only implemented for 1D or 2D dtensor")
    mesh = dtensor.device_mesh
    here = mesh.get_coordinate()
    if dtensor.numel() == 0 or here is None or any(here):
        return
    owners = {}
    for place, rank in zip(_coordinates(mesh.shape), mesh.mesh.flatten().tolist()):
        ranges = _ranges(dtensor, place)
        if len(ranges) == dtensor.ndim:
            owners.setdefault(ranges, []).append(rank)
    rows = list(dict.fromkeys(key[0] for key in owners))
    columns = list(dict.fromkeys(key[-1] for key in owners)) if dtensor.ndim == 2 else [""]
    table = [["", *columns]]
    for row in rows:
        ranks = [owners.get((row, column)[: dtensor.ndim], []) for column in columns]
        table.append([row, *(f"{mesh.device_type}:{','.join(map(str, own))}" for own in ranks)])
    widths = [max(len(line[i]) for line in table) for i in range(len(columns) + 1)]
    if header:
        print(header)
    print(
        "\n".join(
            "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in table
        )
    )


def _ranges(dtensor, place):
    """The first and last index by dimension of what the rank at these coordinates has; fewer where it has
    nothing."""
    sizes, starts = list(dtensor.shape), [0] * dtensor.ndim
    for count, placement, coordinate in zip(dtensor.device_mesh.shape, dtensor.placements, place):
        if isinstance(placement, Shard):
            dim = placement.dim
            sizes[dim], start = Shard.local_shard_size_and_offset(sizes[dim], count, coordinate)
            starts[dim] += start
    return tuple(f"{start}-{start + size - 1}" for size, start in zip(sizes, starts) if size)


def _coordinates(shape):
    places = [()]
    for size in shape:
        places = [(*place, i) for place in places for i in range(size)]
    return places
