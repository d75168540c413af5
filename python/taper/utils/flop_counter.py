"""Counts the floating point operations of matrix products, convolutions and attention."""

from collections import defaultdict
from math import prod

from .. import _C
from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from ..overrides import TorchFunctionMode


def _product(x, y, result):
    # Products with vectors are not counted, as in PyTorch.
    return 2 * result.numel() * x.shape[-1] if min(x.ndim, y.ndim) > 1 else 0


def _convolution(x, weight, result):
    return 2 * result.numel() * prod(weight.shape[1:])


def _transposed_convolution(x, weight, result):
    return 2 * x.numel() * prod(weight.shape[1:])


def _attention(query, key, value):
    return 2 * prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _count(name, args, result):
    """(the operands that get a gradient by as much work again, how many operations)."""
    if name in ("mm", "bmm", "matmul", "linear"):
        return args[:2], _product(*args[:2], result)
    if name in ("addmm", "baddbmm"):
        return args[1:3], _product(*args[1:3], result)
    if name in ("conv1d", "conv2d", "conv3d"):
        return args[:2], _convolution(*args[:2], result)
    if name in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
        return args[:2], _transposed_convolution(*args[:2], result)
    if name == "scaled_dot_product_attention":
        return args[:3], _attention(*args[:3])
    return (), 0


class FlopCounterMode(TorchFunctionMode):
    """While open, counts the operations of forward passes and of their backward passes, by module.

    mods            accepted for PyTorch's sake; modules are found when they are called
    depth           of the modules that get_table() shows
    display         whether the table is printed at the end
    custom_mapping  function of taper -> its number of operations, as f(*args, out_val=result, **kwargs)
    """

    def __init__(self, mods=None, depth=2, display=True, custom_mapping=None):
        self.depth, self.display = depth, display
        self._custom = dict(custom_mapping or {})
        self._names, self._open, self._hooks = {}, ["Global"], []
        self.flop_counts = defaultdict(lambda: defaultdict(int))

    def get_total_flops(self):
        """Of everything."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self):
        """By module ("Global" is all), then by operation."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth=None):
        """The counts as text."""
        depth = self.depth if depth is None else depth
        total = max(self.get_total_flops(), 1)
        rows = []
        for module, counts in self.flop_counts.items():
            if module.count(".") < depth:
                flops = sum(counts.values())
                rows.append(f"{module:40} {flops:16,} {100 * flops / total:6.2f} %")
                rows.extend(f"  - {name:36} {count:16,}" for name, count in counts.items())
        return "\n".join(rows)

    def __enter__(self):
        self.flop_counts.clear()
        self.flop_counts["Global"]  # there even where nothing is counted
        self._hooks = [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ]
        return super().__enter__()

    def __exit__(self, *exception):
        super().__exit__(*exception)
        for hook in self._hooks:
            hook.remove()
        self._open = ["Global"]
        if self.display:
            print(self.get_table())

    def _enter_module(self, module, args):
        name = self._names.setdefault(module, type(module).__name__)
        for child_name, child in module.named_children():
            self._names.setdefault(child, f"{name}.{child_name}")
        self._open.append(name)

    def _leave_module(self, module, args, result):
        self._open.pop()

    def _add(self, modules, name, flops):
        for module in set(modules):
            self.flop_counts[module][name] += flops

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in self._custom:
            self._add(self._open, func.__name__, self._custom[func](*args, out_val=result, **kwargs))
            return result
        name = getattr(func, "__name__", "")
        operands, flops = _count(name, args, result)
        if not flops:
            return result
        modules = list(self._open)
        self._add(modules, name, flops)
        if _C.is_grad_enabled() and result.requires_grad:
            again = sum(x.requires_grad for x in operands) * flops
            if name == "scaled_dot_product_attention":
                again = 5 * flops // 2  # five products, where forward has two (Dao 2023, algorithm 2)
            result.register_hook(lambda gradient: self._add(modules, name + "_backward", again))
        return result
