"""The adaptive softmax: Grave et al. 2017, arXiv:1609.04309."""

import collections
import math

from .. import _C
from . import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

_ops = _C._homes["taper"]
_Output = collections.namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over n_classes that are sorted by falling frequency. The head holds the first cutoffs[0]
    classes and one entry for each cluster between cutoffs; the clusters' projections shrink by div_value
    each."""

    def __init__(
        self, in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, dtype=None
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        increasing = all(a < b for a, b in zip(cutoffs, cutoffs[1:]))
        if (
            not cutoffs
            or not increasing
            or any(c != int(c) for c in cutoffs)
            or cutoffs[0] <= 0
            or cutoffs[-1] > n_classes - 1
        ):
            raise _C.ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, "
                f"where each value is between 1 and n_classes-1; got {cutoffs}"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs, self.div_value, self.head_bias = [*cutoffs, n_classes], div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        made = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:])):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **made),
                    Linear(hidden, high - low, bias=False, **made),
                )
            )

    def reset_parameters(self):
        """Draws all weights anew."""
        self.head.reset_parameters()
        for into, out in self.tail:
            into.reset_parameters()
            out.reset_parameters()

    def forward(self, input, target):
        """(output, loss): the log-probability of each target, [N] of [N, in_features], and minus their
        mean."""
        batched = target.ndim == 1
        if target.ndim > 1 or input.ndim != target.ndim + 1:
            raise _C.ShapeError(
                "AdaptiveLogSoftmaxWithLoss: expected [N, in_features] and target [N], or [in_features] "
                f"and a 0-d target, got {list(input.shape)} and {list(target.shape)}"
            )
        x, y = (input, target) if batched else (input.unsqueeze(0), target.unsqueeze(0))
        if x.shape[0] != y.shape[0]:
            raise _C.ShapeError(
                "AdaptiveLogSoftmaxWithLoss: input and target should have the same size in the batch "
                f"dimension, got {list(input.shape)} and {list(target.shape)}"
            )
        if y.numel() and not (int(y.min()) >= 0 and int(y.max()) < self.n_classes):
            raise _C.IndexError(
                f"AdaptiveLogSoftmaxWithLoss: target values should be in [0, {self.n_classes - 1}], but "
                f"values in range [{int(y.min())}, {int(y.max())}] were found"
            )
        in_head = y.clone()
        output = x.new_zeros(x.shape[0])
        for i, (low, high) in enumerate(zip(self.cutoffs, self.cutoffs[1:])):
            rows = ((y >= low) & (y < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            probability = F.log_softmax(self.tail[i](x.index_select(0, rows)), 1)
            chosen = probability.gather(1, (y.index_select(0, rows) - low).unsqueeze(1)).squeeze(1)
            output = output.index_add(0, rows, chosen)
            in_head = in_head.index_fill(0, rows, self.shortlist_size + i)
        output = output + F.log_softmax(self.head(x), 1).gather(1, in_head.unsqueeze(1)).squeeze(1)
        return _Output(output if batched else output.squeeze(0), -output.mean())

    def log_prob(self, input):
        """Log-probabilities of all classes: [N, in_features] -> [N, n_classes]."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            parts.append(F.log_softmax(cluster(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return _ops["cat"](parts, 1)

    def predict(self, input):
        """The most probable class of each row."""
        best = self.head(input).argmax(1)
        outside = best >= self.shortlist_size
        if not bool(outside.any()):
            return best
        rows = outside.nonzero().squeeze(1)
        return best.index_copy(0, rows, self.log_prob(input.index_select(0, rows)).argmax(1))


class LinearCrossEntropyLoss(Module):
    """cross_entropy of a linear layer's output: input [N, in_features], target [N] of num_classes."""

    def __init__(
        self,
        in_features,
        num_classes,
        *,
        out_features=(),
        bias=False,
        device=None,
        dtype=None,
        reduction="mean",
        weight=None,
        ignore_index=None,
        label_smoothing=0.0,
        options=None,
    ):
        super().__init__()
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise _C.ShapeError(f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}")
        if not 0 <= label_smoothing <= 1:
            raise _C.ValueError(f"expected label_smoothing to be in range [0, 1], got {label_smoothing}")
        self.register_buffer("weight", weight)
        self.num_classes, self.out_features, self.reduction = num_classes, tuple(out_features), reduction
        self.ignore_index, self.label_smoothing, self.options = ignore_index, label_smoothing, options
        rows = math.prod(self.out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(self, input, target):
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self):
        linear = self.linear
        return (
            f"in_features={linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={linear.bias is not None}, reduction={self.reduction}, "
            f"ignore_index={self.ignore_index}, label_smoothing={self.label_smoothing}, "
            f"options={self.options}"
        )
