"""How one module is divided among the ranks of a group: Shoeybi et al. 2019, arXiv:1909.08053."""

import types

from taper import _C, nn
from taper.nn import functional

from ..dtensor import DTensor, cuts_of
from ..parameter import distribute_parameter, local
from ..placement_types import Partial, Replicate, Shard
from ..redistribute import enter_divided, redistribute


class ParallelStyle:
    """What parallelize_module applies to a module. Modules compute with plain tensors of their part, and take
    DTensors as well; with use_local_output=False a divided layer's result is a DTensor."""

    src_data_rank = 0

    def _apply(self, module, device_mesh):
        raise NotImplementedError


def _divide(module, mesh, placements):
    """Cuts the parameters of module itself by name."""
    for name, placement in placements.items():
        if module._parameters.get(name) is not None:
            module._parameters[name] = distribute_parameter(module._parameters[name], mesh, placement)


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
            _divide(module, device_mesh, {"weight": Shard(0), "bias": Shard(0)})
            enter = lambda x: enter_divided(x, self.input_layout, group)
        elif isinstance(module, nn.Embedding):
            _divide(module, device_mesh, {"weight": Shard(1)})
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
        _divide(module, mesh, {"weight": Shard(1)})
        source = self.input_layout or Shard(-1)
        enter = lambda x: redistribute(x, source, Shard(-1), group)
        module.register_forward_pre_hook(_first_only(enter, source, mesh))
        # The bias counts once, so it comes after the sum.
        _compute_with_parts(module, _linear_without_bias)
        if module.bias is not None:
            partial = group if isinstance(self.output_layout, Shard) else None
            _replicate(module, "bias", mesh, partial)

        def finish(module, args, output):
            output = redistribute(output, Partial(), self.output_layout, group)
            output = output if module.bias is None else output + local(module.bias)
            return _result(output, self.output_layout, mesh, self.use_local_output)

        module.register_forward_hook(finish)

    def _divide_embedding(self, module, mesh, group):
        if module.max_norm is not None or module.padding_idx is not None:
            raise _C.NotImplementedError(
                "RowwiseParallel: supports no Embedding with max_norm or padding_idx"
            )
        _divide(module, mesh, {"weight": Shard(0)})
        ((_, cut),) = cuts_of(module.weight.shape, module.weight.placements, mesh)
        source = self.input_layout or Replicate()

        def forward(self, input):
            place = input - cut.start
            elsewhere = (place < 0) | (place >= cut.length)
            found = functional.embedding(place.masked_fill(elsewhere, 0), self.weight)
            return found.masked_fill(elsewhere.unsqueeze(-1), 0.0)

        def finish(module, args, output):
            output = redistribute(output, Partial(), self.output_layout, group)
            return _result(output, self.output_layout, mesh, self.use_local_output)

        enter = lambda x: redistribute(x, source, Replicate(), group)
        module.register_forward_pre_hook(_first_only(enter, source, mesh))
        _compute_with_parts(module, forward)
        module.register_forward_hook(finish)


def _replicate(module, name, mesh, partial_group):
    """A parameter that all ranks have. Where each computes with a part of the elements only, its gradient is
    the sum over ranks."""
    parameter = distribute_parameter(module._parameters[name], mesh, Replicate(), partial_group)
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
        self.sequence_dim = sequence_dim

    def _apply(self, module, device_mesh):
        for name, parameter in list(module._parameters.items()):
            if parameter is not None:
                _replicate(module, name, device_mesh, device_mesh.get_group())
        _compute_with_parts(module)
        layout = Shard(self.sequence_dim)
        module.register_forward_pre_hook(
            lambda module, args: tuple(_part(x, layout, device_mesh) for x in args)
        )
        return module


def _layouts(value):
    return value if isinstance(value, (tuple, list)) else (value,)


class PrepareModuleInput(ParallelStyle):
    """Changes how positional (and named) arguments lie: from input_layouts to desired_input_layouts; None for
    what is left alone."""

    def __init__(
        self,
        *,
        input_layouts=None,
        desired_input_layouts=None,
        input_kwarg_layouts=None,
        desired_input_kwarg_layouts=None,
        use_local_output=False,
    ):
        self.pairs = list(zip(_layouts(input_layouts), _layouts(desired_input_layouts), strict=True))
        self.named = {
            name: (source, (desired_input_kwarg_layouts or {})[name])
            for name, source in (input_kwarg_layouts or {}).items()
        }

    def _apply(self, module, device_mesh):
        group = device_mesh.get_group()

        def change(x, source, target):
            return x if source is None else redistribute(_part(x, source, device_mesh), source, target, group)

        def prepare(module, args, kwargs):
            changed = [change(x, *pair) for x, pair in zip(args, self.pairs)]
            named = {k: change(v, *self.named[k]) if k in self.named else v for k, v in kwargs.items()}
            return (*changed, *args[len(changed) :]), named

        module.register_forward_pre_hook(prepare, with_kwargs=True)
        return module


class PrepareModuleOutput(ParallelStyle):
    """Changes how results lie: from output_layouts to desired_output_layouts."""

    def __init__(self, *, output_layouts, desired_output_layouts, use_local_output=True):
        self.pairs = list(zip(_layouts(output_layouts), _layouts(desired_output_layouts), strict=True))
        self.use_local_output = use_local_output

    def _apply(self, module, device_mesh):
        group = device_mesh.get_group()

        def change(x, source, target):
            if source is None:
                return x
            x = redistribute(_part(x, source, device_mesh), source, target, group)
            return _result(x, target, device_mesh, self.use_local_output)

        def finish(module, args, output):
            values = _layouts(output)
            changed = [change(value, *pair) for value, pair in zip(values, self.pairs)]
            return tuple(changed) if isinstance(output, (tuple, list)) else changed[0]

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
        self.before = PrepareModuleInput(**inputs)
        self.after = PrepareModuleOutput(
            output_layouts=output_layouts,
            desired_output_layouts=desired_output_layouts,
            use_local_output=use_local_output,
        )

    def _apply(self, module, device_mesh):
        return self.after._apply(self.before._apply(module, device_mesh), device_mesh)
