"""DeviceMesh: the ranks of a job laid out in a grid, with a group along each of its dimensions."""

import math
import os

import taper
from taper import _C, cuda

from . import job


class DeviceMesh:
    """Ranks in a grid. Ranks that differ in one coordinate only make up a group: `get_group(name)`.

    device_type     "cpu" or "cuda"
    mesh            nested lists, or a tensor, of ranks; all processes of the job give the same
    mesh_dim_names  one name for each dimension, to select by: mesh["dp"]
    """

    def __init__(self, device_type, mesh, *, mesh_dim_names=None, _groups=None, _origin=None):
        self.device_type = _C.device(device_type).type
        if self.device_type not in ("cpu", "cuda"):
            raise ValueError(f"DeviceMesh: there are no meshes of {device_type!r}; use 'cpu' or 'cuda'")
        self.mesh = mesh.detach().clone() if isinstance(mesh, _C.Tensor) else taper.tensor(mesh, device="cpu")
        if self.mesh.ndim == 0:
            self.mesh = self.mesh.reshape(1)
        self.mesh_dim_names = None if mesh_dim_names is None else tuple(mesh_dim_names)
        if self.mesh_dim_names is not None and len(self.mesh_dim_names) != self.mesh.ndim:
            raise ValueError(
                f"DeviceMesh: got {len(self.mesh_dim_names)} names for {self.mesh.ndim} dimensions"
            )
        ranks = self.mesh.flatten().tolist()
        if len(set(ranks)) != len(ranks):
            raise ValueError(f"DeviceMesh: a rank occurs twice in {ranks}")
        self._groups = self._make_groups() if _groups is None else _groups
        # The mesh that this one is a part of, and its dimensions there.
        self._origin, self._places = _origin or (self, list(range(self.mesh.ndim)))

    def _make_groups(self):
        groups = []
        for dim in range(self.mesh.ndim):
            lines = self.mesh.movedim(dim, -1).reshape(-1, self.mesh.shape[dim]).tolist()
            if len(lines) == 1 and sorted(lines[0]) == lines[0] == list(range(job.get_world_size())):
                groups.append(job._resolve(None))
                continue
            made = [job.new_group(line) for line in lines]
            own = [g for g in made if g is not job.GroupMember.NON_GROUP_MEMBER]
            groups.append(own[0] if own else None)
        return groups

    @property
    def ndim(self):
        """The number of dimensions."""
        return self.mesh.ndim

    @property
    def shape(self):
        """The number of ranks along each dimension."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim=None):
        """The number of ranks, of all or along one dimension."""
        return math.prod(self.shape) if mesh_dim is None else self.shape[mesh_dim]

    def _dim(self, mesh_dim):
        if mesh_dim is None:
            if self.ndim > 1:
                raise RuntimeError(
                    f"DeviceMesh: found {self.ndim} dimensions; say which: mesh_dim is an index or a name"
                )
            return 0
        if isinstance(mesh_dim, str):
            if self.mesh_dim_names is None or mesh_dim not in self.mesh_dim_names:
                raise KeyError(
                    f"DeviceMesh: there is no dimension {mesh_dim!r}, only {list(self.mesh_dim_names or ())}"
                )
            return self.mesh_dim_names.index(mesh_dim)
        return mesh_dim

    def get_group(self, mesh_dim=None):
        """The group of this rank along one dimension."""
        return self._groups[self._dim(mesh_dim)]

    def get_all_groups(self):
        """The groups of this rank, by dimension."""
        return list(self._groups)

    def get_local_rank(self, mesh_dim=None):
        """The coordinate of this rank along one dimension."""
        return self.get_group(mesh_dim).rank()

    def get_rank(self):
        """The rank of this process in the job."""
        return job.get_rank()

    def get_coordinate(self):
        """The coordinates of this rank, or None outside of the mesh."""
        places = (self.mesh == job.get_rank()).nonzero().tolist()
        return places[0] if places else None

    def __getitem__(self, names):
        """The part of the mesh with this rank along the dimensions named."""
        chosen = [self._dim(name) for name in ((names,) if isinstance(names, str) else names)]
        return self._along(chosen)

    def _along(self, chosen):
        here = self.get_coordinate() or [0] * self.ndim
        index = tuple(slice(None) if dim in chosen else here[dim] for dim in range(self.ndim))
        part = self.mesh[index]
        in_order = sorted(chosen)
        return DeviceMesh(
            self.device_type,
            part.permute([in_order.index(dim) for dim in chosen]),
            mesh_dim_names=self.mesh_dim_names and [self.mesh_dim_names[dim] for dim in chosen],
            _groups=[self._groups[dim] for dim in chosen],
            _origin=(self._origin, [self._places[dim] for dim in chosen]),
        )

    def _joined(self, other):
        """(the mesh of the dimensions of both, in the order of the mesh that both are parts of; which of its
        dimensions those of this mesh are; and those of the other)."""
        if self._origin != other._origin or set(self._places) & set(other._places):
            raise ValueError(
                "DeviceMesh: a parameter that is divided along two meshes needs both to be parts of one, "
                f"along other dimensions, as mesh['dp'] and mesh['tp'] are; got {self} and {other}"
            )
        places = sorted((*self._places, *other._places))
        own, others = ([places.index(place) for place in mesh._places] for mesh in (self, other))
        return self._origin._along(places), own, others

    @staticmethod
    def from_group(group, device_type, mesh=None, *, mesh_dim_names=None):
        """A mesh of groups that exist: one group, or one for each dimension of mesh."""
        groups = group if isinstance(group, list) else [group]
        ranks = job.get_process_group_ranks(groups[0]) if mesh is None else mesh
        return DeviceMesh(device_type, ranks, mesh_dim_names=mesh_dim_names, _groups=list(groups))

    def __eq__(self, other):
        return (
            isinstance(other, DeviceMesh)
            and self.device_type == other.device_type
            and self.mesh.tolist() == other.mesh.tolist()
            and self.mesh_dim_names == other.mesh_dim_names
        )

    def __hash__(self):
        return hash((tuple(self.mesh.flatten().tolist()), self.shape, self.mesh_dim_names))

    def __repr__(self):
        if self.mesh_dim_names:
            sizes = ", ".join(f"{n}={s}" for n, s in zip(self.mesh_dim_names, self.shape))
        else:
            sizes = ", ".join(map(str, self.shape))
        return f"DeviceMesh(({sizes}), '{self.device_type}')"


def init_device_mesh(device_type, mesh_shape, *, mesh_dim_names=None, backend_override=None):
    """A mesh of all ranks in this shape, in order; makes the default group where there is none. For "cuda" a
    process that has not chosen another device than the first takes the one that LOCAL_RANK says."""
    if device_type == "cuda" and cuda.current_device() == 0 and "LOCAL_RANK" in os.environ:
        cuda.set_device(int(os.environ["LOCAL_RANK"]) % cuda.device_count())
    if not _C._distributed.is_initialized():
        job.init_process_group()
    world, shape = job.get_world_size(), tuple(mesh_shape)
    if math.prod(shape) != world:
        raise RuntimeError(f"init_device_mesh: the shape {shape} has {math.prod(shape)} ranks of {world}")
    ranks = taper.arange(world, device="cpu").reshape(shape)
    return DeviceMesh(device_type, ranks, mesh_dim_names=mesh_dim_names)
