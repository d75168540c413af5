"""Batch normalization over the batches of all processes."""

from .. import _C
from ..autograd import Function
from .distributed import _group_of
from .normalization import _BatchNorm


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
        if not self.training or not initialized or _group_of(self.process_group).size() == 1:
            return super().forward(input)
        average = 0.0 if self.momentum is None else self.momentum
        tracks = self.track_running_stats
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


__all__ = ["SyncBatchNorm"]
