"""All workloads, group by group."""

from . import calls, convolution, elementwise, indexing, inputs, matrix, models, training

MODULES = (calls, elementwise, indexing, matrix, convolution, models, training, inputs)


def all_workloads():
    """Every workload, in the order of the report."""
    return [workload for module in MODULES for workload in module.workloads()]
