"""Elementwise functions of C++ text, compiled for the GPU when they are called: torch.cuda.jiterator."""

import re

from .. import _C

__all__ = []

_TEMPLATE = re.compile(r"template\s*<[^<>]*>\s*[\w:\s]*?(\w+)\s*\(")


class _JittedFunction:
    """Of up to 8 tensors on a GPU, which broadcast and promote; keywords are numbers with defaults."""

    def __init__(self, code_string, return_by_ref, num_outputs, **kwargs):
        names = _TEMPLATE.findall(code_string)
        if not names:
            raise RuntimeError(f"Couldn't parse code, please check correctness:\n {code_string}")
        self.code_string, self.kernel_name = code_string, names[-1]
        self.return_by_ref, self.num_outputs = return_by_ref, num_outputs
        self.kwargs_dict = kwargs
        self._compiled = _C._CudaJitFunction(code_string, self.kernel_name, return_by_ref, num_outputs)

    def __call__(self, *tensors, **kwargs):
        for key in kwargs:
            if key not in self.kwargs_dict:
                raise KeyError(f"{key} is not declared in function definition")
        results = self._compiled(tensors, list((self.kwargs_dict | kwargs).values()))
        return results[0] if self.num_outputs == 1 else tuple(results)


def _create_jit_fn(code_string, **kwargs):
    """A function of tensors from a C++ function template over one type, the last one of code_string:

        code = "template <typename T> T weighted(T x, T y, T alpha) { return -x + alpha * y; }"
        weighted = taper.cuda.jiterator._create_jit_fn(code, alpha=1.0)
        result = weighted(a, b, alpha=3.14)

    Its arguments are up to 8 tensors, then kwargs in their order. It returns a T; float16 and bfloat16 are
    computed as float, complex numbers as std::complex, with its operators and exp, log, pow, sqrt and the
    (hyperbolic) sine, cosine and tangent. NVRTC compiles it once for each combination of dtypes; its errors
    are raised as RuntimeError. Results have no gradient, as in PyTorch. On GPUs only.
    """
    return _JittedFunction(code_string, False, 1, **kwargs)


def _create_multi_output_jit_fn(code_string, num_outputs, **kwargs):
    """_create_jit_fn with up to 8 results, of which the template returns none: its last arguments are T&."""
    return _JittedFunction(code_string, True, num_outputs, **kwargs)
