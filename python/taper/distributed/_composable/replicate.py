"""replicate: DistributedDataParallel without a wrapper."""

from taper.nn.parallel import DistributedDataParallel

from .contract import contract


@contract()
def replicate(module, ignored_modules=None, **kwargs):
    """Makes module train in all processes together, as DistributedDataParallel(module, **kwargs) does, in
    place: its names stay. Parameters of ignored_modules stay this process's own."""
    if hasattr(module, "_fsdp"):
        raise RuntimeError("Cannot apply `replicate()` on a Module already managed by `fully_shard`")
    left = {parameter for inner in ignored_modules or () for parameter in inner.parameters()}
    names = {name for name, parameter in module.named_parameters() if parameter in left}
    module._ddp_params_and_buffers_to_ignore = {
        *getattr(module, "_ddp_params_and_buffers_to_ignore", ()),
        *names,
    }
    replicas = DistributedDataParallel(module, **kwargs)
    state = replicate.state(module)
    state.replicas = replicas
    module.register_forward_pre_hook(lambda module, inputs: replicas.begin_pass())
    module.register_forward_hook(lambda module, inputs, output: replicas.end_pass(output))
    return module
