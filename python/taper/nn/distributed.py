"""DistributedDataParallel, and batch normalization over the batches of all processes."""

from contextlib import contextmanager

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
    static_graph             as find_unused_parameters
    broadcast_buffers        buffers become rank 0's before each training pass

    device_ids and output_device are accepted for PyTorch's sake; they must be empty on the CPU.
    """

    def __init__(
        self,
        module,
        device_ids=None,
        output_device=None,
        dim=0,
        broadcast_buffers=True,
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
    ):
        super().__init__()
        for name, value in (
            ("delay_all_reduce_named_params", delay_all_reduce_named_params),
            ("device_mesh", device_mesh),
            ("param_to_hook_all_reduce", param_to_hook_all_reduce),
            ("mixed_precision", mixed_precision),
        ):
            if value is not None:
                raise _C.NotImplementedError(f"DistributedDataParallel: {name} is not supported")
        if device_ids or output_device is not None:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with single-device "
                f"GPU modules, but got device_ids {device_ids}, output_device {output_device}"
            )
        ignored = getattr(module, "_ddp_params_and_buffers_to_ignore", ())
        named = [(name, p) for name, p in module.named_parameters() if name not in ignored]
        trained = [p for _, p in named if p.requires_grad]
        if not trained:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that "
                "requires a gradient."
            )
        self.module, self.dim, self._join = module, dim, None
        self.device_ids, self.output_device, self.device = None, None, trained[0].device
        self.process_group = _group_of(process_group)
        self.broadcast_buffers, self.require_backward_grad_sync = broadcast_buffers, True
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.bucket_bytes_cap = int((25 if bucket_cap_mb is None else bucket_cap_mb) * 1024 * 1024)
        self._buffers_to_send = [b for name, b in module.named_buffers() if name not in ignored]
        if init_sync:
            with no_grad():
                _C._distributed._broadcast_tensors(
                    self.process_group, [p for _, p in named] + self._buffers_to_send, 0
                )
        self._trained, self._bucket_cap_mb = trained, bucket_cap_mb or 0
        self._make_reducer()

    def _make_reducer(self):
        self.reducer = _C._distributed.GradientReducer(
            self._trained,
            self.process_group,
            self._bucket_cap_mb,
            self.find_unused_parameters,
            self.gradient_as_bucket_view,
            self.static_graph,
        )

    def forward(self, *inputs, **kwargs):
        """What the wrapped module gives."""
        reduces = _C.is_grad_enabled() and self.require_backward_grad_sync
        divisor = None
        if self._join is not None and _C.is_grad_enabled():
            divisor = self._join.notify_join_context(self)
        if reduces and self.training and self.broadcast_buffers and self._buffers_to_send:
            _C._distributed._broadcast_tensors(self.process_group, self._buffers_to_send, 0)
        output = self.module(*inputs, **kwargs)
        if divisor is not None:
            # Gradients are divided by the number of all processes.
            scale = self.process_group.size() / divisor
            for tensor in _tensors_in(output):
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: gradient * scale)
        if reduces:
            self.reducer.prepare(
                _tensors_in(output) if self.find_unused_parameters or self.static_graph else []
            )
        elif _C.is_grad_enabled():
            self.reducer.skip()
        return output

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
        self.static_graph = True
        self._make_reducer()

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
