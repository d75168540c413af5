"""Tensors that stand for one example of a batch: what vmap's function computes with, for all at once.

A Batched looks like one example (shape, dtype) and holds all of them in _value, along its first dimension.
Operations come here by __torch_function__. One without a rule, and whatever needs the numbers, raises
NotBatched: vmap then calls the function once for each example.
"""

import operator

from .. import _C
from .._C import Tensor

_ops = _C._homes["taper"]


class NotBatched(Exception):
    """There is no rule for what was asked of a batch."""


class Batched(Tensor):
    """One example of the batch _value, of the vmap call number _level."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        own = [x for x in _flat(args, kwargs) if type(x) is Batched]
        rule = _rules.get(func.__name__)
        if not own or rule is None:
            raise NotBatched(func.__name__)
        return rule(_dispatching(func), max(x._level for x in own), list(args), dict(kwargs))

    device = property(lambda self: self._value.device)
    requires_grad = property(lambda self: self._value.requires_grad)
    grad_fn = property(lambda self: self._value.grad_fn)
    is_leaf = property(lambda self: self._value.is_leaf)
    T = property(lambda self: self.permute(*range(self.ndim)[::-1]))
    mT = property(lambda self: self.transpose(-2, -1))

    def __iter__(self):
        return iter(self.unbind(0))

    def detach(self):
        """The batch outside of the graph."""
        return batched(self._value.detach(), self._level)

    def requires_grad_(self, requires_grad=True):
        """Whether the batch wants gradients."""
        self._value.requires_grad_(requires_grad)
        return self


def _dispatching(func):
    """func, which notices batches of outer vmap calls among its arguments also where it is a plain method."""
    if not isinstance(func, _PLAIN):
        return func
    name = func.__name__

    def call(*args, **kwargs):
        plain = name.strip("_")
        if name.startswith("__r") and hasattr(operator, f"__{plain[1:]}__"):
            return getattr(operator, f"__{plain[1:]}__")(args[1], args[0])
        if name.startswith("__") and hasattr(operator, name):
            return getattr(operator, name)(*args)
        return getattr(args[0], name)(*args[1:], **kwargs)

    call.__name__ = name
    return call


_PLAIN = (type(Tensor.__add__), type(_dispatching))


def _refuse(name):
    def refused(self, *args, **kwargs):
        raise NotBatched(name)

    return refused


_KNOWN = set(
    """shape dtype device ndim itemsize size dim ndimension numel nelement element_size is_floating_point
    is_complex is_signed layout __dict__ __class__ __weakref__ __doc__ __torch_function__
    __init_subclass__ __new__ __hash__ __init__ __getattribute__ __setattr__ __delattr__ __dir__
    __repr__ __str__ __len__ __reduce__ __subclasshook__ __sizeof__ __format__ __getstate__ __ne__
    __eq__ __lt__ __le__ __gt__ __ge__""".split()
)
# Everything else that reads an example without passing by __torch_function__.
for _name, _member in list(vars(Tensor).items()):
    if _name in _KNOWN or _name in vars(Batched) or type(_member).__name__ == "method":
        continue
    if type(_member).__name__ == "getset_descriptor" or isinstance(_member, property):
        setattr(Batched, _name, property(_refuse(_name)))
    elif type(_member).__name__ == "method_descriptor":
        setattr(Batched, _name, _refuse(_name))
for _name in "__bool__ __int__ __float__ __index__ __array__ __dlpack__ __contains__ __deepcopy__".split():
    setattr(Batched, _name, _refuse(_name))


def batched(value, level):
    """value, a batch in its first dimension, as one example of it."""
    # Without elements, so that nothing takes those of one example for those of all.
    example = _ops["empty"](value.shape[1:], dtype=value.dtype, device="meta")
    result = _C._as_subclass(example, Batched)
    result._value, result._level = value, level
    return result


# The vmap calls under way, outermost first: (level, how many examples).
running = []


def fresh(x):
    """x as a batch of the innermost vmap call: derivatives with respect to it are those of each example."""
    level, size = running[-1]
    if type(x) is Batched and x._level == level:
        return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
    spread = x.unsqueeze(0).expand(size, *x.shape)
    return batched(spread if x.requires_grad else spread.detach().requires_grad_(), level)


def gradients(compute, outputs, inputs, starts):
    """compute(outputs, inputs, starts) for batches, of which each example depends on its own input only."""
    level = max(x._level for x in (*outputs, *inputs) if type(x) is Batched)
    if not all(_own(x, level) for x in inputs):
        raise NotBatched("grad")
    size = dict(running)[level]
    values = [_all_batched(y, level, size) for y in outputs]
    if starts:
        starts = [_all_batched(start, level, size) for start in starts]
    else:
        starts = [_ops["ones_like"](y) for y in values]
    return [batched(g, level) for g in compute(values, [x._value for x in inputs], starts)]


def _flat(args, kwargs):
    for value in (*args, *kwargs.values()):
        if isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value


def _own(x, level):
    return type(x) is Batched and x._level == level


def _wrapped(result, level):
    if isinstance(result, Tensor):
        return batched(result, level)
    parts = [batched(part, level) for part in result]
    return type(result)(parts)


def _lifted(x, level, rank):
    """The values of x, where it is a batch, with dimensions of one inserted: examples get rank dimensions."""
    if not _own(x, level):
        return x
    value, missing = x._value, rank - x.ndim
    return value.reshape(value.shape[0], *(1,) * missing, *value.shape[1:]) if missing > 0 else value


def _all_batched(x, level, size):
    return x._value if _own(x, level) else x.unsqueeze(0).expand(size, *x.shape)


def _size(args, kwargs, level):
    return next(x._value.shape[0] for x in _flat(args, kwargs) if _own(x, level))


def _elementwise(func, level, args, kwargs):
    if any(isinstance(x, (list, tuple)) for x in args):
        raise NotBatched(func.__name__)
    rank = max(x.ndim for x in _flat(args, kwargs) if isinstance(x, Tensor))
    args = [_lifted(x, level, rank) for x in args]
    return batched(func(*args, **{key: _lifted(x, level, rank) for key, x in kwargs.items()}), level)


def _inplace(func, level, args, kwargs):
    target = args[0]
    rank = max(x.ndim for x in _flat(args, kwargs) if isinstance(x, Tensor))
    if not _own(target, level) or target.ndim < rank or target._value.is_leaf and target._value.requires_grad:
        raise NotBatched(func.__name__)
    func(*(_lifted(x, level, rank) for x in args), **{k: _lifted(x, level, rank) for k, x in kwargs.items()})
    return target


def _shifted(dim, ndim):
    """A dimension of an example as one of the batch."""
    if type(dim) is not int or not -ndim <= dim < ndim:
        raise NotBatched("dim")
    return dim + 1 if dim >= 0 else dim


def _value_of(func, x, level):
    if not _own(x, level):
        raise NotBatched(func.__name__)
    return x._value


def _by_dim(place, default, further=0):
    """The rule of an operation with a dimension at this place; further: how many more the result has."""

    def rule(func, level, args, kwargs):
        value, ndim = _value_of(func, args[0], level), args[0].ndim + further
        given = args[place] if len(args) > place else kwargs.get("dim", kwargs.get("axis", default))
        dim = _shifted(given, ndim)
        if len(args) > place:
            args[place] = dim
        else:
            kwargs.pop("axis", None)
            kwargs["dim"] = dim
        if any(type(x) is Batched for x in _flat(args[1:], kwargs)):
            raise NotBatched(func.__name__)
        return _wrapped(func(value, *args[1:], **kwargs), level)

    return rule


def _reduction(func, level, args, kwargs):
    x, value = args[0], _value_of(func, args[0], level)
    if len(args) > 1 and "dim" not in kwargs:
        kwargs["dim"] = args.pop(1)
    if "axis" in kwargs:
        kwargs["dim"] = kwargs.pop("axis")
    if len(args) > 1 or type(kwargs.get("dim")) is bool or isinstance(kwargs.get("dim"), Tensor):
        raise NotBatched(func.__name__)
    dim = kwargs.pop("dim", None)
    if dim is not None and dim != ():
        dims = [_shifted(d, x.ndim) for d in dim] if isinstance(dim, (list, tuple)) else _shifted(dim, x.ndim)
        return _wrapped(func(value, dims, **kwargs), level)
    if kwargs.pop("keepdim", False):
        raise NotBatched(func.__name__)
    flat = value.flatten(1) if x.ndim > 1 else value.unsqueeze(1) if x.ndim == 0 else value
    if func.__name__ in ("max", "min"):
        return batched(getattr(flat, "a" + func.__name__)(1), level)
    return batched(func(flat, 1, **kwargs), level)


def _norm(func, level, args, kwargs):
    if len(args) > 1 or kwargs:
        raise NotBatched(func.__name__)
    value = _value_of(func, args[0], level)
    return batched(value.reshape(value.shape[0], -1).norm(2, 1), level)


def _sizes(args):
    sizes = args[1:]
    return list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else sizes


def _view(func, level, args, kwargs):
    value = _value_of(func, args[0], level)
    sizes = (
        list(args[1].shape)
        if func.__name__.endswith("_as")
        else _sizes(args) or list(kwargs.pop("shape", ()))
    )
    if kwargs or any(type(size) is not int for size in sizes):
        raise NotBatched(func.__name__)
    return batched(value.reshape(value.shape[0], *sizes), level)


def _expand(func, level, args, kwargs):
    sizes = list(args[1].shape) if func.__name__ == "expand_as" else _sizes(args)
    value = _lifted(args[0], level, len(sizes)) if _own(args[0], level) else None
    if value is None or kwargs:
        raise NotBatched(func.__name__)
    return batched(value.expand(value.shape[0], *sizes), level)


def _permute(func, level, args, kwargs):
    value, ndim = _value_of(func, args[0], level), args[0].ndim
    dims = [_shifted(d, ndim) for d in _sizes(args) or kwargs["dims"]]
    return batched(value.permute(0, *(d % (ndim + 1) for d in dims)), level)


def _transpose(func, level, args, kwargs):
    if kwargs or len(args) != 3:
        raise NotBatched(func.__name__)
    ndim = args[0].ndim
    return batched(_value_of(func, args[0], level).transpose(*(_shifted(d, ndim) for d in args[1:])), level)


def _t(func, level, args, kwargs):
    value = _value_of(func, args[0], level)
    return batched(value.transpose(1, 2) if args[0].ndim == 2 else value, level)


def _flatten(func, level, args, kwargs):
    value, ndim = _value_of(func, args[0], level), args[0].ndim
    start, end = ([*args[1:], *kwargs.values()] + [0, -1][len(args) - 1 + len(kwargs) :])[:2]
    if kwargs and set(kwargs) != {"start_dim"} or ndim == 0:
        raise NotBatched(func.__name__)
    return batched(value.flatten(_shifted(start, ndim), _shifted(end, ndim)), level)


def _squeeze(func, level, args, kwargs):
    x, value = args[0], _value_of(func, args[0], level)
    if len(args) == 1 and not kwargs:
        return batched(value.reshape(value.shape[0], *(size for size in x.shape if size != 1)), level)
    return _by_dim(1, None)(func, level, args, kwargs)


def _joined(func, level, args, kwargs):
    tensors = args[0]
    dim = args[1] if len(args) > 1 else kwargs.get("dim", 0)
    size, stacking = _size(args, kwargs, level), func.__name__ == "stack"
    values = [_all_batched(x, level, size) for x in tensors]
    return batched(_ops[func.__name__](values, _shifted(dim, tensors[0].ndim + stacking)), level)


def _getitem(func, level, args, kwargs):
    x, key = args
    key = key if isinstance(key, tuple) else (key,)
    tensors = [k for k in key if isinstance(k, Tensor)]
    if any(isinstance(k, list) or k is True or k is False for k in key):
        raise NotBatched(func.__name__)
    if not tensors:
        return batched(_value_of(func, x, level)[(slice(None), *key)], level)
    # Positions for each dimension from the first on: they broadcast, and the batch is in front of the result.
    if not all(isinstance(k, Tensor) and k.dtype in _POSITIONS or type(k) is int for k in key):
        raise NotBatched(func.__name__)
    rank = max(k.ndim for k in tensors)
    places = [_lifted(k, level, rank) for k in key]
    if _own(x, level):
        size = x._value.shape[0]
        rows = _ops["arange"](size, device=x.device).view(size, *(1,) * rank)
        return batched(x._value[(rows, *places)], level)
    return batched(x[tuple(places)], level)


_POSITIONS = (_C.int64, _C.int32, _C.int16, _C.int8)


def _matmul(func, level, args, kwargs):
    a, b = args if len(args) == 2 and not kwargs else (None, None)
    wanted = {"mm": (2, 2), "mv": (2, 1), "dot": (1, 1), "bmm": (3, 3)}.get(func.__name__)
    if a is None or a.ndim == 0 or b.ndim == 0 or wanted not in (None, (a.ndim, b.ndim)):
        raise NotBatched(func.__name__)
    if func.__name__ == "__rmatmul__":
        a, b = b, a
    rows = a.unsqueeze(0) if a.ndim == 1 else a
    columns = b.unsqueeze(1) if b.ndim == 1 else b
    rank = max(rows.ndim, columns.ndim)
    result = batched(_lifted(rows, level, rank) @ _lifted(columns, level, rank), level)
    result = result.squeeze(-2) if a.ndim == 1 else result
    return result.squeeze(-1) if b.ndim == 1 else result


def _linear(func, level, args, kwargs):
    x, weight, bias = ([*args, *kwargs.values()] + [None])[:3]
    if _own(x, level) and not any(type(p) is Batched for p in (weight, bias)):
        return batched(func(x._value, weight, bias), level)
    result = _matmul(func, level, [x, weight.t()], {})
    return result if bias is None else result + bias


def _dropout(func, level, args, kwargs):
    training = args[2] if len(args) > 2 else kwargs.get("training", True)
    if training:
        raise NotBatched(func.__name__)
    return args[0]


def _layer_norm(func, level, args, kwargs):
    names = ("input", "normalized_shape", "weight", "bias", "eps")
    given = {**dict(zip(names, args)), **kwargs}
    x, weight, bias = given["input"], given.get("weight"), given.get("bias")
    value = _value_of(func, x, level)
    result = batched(func(value, given["normalized_shape"], eps=given.get("eps", 1e-5)), level)
    result = result if weight is None else result * weight
    return result if bias is None else result + bias


def _embedding(func, level, args, kwargs):
    if not _own(args[0], level) or type(args[1]) is Batched:
        raise NotBatched(func.__name__)
    return batched(func(args[0]._value, *args[1:], **kwargs), level)


def _gather(func, level, args, kwargs):
    x, dim, index = args[:3] if len(args) == 3 and not kwargs else (None, None, None)
    if x is None or x.ndim == 0:
        raise NotBatched(func.__name__)
    size = _size(args, kwargs, level)
    values, places = _all_batched(x, level, size), _all_batched(index, level, size)
    return batched(values.gather(_shifted(dim, x.ndim), places), level)


def _cross_entropy(func, level, args, kwargs):
    x, target = args[:2]
    reduction = kwargs.pop("reduction", "mean")
    plain = len(args) == 2 and not kwargs and not target.is_floating_point() and x.ndim <= 2
    if not plain or reduction not in ("mean", "sum", "none"):
        raise NotBatched(func.__name__)
    values = target._value if type(target) is Batched else target
    if type(values) is Batched or bool((values < 0).any()):
        raise NotBatched(func.__name__)  # ignored classes change the mean
    scores = x.log_softmax(-1) if func.__name__ == "cross_entropy" else x
    loss = -scores.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _loss(func, level, args, kwargs):
    """Losses of elements, of each example."""
    reduction = kwargs.pop("reduction", "mean")
    alike = len(args) == 2 and all(isinstance(x, Tensor) for x in args) and args[0].shape == args[1].shape
    if not alike or reduction not in ("mean", "sum", "none"):
        raise NotBatched(func.__name__)
    size = _size(args, kwargs, level)
    values = [_all_batched(x, level, size) for x in args]
    options = {key: _lifted(x, level, args[0].ndim) for key, x in kwargs.items()}
    loss = batched(func(*values, reduction="none", **options), level)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _windows(spatial):
    """The rule of what works on images: the batch and the images' own first dimension become one."""

    def rule(func, level, args, kwargs):
        x, value = args[0], _value_of(func, args[0], level)
        if any(type(p) is Batched for p in _flat(args[1:], kwargs)) or x.ndim not in (
            spatial + 1,
            spatial + 2,
        ):
            raise NotBatched(func.__name__)
        if x.ndim == spatial + 1:
            return batched(func(value, *args[1:], **kwargs), level)
        result = func(value.flatten(0, 1), *args[1:], **kwargs)
        return batched(result.reshape(*value.shape[:2], *result.shape[1:]), level)

    return rule


_ELEMENTWISE = """abs absolute acos acosh add addcdiv addcmul angle arccos arcsin arctan asin asinh atan
    atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor ceil celu clamp clamp_max clamp_min clip
    clone contiguous copysign cos cosh digamma div divide elu eq erf erfc erfinv exp exp2 expm1
    float_power floor floor_divide fmod frac ge gelu greater greater_equal gt hardshrink hardsigmoid
    hardswish hardtanh hypot isfinite isinf isnan le leaky_relu lerp less less_equal lgamma log log10
    log1p log2 logaddexp logical_and logical_not logical_or logical_xor logit logsigmoid lt masked_fill
    maximum minimum mish mul multiply nan_to_num ne neg negative not_equal ones_like positive pow
    reciprocal relu relu6 remainder round rsqrt rsub selu sgn sigmoid sign silu sin sinc sinh softplus
    softshrink softsign sqrt square sub subtract tan tanh tanhshrink true_divide trunc where xlogy
    zeros_like __add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __floordiv__
    __mod__ __pow__ __rpow__ __neg__ __abs__ __invert__ __lt__ __le__ __gt__ __ge__ __eq__ __ne__
    __and__ __or__ __xor__ float double half bfloat16 int long bool type_as""".split()

_rules = dict.fromkeys(_ELEMENTWISE, _elementwise)
_rules.update(
    {f"{name}_": _inplace for name in "add sub mul div relu exp sigmoid tanh clamp copy fill zero".split()}
)
_rules.update(dict.fromkeys("__iadd__ __isub__ __imul__ __itruediv__".split(), _inplace))
_rules.update(
    dict.fromkeys(
        "sum mean prod amax amin max min all any argmax argmin std var logsumexp".split(), _reduction
    )
)
_rules.update({name: _by_dim(1, None) for name in "softmax log_softmax cumsum cumprod select narrow".split()})
_rules.update({name: _by_dim(1, -1) for name in "sort argsort".split()})
_rules.update({name: _by_dim(2, 0) for name in "split chunk".split()})
_rules.update(dict.fromkeys("view reshape view_as reshape_as".split(), _view))
_rules.update(dict.fromkeys("matmul mm mv dot bmm __matmul__ __rmatmul__".split(), _matmul))
_rules.update(dict.fromkeys("expand expand_as".split(), _expand))
_rules.update(dict.fromkeys("transpose swapaxes swapdims".split(), _transpose))
_rules.update(dict.fromkeys("cat stack".split(), _joined))
_rules.update(dict.fromkeys("cross_entropy nll_loss".split(), _cross_entropy))
_LOSSES = """binary_cross_entropy binary_cross_entropy_with_logits hinge_embedding_loss huber_loss kl_div
    l1_loss mse_loss poisson_nll_loss smooth_l1_loss soft_margin_loss""".split()
_rules.update(dict.fromkeys(_LOSSES, _loss))
for _spatial in (1, 2, 3):
    _rules[f"conv{_spatial}d"] = _rules[f"max_pool{_spatial}d"] = _windows(_spatial)
    _rules[f"avg_pool{_spatial}d"] = _rules[f"adaptive_avg_pool{_spatial}d"] = _windows(_spatial)
_rules.update(
    unbind=_by_dim(1, 0),
    unsqueeze=_by_dim(1, None, further=1),
    topk=_by_dim(2, -1),
    squeeze=_squeeze,
    permute=_permute,
    t=_t,
    flatten=_flatten,
    norm=_norm,
    linear=_linear,
    dropout=_dropout,
    layer_norm=_layer_norm,
    embedding=_embedding,
    gather=_gather,
    __getitem__=_getitem,
)
