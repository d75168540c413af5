"""parallelize_module: applies styles to the modules that a plan names."""

import warnings
from fnmatch import fnmatchcase

from ...device_mesh import DeviceMesh
from .style import ParallelStyle


def _matching(module, pattern):
    """Submodules by a path whose parts may have wildcards."""
    found = [module]
    for part in pattern.split("."):
        found = [
            child for inner in found for name, child in inner.named_children() if fnmatchcase(name, part)
        ]
    return found


def parallelize_module(module, device_mesh=None, parallelize_plan=None, *, src_data_rank=0):
    """Divides module in place among the ranks of a mesh of one dimension, and returns it.

    parallelize_plan  a style for the module itself, or a dictionary from names of submodules, in which * and
                      ? stand for parts of a name, to styles
    src_data_rank     of which rank along the mesh the parameters are; None: all ranks hold equal ones, and
                      nothing is sent

    Modules of which layers are divided see tensors of their part: an attention layer, for one, must compute
    with its number of heads divided by the number of ranks.
    """
    if not isinstance(device_mesh, DeviceMesh) or device_mesh.ndim != 1:
        raise ValueError(
            "parallelize_module: device_mesh must be a DeviceMesh with one dimension: mesh['tp']"
        )
    if parallelize_plan is None:
        warnings.warn("parallelize_module: there is no plan; nothing was divided", stacklevel=2)
        return module
    if isinstance(parallelize_plan, ParallelStyle):
        parallelize_plan.src_data_rank = src_data_rank
        return parallelize_plan._apply(module, device_mesh)
    if not isinstance(parallelize_plan, dict):
        raise TypeError(f"parallelize_module: expected a style or a dictionary, got {parallelize_plan!r}")
    for pattern, style in parallelize_plan.items():
        if not isinstance(style, ParallelStyle):
            raise TypeError(f"parallelize_module: the plan has {style!r} for {pattern!r}, expected a style")
        chosen = [module] if pattern == "" else _matching(module, pattern)
        if not chosen:
            warnings.warn(f"parallelize_module: no submodule is named {pattern!r}", stacklevel=2)
        style.src_data_rank = src_data_rank
        for submodule in chosen:
            style._apply(submodule, device_mesh)
    return module
