"""In which dtypes a sharded module computes, and where its parts lie."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """param_dtype: of the parameters in forward and backward, and of what is gathered; reduce_dtype: in which
    gradients are accumulated and averaged (param_dtype unless given); output_dtype: to which a module's
    floating results are cast; cast_forward_inputs: whether floating inputs are cast to param_dtype. The parts
    that the optimizer sees keep their dtype."""

    param_dtype: object = None
    reduce_dtype: object = None
    output_dtype: object = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Parameters stay where they are."""


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Parts of parameters, gradients and optimizer state lie in main memory, of which pin_memory makes the
    parameters' page-locked; what is gathered lies on the mesh's device."""

    pin_memory: bool = True
