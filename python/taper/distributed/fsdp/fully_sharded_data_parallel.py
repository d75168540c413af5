"""FullyShardedDataParallel: fully_shard as a wrapper around a module."""

import enum
from contextlib import contextmanager
from dataclasses import dataclass

import taper
from taper import _C
from taper._grad_mode import no_grad
from taper.nn.module import Module

from ..device_mesh import DeviceMesh
from ..job import _resolve, get_process_group_ranks
from . import wrap
from .fully_shard import fully_shard
from .memory import follow
from .policies import CPUOffloadPolicy, MixedPrecisionPolicy
from .state import states_of


class ShardingStrategy(enum.Enum):
    """FULL_SHARD: parameters, gradients and optimizer state (ZeRO stage 3). SHARD_GRAD_OP: parameters stay
    whole from forward to backward (stage 2). NO_SHARD: nothing is divided. HYBRID_SHARD and
    _HYBRID_SHARD_ZERO2 divide along the second dimension of a mesh, or in the first of two groups, and
    replicate along the other."""

    FULL_SHARD = 1
    SHARD_GRAD_OP = 2
    NO_SHARD = 3
    HYBRID_SHARD = 4
    _HYBRID_SHARD_ZERO2 = 5


class BackwardPrefetch(enum.Enum):
    """Accepted for PyTorch's sake: the next unit's parameters are always gathered ahead in backward."""

    BACKWARD_PRE = 1
    BACKWARD_POST = 2


class StateDictType(enum.Enum):
    """What state_dict() gives: whole parameters, or this rank's parts."""

    FULL_STATE_DICT = 1
    LOCAL_STATE_DICT = 2
    SHARDED_STATE_DICT = 3


@dataclass
class MixedPrecision:
    """Dtypes of parameters in forward and backward, of the averaging of gradients, and of buffers."""

    param_dtype: object = None
    reduce_dtype: object = None
    buffer_dtype: object = None
    keep_low_precision_grads: bool = False  # not supported: gradients are of the parameters' dtype
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True


@dataclass
class CPUOffload:
    """Whether parts of parameters on devices lie in main memory."""

    offload_params: bool = False


def _write_back(entry):
    """What was written to a whole parameter goes to this rank's part."""
    part, now = entry.shard._part, entry.cut.own(entry.full.detach())
    now = now.to(part.device)
    # The whole may be rounded to the dtype of computation: what nobody wrote keeps its digits.
    part.copy_(taper.where(now != part.to(now.dtype), now.to(part.dtype), part))


@dataclass
class StateDictConfig:
    """What state_dict() is to give. offload_to_cpu: whole tensors in main memory."""

    offload_to_cpu: bool = False


@dataclass
class OptimStateDictConfig(StateDictConfig):
    """The same of an optimizer's state."""

    offload_to_cpu: bool = True


@dataclass
class FullStateDictConfig(StateDictConfig):
    """rank0_only: whole parameters on rank 0, nothing on the others."""

    rank0_only: bool = False


@dataclass
class FullOptimStateDictConfig(OptimStateDictConfig):
    """rank0_only: the whole state on rank 0, nothing on the others."""

    rank0_only: bool = False


@dataclass
class ShardedStateDictConfig(StateDictConfig):
    """Each rank's parts."""


@dataclass
class ShardedOptimStateDictConfig(OptimStateDictConfig):
    """Each rank's parts."""


def _mesh_of(process_group, strategy, device_mesh, kind):
    if device_mesh is not None:
        return device_mesh
    if isinstance(process_group, tuple):  # (shard group, replicate group)
        shard, replicate = process_group
        return DeviceMesh.from_group([replicate, shard], kind, [get_process_group_ranks(shard)])
    group = _resolve(process_group)
    if group is None:
        raise ValueError("FullyShardedDataParallel: this process is not in the given process group")
    if strategy in (ShardingStrategy.HYBRID_SHARD, ShardingStrategy._HYBRID_SHARD_ZERO2):
        raise ValueError(
            "FullyShardedDataParallel: to divide within some ranks and replicate among others, give a "
            "device_mesh with two dimensions, or process_group=(shard group, replicate group)"
        )
    if strategy is ShardingStrategy.NO_SHARD:
        from ..job import new_group

        lonely = [new_group([rank]) for rank in get_process_group_ranks(group)][group.rank()]
        return DeviceMesh.from_group([group, lonely], kind, [get_process_group_ranks(lonely)])
    return DeviceMesh.from_group(group, kind, get_process_group_ranks(group))


def _device_of(module, device_id):
    """The device to compute on: the one named, else that of the first parameter with memory."""
    if device_id is not None:
        return _C.device("cuda", device_id) if isinstance(device_id, int) else _C.device(device_id)
    places = (parameter.device for parameter in module.parameters())
    return next((place for place in places if place.type != "meta"), _C.device("cpu"))


def _materialize(module, initialize, device):
    """Gives memory and values to the modules of `module` that have tensors on meta: by initialize(module),
    or their reset_parameters()."""
    for inner in module.modules():
        own = [*inner.parameters(recurse=False), *inner.buffers(recurse=False)]
        if not any(tensor.device.type == "meta" for tensor in own):
            continue
        if initialize is not None:
            initialize(inner)
        elif hasattr(inner, "reset_parameters"):
            inner.to_empty(device=device, recurse=False).reset_parameters()
        else:
            raise ValueError(
                f"FullyShardedDataParallel: {type(inner).__name__} has tensors on meta and no "
                "reset_parameters(); pass param_init_fn, which gives them memory and values"
            )


class FullyShardedDataParallel(Module):
    """Zhao et al. 2023, arXiv:2304.11277: fully_shard of the modules that auto_wrap_policy chooses, and of
    the whole. Parameters of the modules are this rank's parts outside of forward and backward.

    state_dict() gives whole parameters on all ranks, under the names of the wrapped module, unless
    state_dict_type() says otherwise.
    """

    def __init__(
        self,
        module,
        process_group=None,
        sharding_strategy=None,
        cpu_offload=None,
        auto_wrap_policy=None,
        backward_prefetch=BackwardPrefetch.BACKWARD_PRE,
        mixed_precision=None,
        ignored_modules=None,
        param_init_fn=None,
        device_id=None,
        sync_module_states=False,
        forward_prefetch=False,
        limit_all_gathers=True,
        use_orig_params=True,
        ignored_states=None,
        device_mesh=None,
    ):
        super().__init__()
        strategy = sharding_strategy or ShardingStrategy.FULL_SHARD
        device = _device_of(module, device_id)
        mesh = _mesh_of(process_group, strategy, device_mesh, device.type)
        self.module, self.sharding_strategy, self.process_group = (
            module,
            strategy,
            mesh.get_group(mesh.ndim - 1),
        )
        self._kind, self._config = StateDictType.FULL_STATE_DICT, FullStateDictConfig()
        _materialize(module, param_init_fn, device)
        if device_id is not None:
            module.to(device)
        if sync_module_states:
            with no_grad():
                tensors = [*module.parameters(), *module.buffers()]
                for group in reversed(mesh.get_all_groups()):
                    _C._distributed._broadcast_tensors(group, tensors, 0)
        ignored = {p for m in ignored_modules or () for p in m.parameters()} | set(ignored_states or ())
        precision = mixed_precision or MixedPrecision()
        if precision.keep_low_precision_grads:
            raise _C.NotImplementedError(
                "FullyShardedDataParallel: keep_low_precision_grads is not supported; gradients are of the "
                "parameters' dtype"
            )
        if precision.buffer_dtype is not None:
            for buffer in module.buffers():
                if buffer.is_floating_point():
                    buffer.data = buffer.to(precision.buffer_dtype)
        policy = MixedPrecisionPolicy(precision.param_dtype, precision.reduce_dtype)
        keeps = strategy in (ShardingStrategy.SHARD_GRAD_OP, ShardingStrategy._HYBRID_SHARD_ZERO2)
        offload = CPUOffloadPolicy() if getattr(cpu_offload, "offload_params", False) else None
        for inner in [*wrap.chosen(module, auto_wrap_policy), module]:
            fully_shard(
                inner,
                mesh=mesh,
                reshard_after_forward=not keeps,
                mp_policy=policy,
                offload_policy=offload,
                ignored_params=ignored,
            )

    def forward(self, *args, **kwargs):
        """What the wrapped module gives."""
        return self.module(*args, **kwargs)

    def __getattr__(self, name):
        """What the wrapper lacks is the wrapped module's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "_fsdp":  # what is sharded is the module, once
                raise
            return getattr(super().__getattr__("module"), name)

    def __getitem__(self, key):
        return self.module[key]

    @contextmanager
    def no_sync(self):
        """Within it, backward only accumulates whole gradients in this process."""
        self.module.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.module.set_requires_gradient_sync(True)

    def clip_grad_norm_(self, max_norm, norm_type=2.0):
        """Scales the gradients so that their norm over all ranks is at most max_norm; returns the norm."""
        from taper.nn.utils import clip_grad_norm_

        return clip_grad_norm_(self.parameters(), max_norm, norm_type)

    @staticmethod
    @contextmanager
    def summon_full_params(
        module, recurse=True, writeback=True, rank0_only=False, offload_to_cpu=False, with_grads=False
    ):
        """Within it the modules have whole parameters, in the dtype of computation; what is written to them
        is kept. All ranks have them, on the device of the computation; gradients stay divided."""
        states = states_of(module)
        follow({unit.device for state in states for unit in state.units})
        for state in states:
            state.gather()
        try:
            yield
        finally:
            with no_grad():
                for unit in [unit for state in states for unit in state.units]:
                    for entry in unit.entries if writeback else ():
                        _write_back(entry)
                    unit.release()

    @staticmethod
    def set_state_dict_type(module, state_dict_type, state_dict_config=None, optim_state_dict_config=None):
        """What state_dict() gives from now on."""
        module._kind, module._config = state_dict_type, state_dict_config or FullStateDictConfig()

    @staticmethod
    @contextmanager
    def state_dict_type(module, state_dict_type, state_dict_config=None, optim_state_dict_config=None):
        """What state_dict() gives within it."""
        before = module._kind, module._config
        FullyShardedDataParallel.set_state_dict_type(module, state_dict_type, state_dict_config)
        try:
            yield
        finally:
            module._kind, module._config = before

    def state_dict(self, *args, **kwargs):
        """Whole parameters, or this rank's parts: see state_dict_type()."""
        from ..checkpoint.state_dict import StateDictOptions, get_model_state_dict

        whole = self._kind is StateDictType.FULL_STATE_DICT
        state = get_model_state_dict(self.module, options=StateDictOptions(full_state_dict=whole))
        if whole and self._config.offload_to_cpu:
            state = {name: v.cpu() if isinstance(v, _C.Tensor) else v for name, v in state.items()}
        return {} if whole and getattr(self._config, "rank0_only", False) and _resolve(None).rank() else state

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Takes whole parameters or this rank's parts."""
        from ..checkpoint.state_dict import StateDictOptions, set_model_state_dict

        return set_model_state_dict(self.module, state_dict, options=StateDictOptions(strict=strict))

    @staticmethod
    def optim_state_dict(model, optim, optim_state_dict=None, group=None):
        """The optimizer's state by the names of parameters: whole, or this rank's parts."""
        from ..checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

        whole = model._kind is StateDictType.FULL_STATE_DICT
        return get_optimizer_state_dict(model.module, optim, options=StateDictOptions(full_state_dict=whole))

    full_optim_state_dict = optim_state_dict

    @staticmethod
    def optim_state_dict_to_load(
        model, optim, optim_state_dict, is_named_optimizer=False, load_directly=False, group=None
    ):
        """What optim.load_state_dict takes, of what optim_state_dict() gave, at any number of ranks."""
        from ..checkpoint.state_dict import _local_optimizer_state

        return _local_optimizer_state(model.module, optim, optim_state_dict)
