"""DistributedDataParallel, and batch normalization over the batches of all processes."""

from contextlib import contextmanager
from enum import Enum

from .. import _C
from .._grad_mode import no_grad
from ..autograd import Function
from .module import Module
from .normalization import _BatchNorm


def _group_of(process_group):
    from ..distributed.job import _resolve

    group = _resolve(process_group)
    if group is None:
        raise ValueError("this process is not in the given process group")
    return group


def _tensors_in(value):
    if isinstance(value, _C.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif hasattr(value, "__dataclass_fields__"):
        value = [getattr(value, name) for name in value.__dataclass_fields__]
    elif not isinstance(value, (list, tuple, set)):
        return []
    return [tensor for item in value for tensor in _tensors_in(item)]


def _group_given(process_group, device_mesh):
    if device_mesh is None:
        return process_group
    if process_group is not None:
        raise RuntimeError("Cannot specify both process_group and device_mesh arguments.")
    if device_mesh.ndim != 1:
        raise RuntimeError(f"Only 1D device mesh is supported, but got {device_mesh}.")
    return device_mesh.get_group()


class _BufferCommHookLocation(Enum):
    PRE_FORWARD = 1
    POST_FORWARD = 2


class DistributedDataParallel(Module):
    """Trains a module in all processes of a group together: Li et al. 2020, arXiv:2006.15704.

    Parameters and buffers start as rank 0's. Forward is the module's own; backward leaves in every `.grad`
    the average over the processes, equal to training in one process on the joined batch (where the loss is a
    mean and all batches have one size). Gradients are reduced in buckets, in the order in which backward
    makes them, while it goes on.

    bucket_cap_mb            size of a bucket in MiB; unless given a tenth of the gradients, from 1 to 25, so
                             that most of the reduction has begun when backward ends
    find_unused_parameters   looks through each graph for parameters that get no gradient: none is waited for
    gradient_as_bucket_view  gradients live in the buckets: no copies, and no memory beside them
    static_graph             as find_unused_parameters, and refuses passes that use others than the first did
    broadcast_buffers        buffers become rank 0's before each training pass; False: not at the start either
    forward_sync_buffers     as broadcast_buffers, but at the start they become rank 0's always
    init_sync                False: parameters and buffers are taken to be equal on all ranks
    device_mesh              instead of process_group: a mesh of one dimension
    delay_all_reduce_named_params, param_to_hook_all_reduce
                             parameters with their names, whose gradients are averaged at the end of backward
                             passes that reach the second

    device_ids and output_device are accepted for PyTorch's sake; they must be empty on the CPU.
    batched_grad_copy, lazy_bucket_allocation, check_reduction and skip_all_reduce_unused_params, which change
    no result, are accepted.
    """

    def __init__(
        self,
        module,
        device_ids=None,
        output_device=None,
        dim=0,
        broadcast_buffers=None,
        init_sync=True,
        process_group=None,
        bucket_cap_mb=None,
        find_unused_parameters=False,
        check_reduction=False,
        gradient_as_bucket_view=False,
        static_graph=False,
        delay_all_reduce_named_params=None,
        param_to_hook_all_reduce=None,
        mixed_precision=None,
        device_mesh=None,
        skip_all_reduce_unused_params=False,
        batched_grad_copy=False,
        forward_sync_buffers=None,
        lazy_bucket_allocation=False,
    ):
        super().__init__()
        if mixed_precision is not None:
            raise _C.NotImplementedError("DistributedDataParallel: mixed_precision is not supported")
        if (delay_all_reduce_named_params is None) != (param_to_hook_all_reduce is None):
            raise ValueError(
                "delay_all_reduce_named_params and param_to_hook_all_reduce need to be set at the same time."
            )
        if device_ids or output_device is not None:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with single-device "
                f"GPU modules, but got device_ids {device_ids}, output_device {output_device}"
            )
        self.process_group = _group_of(_group_given(process_group, device_mesh))
        delayed = dict(delay_all_reduce_named_params or ())
        self.parameters_to_ignore = {*getattr(module, "_ddp_params_and_buffers_to_ignore", ()), *delayed}
        self.module, self.dim, self._join = module, dim, None
        trained = self._trained()
        if not trained and not delayed:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that "
                "requires a gradient."
            )
        self.device_ids, self.output_device = None, None
        self.device = next(iter([*trained.values(), *delayed.values()])).device
        starts_equal = broadcast_buffers is not False or forward_sync_buffers is not None
        self.forward_sync_buffers = forward_sync_buffers if forward_sync_buffers is not None else starts_equal
        self.require_backward_grad_sync = True
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.bucket_bytes_cap = int((25 if bucket_cap_mb is None else bucket_cap_mb) * 1024 * 1024)
        self._bucket_cap_mb, self._passes, self._buffer_hook = bucket_cap_mb or 0, 0, None
        if init_sync:
            self._send_state(starts_equal)
        self._make_reducer()
        if delayed:
            self._delay(list(delayed.values()), param_to_hook_all_reduce)

    def _trained(self):
        """By name: the parameters whose gradients are reduced."""
        return {
            name: parameter
            for name, parameter in self.module.named_parameters()
            if parameter.requires_grad and name not in self.parameters_to_ignore
        }

    def _send_state(self, with_buffers):
        ignored = self.parameters_to_ignore
        tensors = [p for name, p in self.module.named_parameters() if name not in ignored]
        with no_grad():
            _C._distributed._broadcast_tensors(
                self.process_group,
                tensors + (list(self._buffers_to_send().values()) if with_buffers else []),
                0,
            )

    def _buffers_to_send(self):
        """By name; modules may replace their buffers."""
        ignored = self.parameters_to_ignore
        return {name: b for name, b in self.module.named_buffers() if name not in ignored}

    @property
    def broadcast_buffers(self):
        """forward_sync_buffers, by its older name."""
        return self.forward_sync_buffers

    @broadcast_buffers.setter
    def broadcast_buffers(self, value):
        self.forward_sync_buffers = value

    def _delay(self, parameters, last):
        from ..distributed import ReduceOp

        def reduce():
            gradients = [p.grad for p in parameters if p.grad is not None]
            works = [self.process_group._all_reduce(dx, ReduceOp.AVG, True) for dx in gradients]
            for work in works:
                work.wait()

        def begin(_):
            # Which gradients are there by now depends on the order of the graph; at the end all are.
            if self.require_backward_grad_sync:
                _C._queue_callback(reduce)

        last.register_post_accumulate_grad_hook(begin)

    def _make_reducer(self):
        trained = self._trained()
        self.reducer = None
        if not trained:
            return
        self.reducer = _C._distributed.GradientReducer(
            list(trained.values()),
            self.process_group,
            self._bucket_cap_mb,
            self.find_unused_parameters,
            self.gradient_as_bucket_view,
            self.static_graph,
        )
        self.reducer.set_names(list(trained))

    def __getstate__(self):
        if self.process_group is not _C._distributed._default_group():
            raise RuntimeError(
                "DDP Pickling/Unpickling are only supported when using DDP with the default process group"
            )
        left_out = ("process_group", "reducer")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.process_group = _C._distributed._default_group()
        self._make_reducer()

    def forward(self, *inputs, **kwargs):
        """What the wrapped module gives."""
        reduces = _C.is_grad_enabled() and self.require_backward_grad_sync
        divisor = None
        if self._join is not None and _C.is_grad_enabled():
            divisor = self._join.notify_join_context(self)
        self._passes += bool(reduces)
        syncs = reduces and self.training and self.forward_sync_buffers
        if syncs:
            self._sync_buffers(_BufferCommHookLocation.PRE_FORWARD)
        output = self.module(*inputs, **kwargs)
        if syncs:
            self._sync_buffers(_BufferCommHookLocation.POST_FORWARD)
        if divisor is not None:
            # Gradients are divided by the number of all processes.
            scale = self.process_group.size() / divisor
            for tensor in _tensors_in(output):
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: gradient * scale)
        if self.reducer is None:
            return output
        if reduces:
            self.reducer.prepare(
                _tensors_in(output) if self.find_unused_parameters or self.static_graph else []
            )
        elif _C.is_grad_enabled():
            self.reducer.skip()
        return output

    def _sync_buffers(self, place):
        """Buffers become rank 0's before forward, or what the hook of this place makes of them."""
        state, hook, where = self._buffer_hook or (None, None, _BufferCommHookLocation.PRE_FORWARD)
        buffers = self._buffers_to_send() if place is where else None
        if not buffers:
            return
        if hook is None:
            _C._distributed._broadcast_tensors(self.process_group, list(buffers.values()), 0)
            return
        for future in hook(state, buffers) or ():
            future.wait()

    def _register_buffer_comm_hook(
        self, state, hook, comm_hook_location=_BufferCommHookLocation.POST_FORWARD
    ):
        """Instead of sending rank 0's buffers, hook(state, buffers by name) makes them equal, and returns
        None or a list of futures to wait for."""
        self._buffer_hook = state, hook, comm_hook_location

    @contextmanager
    def no_sync(self):
        """Within it, backward only accumulates gradients in this process; the next one outside reduces
        all."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(self, divide_by_initial_world_size=True, enable=True, throw_on_early_termination=False):
        """Within it, processes may have different numbers of batches: see
        taper.distributed.algorithms.join.Join. At its end all have the same model."""
        from ..distributed.algorithms.join import Join

        options = {"divide_by_initial_world_size": divide_by_initial_world_size}
        with Join([self], enable, throw_on_early_termination, **options):
            yield

    def join_hook(self, **kwargs):
        """What a process without data does: see taper.distributed.algorithms.join.Join."""
        from ..distributed.algorithms.join import DataParallelJoinHook

        return DataParallelJoinHook(self)

    @property
    def join_process_group(self):
        """The group of this module's collectives."""
        from ..distributed.algorithms.join import Join

        # From now on forward asks whether it is within a Join.
        self._join = Join
        return self.process_group

    def register_comm_hook(self, state, hook):
        """Reduces by hook(state, bucket), which returns a taper.futures.Future of the averaged bucket: see
        taper.distributed.algorithms.ddp_comm_hooks.default_hooks."""
        from ..distributed import GradBucket

        if not callable(hook):
            raise TypeError("Communication hook must be callable.")

        def begin(*fields):
            future = hook(state, GradBucket(*fields))

            def finish():
                result = future.wait()
                return result[0] if isinstance(result, (list, tuple)) else result

            return finish

        self.reducer.set_hook(begin)

    def _set_static_graph(self):
        """static_graph=True, after the fact: before the first forward pass and register_comm_hook()."""
        if self._passes:
            raise RuntimeError("_set_static_graph() should be called before training loop starts")
        self.static_graph = True
        self._make_reducer()

    @staticmethod
    def _get_data_parallel_params(module, named_params=False):
        """The parameters that DistributedDataParallel does not leave alone."""
        inner = module.module if isinstance(module, DistributedDataParallel) else module
        ignored = getattr(inner, "_ddp_params_and_buffers_to_ignore", ())
        for name, parameter in inner.named_parameters():
            if name not in ignored:
                yield (name, parameter) if named_params else parameter

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(module, params_and_buffers_to_ignore):
        """Names of parameters and buffers of the module that are to stay each process's own."""
        module._ddp_params_and_buffers_to_ignore = params_and_buffers_to_ignore

    def _register_builtin_comm_hook(self, comm_hook_type):
        from ..distributed.algorithms.ddp_comm_hooks import default_hooks

        name = getattr(comm_hook_type, "name", str(comm_hook_type)).lower()
        hooks = {"allreduce": "allreduce_hook", "fp16_compress": "fp16_compress_hook"}
        if name not in hooks:
            raise ValueError(f"DistributedDataParallel: there is no hook {name!r}, only {sorted(hooks)}")
        self.register_comm_hook(None, getattr(default_hooks, hooks[name]))


class _SyncBatchNorm(Function):
    """Batch normalization with mean and variance over the batches of all ranks of a group."""

    @staticmethod
    def forward(ctx, input, weight, bias, running_mean, running_var, eps, momentum, group):
        from ..distributed import all_gather_into_tensor

        dims = [0, *range(2, input.ndim)]
        shape = [1, -1] + [1] * (input.ndim - 2)
        wide = input.float() if input.dtype in (_C.float16, _C.bfloat16) else input
        count = input.numel() // input.shape[1]
        if count:
            mean = wide.mean(dims)
            own = [mean, (wide - mean.reshape(shape)).square().mean(dims)]
        else:
            own = [wide.new_zeros(input.shape[1]), wide.new_zeros(input.shape[1])]
        channels = input.shape[1]
        packed = _C._homes["taper"]["cat"]([*own, wide.new_full((1,), float(count))])
        gathered = packed.new_empty(group.size(), 2 * channels + 1)
        all_gather_into_tensor(gathered, packed, group)
        means, variances, counts = gathered[:, :channels], gathered[:, channels:-1], gathered[:, -1:]
        total = counts.sum()
        if total.item() <= 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {input.shape}"
            )
        mean = (means * counts).sum(0) / total
        variance = ((variances + (means - mean).square()) * counts).sum(0) / total
        if running_mean is not None:
            running_mean.mul_(1 - momentum).add_(mean.to(running_mean.dtype), alpha=momentum)
            unbiased = variance * (total / (total - 1))
            running_var.mul_(1 - momentum).add_(unbiased.to(running_var.dtype), alpha=momentum)
        scale = (variance + eps).rsqrt()
        ctx.save_for_backward(input, weight, mean, scale, total)
        ctx.group = group
        normal = (wide - mean.reshape(shape)) * scale.reshape(shape)
        if weight is not None:
            normal = normal * weight.reshape(shape)
        if bias is not None:
            normal = normal + bias.reshape(shape)
        return normal.to(input.dtype)

    @staticmethod
    def backward(ctx, dy):
        from ..distributed import all_reduce

        input, weight, mean, scale, total = ctx.saved_tensors
        dims, shape = [0, *range(2, input.ndim)], [1, -1] + [1] * (input.ndim - 2)
        wide = dy.to(mean.dtype)
        normal = (input.to(mean.dtype) - mean.reshape(shape)) * scale.reshape(shape)
        sums = _C._homes["taper"]["stack"]([wide.sum(dims), (wide * normal).sum(dims)])
        own = sums.clone()
        all_reduce(sums, group=ctx.group)
        sums = sums / total
        dx = wide - sums[0].reshape(shape) - normal * sums[1].reshape(shape)
        dx = dx * (scale if weight is None else scale * weight).reshape(shape)
        if weight is None:
            return dx.to(input.dtype), None, None, None, None, None, None, None
        return (
            dx.to(input.dtype),
            own[1].to(weight.dtype),
            own[0].to(weight.dtype),
            None,
            None,
            None,
            None,
            None,
        )


class SyncBatchNorm(_BatchNorm):
    """Batch normalization over the batches of all processes of a group. Outside of training, and in a group
    of one, plain batch normalization."""

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check(self, input):
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    def forward(self, input):
        """input: [N, C, ...]; N may differ between processes."""
        self._check(input)
        initialized = _C._distributed.is_initialized()
        batch = self.training or (self.running_mean is None and self.running_var is None)
        if not batch or not initialized or _group_of(self.process_group).size() == 1:
            return super().forward(input)
        average = 0.0 if self.momentum is None else self.momentum
        tracks = self.training and self.track_running_stats
        if tracks:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                average = 1.0 / float(self.num_batches_tracked)
        return _SyncBatchNorm.apply(
            input,
            self.weight,
            self.bias,
            self.running_mean if tracks else None,
            self.running_var if tracks else None,
            self.eps,
            average,
            _group_of(self.process_group),
        )

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module with all its batch normalizations replaced by this kind, which share their
        parameters."""
        result = module
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            result = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
            )
            if module.affine:
                result.weight, result.bias = module.weight, module.bias
            result.running_mean, result.running_var = module.running_mean, module.running_var
            result.num_batches_tracked = module.num_batches_tracked
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result


__all__ = ["DistributedDataParallel", "SyncBatchNorm"]
