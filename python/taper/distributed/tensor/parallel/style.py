"""How one module is divided among the ranks of a group: Shoeybi et al. 2019, arXiv:1909.08053."""

import types

from taper import _C, nn
from taper.nn import functional

from ..dtensor import DTensor, cuts_of
from ..parameter import distribute_parameter, local
from ..placement_types import Partial, Replicate, Shard
from ..redistribute import enter_divided, redistribute


class ParallelStyle:
    """What parallelize_module applies to a module. Divided layers compute with plain tensors of their part,
    and take DTensors as well; with use_local_output=False their result is a DTensor.

    src_data_rank  of which group rank the parameters are; None: all ranks hold equal ones before
    """

    src_data_rank = 0

    def _apply(self, module, device_mesh):
        raise NotImplementedError


def _divide(module, mesh, placements, source):
    """Cuts the parameters of module itself by name."""
    for name, placement in placements.items():
        if module._parameters.get(name) is not None:
            parameter = module._parameters[name]
            module._parameters[name] = distribute_parameter(parameter, mesh, placement, source=source)


def _compute_with_parts(module, forward=None):
    """Lets forward(module, ...), that of its class unless given, see this rank's parts of the parameters."""
    forward = forward or type(module).forward

    def with_parts(self, *args, **kwargs):
        own = self.__dict__["_parameters"]
        self.__dict__["_parameters"] = {name: local(parameter) for name, parameter in own.items()}
        try:
            return forward(self, *args, **kwargs)
        finally:
            self.__dict__["_parameters"] = own

    object.__setattr__(module, "forward", types.MethodType(with_parts, module))


def _part(x, layout, mesh):
    """This rank's part of an argument: of a DTensor, or as it is."""
    return x.redistribute(mesh, [layout]).to_local() if isinstance(x, DTensor) else x


def _first_only(change, layout, mesh):
    """A hook that changes the first argument, which comes as layout says, or as a DTensor."""
    return lambda module, args: (change(_part(args[0], layout, mesh)), *args[1:])


def _result(x, layout, mesh, use_local_output):
    return x if use_local_output else DTensor.from_local(x, mesh, [layout])


def _refuse(style, module, allowed):
    raise _C.NotImplementedError(f"{style}: supports {allowed}, got {type(module).__name__}")


class ColwiseParallel(ParallelStyle):
    """Linear: each rank has some of the outputs. Embedding: some of the features.

    input_layouts   how the input comes (Replicate())
    output_layouts  how the output is to lie (Shard(-1): each rank has its outputs)
    """

    def __init__(self, *, input_layouts=None, output_layouts=None, use_local_output=True):
        self.input_layout, self.output_layout = input_layouts or Replicate(), output_layouts or Shard(-1)
        self.use_local_output = use_local_output

    def _apply(self, module, device_mesh):
        group = device_mesh.get_group()
        if isinstance(module, nn.Linear):
            _divide(module, device_mesh, {"weight": Shard(0), "bias": Shard(0)}, self.src_data_rank)
            enter = lambda x: enter_divided(x, self.input_layout, group)
        elif isinstance(module, nn.Embedding):
            _divide(module, device_mesh, {"weight": Shard(1)}, self.src_data_rank)
            enter = lambda x: redistribute(x, self.input_layout, Replicate(), group)
        else:
            _refuse("ColwiseParallel", module, "Linear and Embedding")
        _compute_with_parts(module)
        module.register_forward_pre_hook(_first_only(enter, self.input_layout, device_mesh))

        def finish(module, args, output):
            output = redistribute(output, Shard(-1), self.output_layout, group)
            return _result(output, self.output_layout, device_mesh, self.use_local_output)

        module.register_forward_hook(finish)
        return module


def _linear_without_bias(self, input):
    return functional.linear(input, self.weight)


class RowwiseParallel(ParallelStyle):
    """Linear: each rank has some of the inputs. Embedding: some of the words.

    input_layouts   how the input comes (Shard(-1); for Embedding Replicate())
    output_layouts  how the output is to lie (Replicate()): a sum over ranks, or with Shard(dim) its part
    """

    def __init__(self, *, input_layouts=None, output_layouts=None, use_local_output=True):
        self.input_layout, self.output_layout = input_layouts, output_layouts or Replicate()
        self.use_local_output = use_local_output

    def _apply(self, module, device_mesh):
        group = device_mesh.get_group()
        if isinstance(module, nn.Linear):
            self._divide_linear(module, device_mesh, group)
        elif isinstance(module, nn.Embedding):
            self._divide_embedding(module, device_mesh, group)
        else:
            _refuse("RowwiseParallel", module, "Linear and Embedding")
        return module

    def _divide_linear(self, module, mesh, group):
        _divide(module, mesh, {"weight": Shard(1)}, self.src_data_rank)
        source = self.input_layout or Shard(-1)
        enter = lambda x: redistribute(x, source, Shard(-1), group)
        module.register_forward_pre_hook(_first_only(enter, source, mesh))
        # The bias counts once, so it comes after the sum.
        _compute_with_parts(module, _linear_without_bias)
        if module.bias is not None:
            partial = group if isinstance(self.output_layout, Shard) else None
            _replicate(module, "bias", mesh, partial, self.src_data_rank)

        def finish(module, args, output):
            output = redistribute(output, Partial(), self.output_layout, group)
            output = output if module.bias is None else output + local(module.bias)
            return _result(output, self.output_layout, mesh, self.use_local_output)

        module.register_forward_hook(finish)

    def _divide_embedding(self, module, mesh, group):
        if module.max_norm is not None:
            raise _C.NotImplementedError("RowwiseParallel: supports no Embedding with max_norm")
        _divide(module, mesh, {"weight": Shard(0)}, self.src_data_rank)
        ((_, cut),) = cuts_of(module.weight.shape, module.weight.placements, mesh)
        source = self.input_layout or Replicate()
        padding = None if module.padding_idx is None else module.padding_idx - cut.start
        if padding is not None and not 0 <= padding < cut.length:
            padding = None

        def forward(self, input):
            place = input - cut.start
            elsewhere = (place < 0) | (place >= cut.length)
            found = functional.embedding(place.masked_fill(elsewhere, 0), self.weight, padding)
            return found.masked_fill(elsewhere.unsqueeze(-1), 0.0)

        def finish(module, args, output):
            output = redistribute(output, Partial(), self.output_layout, group)
            return _result(output, self.output_layout, mesh, self.use_local_output)

        enter = lambda x: redistribute(x, source, Replicate(), group)
        module.register_forward_pre_hook(_first_only(enter, source, mesh))
        _compute_with_parts(module, forward)
        module.register_forward_hook(finish)


def _replicate(module, name, mesh, partial_group, source):
    """A parameter that all ranks have. Where each computes with a part of the elements only, its gradient is
    the sum over ranks."""
    parameter = distribute_parameter(module._parameters[name], mesh, Replicate(), partial_group, source)
    module._parameters[name] = parameter
    if partial_group is not None:
        parameter.register_hook(_summed_over(partial_group))


def _summed_over(group):
    return lambda gradient: redistribute(gradient, Partial(), Replicate(), group)


class SequenceParallel(ParallelStyle):
    """LayerNorm, RMSNorm, Dropout and others that compute each position by itself: each rank has some of the
    positions, dimension sequence_dim (Korthikanti et al. 2022, arXiv:2205.05198). Parameters are whole on all
    ranks; their gradients are summed."""

    def __init__(self, *, sequence_dim=1, use_local_output=False):
        self.sequence_dim, self.use_local_output = sequence_dim, use_local_output

    def _apply(self, module, device_mesh):
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                _replicate(module, name, device_mesh, device_mesh.get_group(), self.src_data_rank)
        _compute_with_parts(module)
        layout = Shard(self.sequence_dim)
        module.register_forward_pre_hook(
            lambda module, args: tuple(_part(x, layout, device_mesh) for x in args)
        )
        module.register_forward_hook(
            lambda module, args, output: _result(output, layout, device_mesh, self.use_local_output)
        )
        return module


def _layouts(value):
    return value if isinstance(value, (tuple, list)) else (value,)


def _pairs(kind, given, desired):
    if desired is None:
        raise ValueError(f"desired_{kind}_layouts should not be None!")
    given, desired = _layouts(given), _layouts(desired)
    if len(given) != len(desired):
        raise ValueError(f"{kind}_layouts and desired_{kind}_layouts should have same length!")
    return list(zip(given, desired))


def _laid(kind, values, pairs, mesh, use_local):
    """Values that come as pairs say, as they are to lie."""
    if len(values) != len(pairs):
        raise ValueError(f"module {kind}s and {kind}_layouts should have same length!")
    group = mesh.get_group()

    def change(x, source, target):
        if source is None or not isinstance(x, _C.Tensor):
            return x
        target = source if target is None else target
        return _result(redistribute(_part(x, source, mesh), source, target, group), target, mesh, use_local)

    return [change(value, *pair) for value, pair in zip(values, pairs)]


class PrepareModuleInput(ParallelStyle):
    """Changes how positional (and named) arguments lie: from input_layouts to desired_input_layouts; None for
    what is left alone. They become DTensors, with use_local_output=True plain tensors of this rank's part.
    Raises ValueError in forward where there are more arguments, or fewer, than layouts."""

    def __init__(
        self,
        *,
        input_layouts=None,
        desired_input_layouts=None,
        input_kwarg_layouts=None,
        desired_input_kwarg_layouts=None,
        use_local_output=False,
    ):
        self.pairs = None if input_layouts is None else _pairs("input", input_layouts, desired_input_layouts)
        desired = desired_input_kwarg_layouts or {}
        self.named = {
            name: (source, desired.get(name)) for name, source in (input_kwarg_layouts or {}).items()
        }
        self.use_local_output = use_local_output

    def _apply(self, module, device_mesh):
        def prepare(module, args, kwargs):
            if self.pairs is not None:
                args = _laid("input", args, self.pairs, device_mesh, self.use_local_output)
            for name, pair in self.named.items():
                if name in kwargs:
                    (value,) = _laid("input", [kwargs[name]], [pair], device_mesh, self.use_local_output)
                    kwargs = {**kwargs, name: value}
            return tuple(args), kwargs

        module.register_forward_pre_hook(prepare, with_kwargs=True)
        return module


class PrepareModuleOutput(ParallelStyle):
    """Changes how results lie: from output_layouts to desired_output_layouts. Raises ValueError in forward
    where there are more results, or fewer, than layouts."""

    def __init__(self, *, output_layouts, desired_output_layouts, use_local_output=True):
        self.pairs = _pairs("output", output_layouts, desired_output_layouts)
        self.use_local_output = use_local_output

    def _apply(self, module, device_mesh):
        def finish(module, args, output):
            laid = _laid("output", _layouts(output), self.pairs, device_mesh, self.use_local_output)
            return tuple(laid) if isinstance(output, (tuple, list)) else laid[0]

        module.register_forward_hook(finish)
        return module


class PrepareModuleInputOutput(ParallelStyle):
    """PrepareModuleInput and PrepareModuleOutput in one."""

    def __init__(
        self,
        *,
        output_layouts,
        desired_output_layouts,
        use_local_input=False,
        use_local_output=True,
        **inputs,
    ):
        self.before = PrepareModuleInput(use_local_output=use_local_input, **inputs)
        self.after = PrepareModuleOutput(
            output_layouts=output_layouts,
            desired_output_layouts=desired_output_layouts,
            use_local_output=use_local_output,
        )

    def _apply(self, module, device_mesh):
        return self.after._apply(self.before._apply(module, device_mesh), device_mesh)
