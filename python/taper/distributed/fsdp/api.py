"""What FullyShardedDataParallel may be told."""

import enum
from dataclasses import dataclass, field

from taper.nn.normalization import _BatchNorm

__all__ = [
    "BackwardPrefetch",
    "CPUOffload",
    "FlatParameter",
    "FullOptimStateDictConfig",
    "FullStateDictConfig",
    "LocalOptimStateDictConfig",
    "LocalStateDictConfig",
    "MixedPrecision",
    "OptimStateDictConfig",
    "OptimStateKeyType",
    "ShardedOptimStateDictConfig",
    "ShardedStateDictConfig",
    "ShardingStrategy",
    "StateDictConfig",
    "StateDictSettings",
    "StateDictType",
]


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
    """What state_dict() gives: whole parameters, or this rank's parts as DTensors (both others)."""

    FULL_STATE_DICT = 1
    LOCAL_STATE_DICT = 2
    SHARDED_STATE_DICT = 3


@dataclass
class MixedPrecision:
    """Dtypes of parameters in forward and backward, of the averaging of gradients, and of buffers.

    cast_forward_inputs         whether each unit casts its floating inputs to param_dtype
    cast_root_forward_inputs    whether the outermost does
    _module_classes_to_ignore   with an auto_wrap_policy, modules of these compute in their own dtype
    """

    param_dtype: object = None
    reduce_dtype: object = None
    buffer_dtype: object = None
    keep_low_precision_grads: bool = False  # not supported: gradients are of the parameters' dtype
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True
    _module_classes_to_ignore: tuple = (_BatchNorm,)


@dataclass
class CPUOffload:
    """Whether parts of parameters on devices lie in main memory."""

    offload_params: bool = False


@dataclass
class StateDictConfig:
    """What state_dict() is to give. offload_to_cpu: tensors in main memory."""

    offload_to_cpu: bool = False


@dataclass
class OptimStateDictConfig:
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
class LocalStateDictConfig(StateDictConfig):
    """Each rank's parts."""


@dataclass
class LocalOptimStateDictConfig(OptimStateDictConfig):
    """Each rank's parts."""

    offload_to_cpu: bool = False


@dataclass
class ShardedStateDictConfig(StateDictConfig):
    """Each rank's parts."""


@dataclass
class ShardedOptimStateDictConfig(OptimStateDictConfig):
    """Each rank's parts."""


@dataclass
class StateDictSettings:
    """What the state dictionaries of a model and of its optimizer are."""

    state_dict_type: StateDictType = StateDictType.FULL_STATE_DICT
    state_dict_config: StateDictConfig = field(default_factory=FullStateDictConfig)
    optim_state_dict_config: OptimStateDictConfig = field(default_factory=FullOptimStateDictConfig)


# By type: the classes of the two configurations.
CONFIGS = {
    StateDictType.FULL_STATE_DICT: (FullStateDictConfig, FullOptimStateDictConfig),
    StateDictType.LOCAL_STATE_DICT: (LocalStateDictConfig, LocalOptimStateDictConfig),
    StateDictType.SHARDED_STATE_DICT: (ShardedStateDictConfig, ShardedOptimStateDictConfig),
}


class OptimStateKeyType(enum.Enum):
    """How the state of an optimizer is addressed: by names of parameters, or by their numbers."""

    PARAM_NAME = enum.auto()
    PARAM_ID = enum.auto()


class FlatParameter:
    """What PyTorch joins parameters to. Here each stays its own, so nothing is an instance of it."""
