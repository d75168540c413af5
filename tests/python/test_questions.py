"""Small questions about tensors and settings."""

import pytest

import taper


def test_typename_follows_pytorch():
    assert taper.typename(taper.zeros(1)) == "torch.FloatTensor"
    assert taper.typename(3) == "int"
    assert taper.typename(taper.nn.Linear(1, 1)).endswith(".Linear")


def test_is_nonzero_wants_one_element():
    assert taper.is_nonzero(taper.tensor([2.0])) and not taper.is_nonzero(taper.tensor(False))
    with pytest.raises(RuntimeError, match="ambiguous"):
        taper.is_nonzero(taper.zeros(2))


def test_products_keep_full_precision():
    taper.set_float32_matmul_precision("high")
    assert taper.get_float32_matmul_precision() == "highest"
    with pytest.raises(RuntimeError, match="fastest"):
        taper.set_float32_matmul_precision("fastest")


def test_dlpack_module_goes_both_ways():
    import numpy
    from taper.utils import dlpack
    x, array = taper.arange(4.0), numpy.arange(4.0)
    assert dlpack.from_dlpack(array).data_ptr() == array.ctypes.data
    assert numpy.from_dlpack(x).ctypes.data == x.data_ptr()
    assert "dltensor" in repr(dlpack.to_dlpack(x))


def test_distributions_and_func_are_imported_when_used():
    import subprocess
    import sys
    code = ("import sys, taper; assert not {'taper.distributions', 'taper.func'} & set(sys.modules); "
            "taper.vmap, taper.distributions.Normal")
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
