"""FSDPModule: what fully_shard makes of a module's class."""

import functools
import warnings

from taper.nn.module import Module

from .memory import follow
from .state import states_of


class UnshardHandle:
    """Parameters that are being gathered."""

    def __init__(self, state):
        self._state = state

    def wait(self):
        """Until the parameters are whole."""
        state, self._state = self._state, None
        if state is not None:
            state.gather()


def _all_sharded(modules):
    for module in modules:
        if not isinstance(module, FSDPModule):
            raise ValueError(f"Expects FSDPModule but got {type(module)}: {module}")
    return list(modules)


class FSDPModule:
    """Methods of a module that fully_shard was applied to."""

    def __new__(cls, *args, **kwargs):
        """A slice of a container, say, is of the class that the module had before."""
        own = cls.__mro__[2]
        made = own.__new__(own)
        own.__init__(made, *args, **kwargs)
        return made

    def __deepcopy__(self, memo):
        raise AssertionError("FSDP does not support deepcopy. Please use state dict for serialization.")

    def _apply(self, *args, **kwargs):
        self.reshard()
        return super()._apply(*args, **kwargs)

    def named_parameters(self, *args, **kwargs):
        """Parameters with their paths; after a backward that raised, parts."""
        if self._fsdp.root is not None:
            self._fsdp.root.runs_backward()
        yield from super().named_parameters(*args, **kwargs)

    def _states(self, recurse):
        return states_of(self) if recurse else [self._fsdp]

    def _units(self, recurse):
        return [unit for state in self._states(recurse) for unit in state.units]

    def unshard(self, async_op=False):
        """Gathers this module's parameters. With async_op an UnshardHandle to wait() for is returned."""
        follow({unit.device for unit in self._fsdp.units})
        handle = UnshardHandle(self._fsdp)
        self._fsdp.start_gathering()
        if async_op:
            return handle
        return handle.wait()

    def reshard(self):
        """Gives the memory of the whole parameters back."""
        self._fsdp.release()

    def set_requires_gradient_sync(self, requires_gradient_sync, *, recurse=True):
        """With False, backward only accumulates whole gradients in this process; the next one with True
        averages all."""
        for unit in self._units(recurse):
            unit.requires_sync = unit.requires_all_reduce = requires_gradient_sync

    def set_requires_all_reduce(self, requires_all_reduce, *, recurse=True):
        """With False, backward of a module that is divided and replicated accumulates the sums of those who
        divide it; the next one with True averages over the replicas as well."""
        for unit in self._units(recurse):
            unit.requires_all_reduce = requires_all_reduce

    def set_is_last_backward(self, is_last_backward):
        """Accepted for PyTorch's sake: gradients are there at the end of each backward()."""

    def set_reshard_after_forward(self, reshard_after_forward, recurse=True):
        """Whether parameters are given back after forward."""
        if not isinstance(reshard_after_forward, bool):
            raise ValueError(f"reshard_after_forward should be a bool, got {type(reshard_after_forward)}")
        for state in self._states(recurse):
            state.reshard_after_forward, state.smaller = reshard_after_forward, None

    def set_reshard_after_backward(self, reshard_after_backward, *, recurse=True):
        """Whether parameters are given back after backward."""
        for state in self._states(recurse):
            state.reshard_after_backward = reshard_after_backward

    def set_unshard_in_backward(self, unshard_in_backward):
        """Whether this module's parameters are gathered for its backward: not, where it needs none."""
        self._fsdp.unshard_in_backward = unshard_in_backward

    def set_modules_to_forward_prefetch(self, modules):
        """Modules whose parameters begin to be gathered when this one's are there."""
        self._fsdp.forward_prefetch = _all_sharded(modules)

    def set_modules_to_backward_prefetch(self, modules):
        """As set_modules_to_forward_prefetch, in backward; unless called, the module used before."""
        self._fsdp.backward_prefetch = _all_sharded(modules)

    def set_gradient_divide_factor(self, factor):
        """By what sums of gradients over all ranks are divided, instead of the number of ranks."""
        for unit in self._units(False):
            unit.divide_factor = factor

    def set_reduce_scatter_divide_factor(self, factor):
        """set_gradient_divide_factor, under its older name."""
        warnings.warn("Use `set_gradient_divide_factor` instead", FutureWarning, stacklevel=2)
        self.set_gradient_divide_factor(factor)

    def set_force_sum_reduction_for_comms(self, enable):
        """Accepted for PyTorch's sake: averages are the same, however they are computed."""

    def set_allocate_memory_from_process_group_for_comm(self, enable):
        """Accepted for PyTorch's sake: process groups have no memory of their own."""

    def set_all_reduce_hook(self, hook, *, stream=None):
        """hook(gradient) changes, in place, the flat gradient of this rank's parts after it was summed among
        the ranks that divide this module, and its replicas. Other streams than the current one are not used;
        with replicas a stream is an error."""
        units = self._units(False)
        if stream is not None and any(unit.replicas is not None for unit in units):
            raise ValueError("stream cannot be set when using native HSDP")
        for unit in units:
            unit.all_reduce_hook = hook

    def set_post_optim_event(self, event):
        """What is gathered next waits for this event only, not for all of the current stream."""
        self._fsdp.optimizer_event = event


def share_comm_ctx(modules):
    """Accepted for PyTorch's sake: all modules share the streams of their device."""
    _all_sharded(modules)


def register_fsdp_forward_method(module, method_name):
    """Gathers the module's parameters around this method as well. Nothing happens to a module that is not
    sharded."""
    if not isinstance(module, FSDPModule):
        return
    if not hasattr(module, method_name):
        raise ValueError(f"{type(module)} does not have a method {method_name}")
    method = getattr(module, method_name)

    @functools.wraps(method)
    def wrapped(self, *args, **kwargs):
        changed = self._fsdp.before_forward(self, args, kwargs)
        args, kwargs = changed if changed is not None else (args, kwargs)
        return self._fsdp.after_forward(self, args, method(*args, **kwargs))

    Module.__setattr__(module, method_name, wrapped.__get__(module, type(module)))
