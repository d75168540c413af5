"""How the library was built."""

from . import _C


def show():
    """A text for reports of faults: the version and the instruction set of the kernels in use."""
    return (
        f"Taper built with:\n  - version {_C.__version__}\n"
        f"  - CPU capability usage: {_C._instruction_set()}\n"
        f"  - CUDA usable: {_C._cuda_available()}\n"
    )


def parallel_info():
    """A text about threads."""
    return f"Taper parallel info:\n\ttaper.get_num_threads() : {_C.get_num_threads()}\n"
