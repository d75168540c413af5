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
        if isinstance(mesh, _C.Tensor):
            mesh = mesh.detach().tolist()
        self.mesh = taper.tensor(mesh, device="cpu", dtype=taper.int32)
        if self.mesh.ndim == 0:
            self.mesh = self.mesh.reshape(1)
        self.mesh_dim_names = _checked_names(mesh_dim_names, self.mesh.ndim)
        ranks = self.mesh.flatten().tolist()
        if len(set(ranks)) != len(ranks):
            raise ValueError(f"DeviceMesh: a rank occurs twice in {ranks}")
        self._groups = self._make_groups() if _groups is None else _groups
        # The mesh that this one is a part of, and its dimensions there; and dimensions put together, by name.
        self._origin, self._places = _origin or (self, list(range(self.mesh.ndim)))
        self._flattened = {}

    def _make_groups(self):
        return [_group_among(_lines(self.mesh, [dim])) for dim in range(self.mesh.ndim)]

    def __getstate__(self):
        # Processes that read it find their own groups.
        state = {**self.__dict__, "_groups": None, "_flattened": {}, "mesh": self.mesh.tolist()}
        return {**state, "_origin": None if self._origin is self else self._origin}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.mesh = taper.tensor(state["mesh"], device="cpu", dtype=taper.int32)
        self._origin = self if self._origin is None else self._origin
        here = self.get_coordinate() if _C._distributed.is_initialized() else None
        self._groups = [None] * self.ndim
        for dim in range(self.ndim if here else 0):
            line = [slice(None) if d == dim else place for d, place in enumerate(here)]
            self._groups[dim] = _group_of(self.mesh[tuple(line)].tolist())

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

    def _get_root_mesh(self):
        return self._origin

    @property
    def _dim_group_names(self):
        return [group.group_name for group in self._groups]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def _dim(self, mesh_dim):
        if mesh_dim is None:
            if self.ndim > 1:
                raise RuntimeError(
                    f"Found the DeviceMesh have {self.ndim} dimensions. Optional kwarg `mesh_dim` needs to "
                    "be specified when device_mesh.ndim > 1: an index or a name"
                )
            return 0
        if isinstance(mesh_dim, str):
            if self.mesh_dim_names is None or mesh_dim not in self.mesh_dim_names:
                raise KeyError(
                    f"Mesh dimension {mesh_dim!r} does not exist. Available mesh dimensions are: "
                    f"mesh_dim_names={self.mesh_dim_names}"
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
        """The part of the mesh with this rank along the dimensions named, in their order; also by names that
        _flatten gave."""
        if self.mesh_dim_names is None:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        names = (names,) if isinstance(names, str) else tuple(names)
        flattened = self._origin._flattened
        unknown = [name for name in names if name not in self.mesh_dim_names and name not in flattened]
        if unknown:
            raise KeyError(
                f"Invalid mesh_dim_names {names} specified. Valid mesh_dim_names are "
                f"{[*self.mesh_dim_names, *flattened]}."
            )
        places = [
            flattened[name][0] if name in flattened else [self._places[self.mesh_dim_names.index(name)]]
            for name in names
        ]
        joined = [place for part in places for place in part]
        if len(set(joined)) != len(joined):
            raise RuntimeError(f"Slicing overlapping dim_names {names} is not allowed.")
        if joined != sorted(joined):
            raise KeyError(
                f"Invalid mesh_dim_names {names} specified. Mesh dim indices should be in ascending order."
            )
        if not any(name in flattened for name in names):
            return self._along([self.mesh_dim_names.index(name) for name in names])
        if len(names) == 1:
            return flattened[names[0]][1]
        whole = self._origin._along(joined)
        sizes = [math.prod(self._origin.shape[place] for place in part) for part in places]
        groups = [
            flattened[name][1]._groups[0] if name in flattened else whole._groups[joined.index(part[0])]
            for name, part in zip(names, places)
        ]
        return DeviceMesh(self.device_type, whole.mesh.reshape(sizes), mesh_dim_names=names, _groups=groups)

    def _flatten(self, mesh_dim_name=None):
        """The mesh of one dimension of all its ranks, named so (as the dimensions, unless given); the mesh
        that this one is a part of knows it by that name. All ranks of that mesh call it."""
        if mesh_dim_name is None:
            if self.mesh_dim_names is None:
                raise RuntimeError("_flatten: needs mesh_dim_name for a mesh without names")
            mesh_dim_name = "_".join(self.mesh_dim_names)
        root = self._origin
        if self.ndim == 1 and self.mesh_dim_names == (mesh_dim_name,):
            return self
        if mesh_dim_name in (root.mesh_dim_names or ()):
            raise ValueError(f"_flatten: {mesh_dim_name} already exists in the mesh: {root}")
        known = root._flattened.get(mesh_dim_name)
        if known is not None and known[0] != self._places:
            raise ValueError(f"_flatten: {mesh_dim_name} is the name of other dimensions already")
        if known is None:
            group = _group_among(_lines(root.mesh, self._places))
            flat = self.mesh.flatten()
            made = DeviceMesh(self.device_type, flat, mesh_dim_names=(mesh_dim_name,), _groups=[group])
            known = root._flattened[mesh_dim_name] = (list(self._places), made)
        return known[1]

    def _unflatten(self, dim, mesh_sizes, mesh_dim_names):
        """A mesh in which several dimensions, of these sizes and names, take the place of one. All ranks call
        it."""
        dim = self._dim(dim)
        if not 0 <= dim < self.ndim:
            raise ValueError(f"dim {dim} specified in `_unflatten` is out of range {self.ndim}")
        if len(mesh_sizes) != len(mesh_dim_names):
            raise RuntimeError("mesh_dim_names must have same length as mesh_sizes in _unflatten!")
        shape = [*self.shape[:dim], *mesh_sizes, *self.shape[dim + 1 :]]
        mesh, new = self.mesh.reshape(shape), range(dim, dim + len(mesh_sizes))
        groups = [*self._groups[:dim], *([None] * len(new)), *self._groups[dim + 1 :]]
        for place in new:
            groups[place] = _group_among(_lines(mesh, [place]))
        names = self.mesh_dim_names and [
            *self.mesh_dim_names[:dim],
            *mesh_dim_names,
            *self.mesh_dim_names[dim + 1 :],
        ]
        return DeviceMesh(self.device_type, mesh, mesh_dim_names=names, _groups=groups)

    @staticmethod
    def _concatenate(device_mesh_list):
        """The part along the dimensions of all these parts of one mesh."""
        first = device_mesh_list[0]
        if any(mesh._origin is not first._origin for mesh in device_mesh_list):
            raise RuntimeError("Cannot concatenate DeviceMeshes derived from different device meshs")
        places = [place for mesh in device_mesh_list for place in mesh._places]
        if len(set(places)) != len(places):
            raise RuntimeError(f"_concatenate: {device_mesh_list} have dimensions in common")
        return first._origin._along(places)

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
        groups = group if isinstance(group, (list, tuple)) else [group]
        if mesh is None and len(groups) > 1:
            raise ValueError("Must pass mesh if passing multiple ProcessGroups")
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
        sizes = ", ".join(
            f"{name}={size}" if name else str(size)
            for name, size in zip(self.mesh_dim_names or [None] * self.ndim, self.shape)
        )
        comma = "," if self.ndim == 1 and not self.mesh_dim_names else ""
        return f"DeviceMesh(({sizes}{comma}), '{self.device_type}')"


def _checked_names(names, count):
    if names is None:
        return None
    if len(names) != count:
        raise RuntimeError(
            "mesh_shape and mesh_dim_names should have same length! Found "
            f"len(mesh_dim_names): {len(names)} and len(mesh_shape): {count}."
        )
    if len(set(names)) != len(names):
        raise RuntimeError(
            "Each mesh_dim_name must be unique. Found repeated mesh_dim_name in mesh_dim_names "
            f"{tuple(names)}"
        )
    return tuple(names)


def _lines(mesh, dims):
    """The ranks along these dimensions, for each place in the others."""
    others = [dim for dim in range(mesh.ndim) if dim not in dims]
    return mesh.permute([*others, *dims]).reshape(-1, math.prod(mesh.shape[dim] for dim in dims)).tolist()


def _group_among(lines):
    """The group of this rank, of one for each list of ranks; all ranks call it. The default group serves
    where it has the ranks."""
    if len(lines) == 1 and lines[0] == list(range(job.get_world_size())):
        return job._resolve(None)
    made = [job.new_group(line) for line in lines]
    own = [group for group in made if group is not job.GroupMember.NON_GROUP_MEMBER]
    return own[0] if own else None


def _group_of(ranks):
    """The living group of these ranks, or None."""
    found = (g for g in _C._distributed._living_groups() if list(g._global_ranks) == sorted(ranks))
    return next(found, None)


def init_device_mesh(device_type, mesh_shape, *, mesh_dim_names=None, backend_override=None):
    """A mesh of the first ranks, as a rule of all, in this shape and in order; makes the default group where
    there is none. For "cuda" a process that has not chosen another device than the first takes the one that
    LOCAL_RANK says."""
    if device_type == "cuda" and cuda.current_device() == 0 and "LOCAL_RANK" in os.environ:
        cuda.set_device(int(os.environ["LOCAL_RANK"]) % cuda.device_count())
    if not _C._distributed.is_initialized():
        job.init_process_group()
    world, shape = job.get_world_size(), tuple(mesh_shape)
    if math.prod(shape) > world:
        raise RuntimeError(
            f"Mesh should not be bigger than default world size {world}, but found {math.prod(shape)} ranks!"
        )
    _checked_names(mesh_dim_names, len(shape))
    ranks = taper.arange(math.prod(shape), device="cpu").reshape(shape)
    return DeviceMesh(device_type, ranks, mesh_dim_names=mesh_dim_names)
