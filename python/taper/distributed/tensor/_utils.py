"""Which part of a DTensor a rank has."""

from .dtensor import DTensor, cuts_of


def compute_local_shape_and_global_offset(global_shape, mesh, placements):
    """(shape, offset): the sizes of this rank's part, and where it begins in the whole, by dimension."""
    shape, offset = list(global_shape), [0] * len(global_shape)
    for _, cut in cuts_of(global_shape, placements, mesh):
        shape[cut.dim] = cut.length
        offset[cut.dim] += cut.start
    return tuple(shape), tuple(offset)


def compute_global_tensor_info(tensor, mesh, placements):
    """(shape, stride) of the whole of which tensor is this rank's part, where all parts are of one size."""
    whole = DTensor.from_local(tensor, mesh, placements)
    return list(whole.shape), list(whole.stride())
