"""Dtypes that have a name only."""

import pickle

import pytest

import taper


def test_dtypes_that_no_tensor_has_are_named_and_refused():
    small = taper.float8_e4m3fn
    assert isinstance(small, taper.dtype) and repr(small) == "taper.float8_e4m3fn"
    assert small.itemsize == 1 and small.is_floating_point and small != taper.float16
    assert taper.complex32.is_complex and not taper.float8_e8m0fnu.is_signed
    limits = [taper.finfo(x) for x in (small, taper.float8_e5m2, taper.float8_e8m0fnu)]
    assert [x.max for x in limits] == [448, 57344, 2.0**127]
    assert [x.min for x in limits] == [-448, -57344, 2.0**-127]
    for use in (lambda: taper.ones(2).to(small), lambda: taper.zeros(2, dtype=taper.quint8)):
        with pytest.raises(taper.DTypeError, match="float8_e4m3fn|quint8"):
            use()
    assert pickle.loads(pickle.dumps(small)) is small
