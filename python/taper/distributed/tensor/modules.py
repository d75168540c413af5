"""Modules whose parameters are DTensors."""

from .dtensor import DTensor, distribute_tensor
from .parameter import DTensorParameter


def distribute_module(module, device_mesh=None, partition_fn=None, input_fn=None, output_fn=None):
    """Makes the parameters and buffers of module and all below DTensors, in place, and returns it.

    partition_fn  partition_fn(name, submodule, device_mesh) lays out those of a submodule, such as by
                  submodule.register_parameter(n, nn.Parameter(distribute_tensor(p, mesh, [Shard(0)]))); the
                  others become Replicate
    input_fn      input_fn(module, inputs, device_mesh) gives the arguments of forward, made DTensors
    output_fn     output_fn(module, outputs, device_mesh) gives the results
    """
    if getattr(module, "_distribute_module_applied", False):
        raise RuntimeError("distribute_module should only be called once on a module, but it was before")
    object.__setattr__(module, "_distribute_module_applied", True)
    for name, submodule in module.named_modules():
        if partition_fn is not None:
            partition_fn(name, submodule, device_mesh)
        for key, parameter in submodule._parameters.items():
            if parameter is not None and not isinstance(parameter, DTensor):
                laid = distribute_tensor(parameter.data, device_mesh)
                submodule._parameters[key] = DTensorParameter(laid, parameter.requires_grad)
        for key, buffer in submodule._buffers.items():
            if buffer is not None and not isinstance(buffer, DTensor):
                submodule._buffers[key] = distribute_tensor(buffer, device_mesh)
    if input_fn is not None:
        module.register_forward_pre_hook(lambda module, inputs: input_fn(module, inputs, device_mesh))
    if output_fn is not None:
        module.register_forward_hook(lambda module, inputs, out: output_fn(module, out, device_mesh))
    return module
