"""Questions about dtypes, and settings that have one answer here. Expected dtypes are PyTorch 2.15's."""

import pytest

import taper


@pytest.mark.parametrize(
    "first, second, expected",
    [
        (taper.ones(2, dtype=taper.int32), 1, "int32"),
        (taper.ones(2, dtype=taper.int32), 1.5, "float32"),
        (taper.ones(2, dtype=taper.uint8), taper.ones(2, dtype=taper.int8), "int16"),
        (taper.ones(2, dtype=taper.float16), taper.tensor(1.0, dtype=taper.float64), "float16"),
        (taper.ones(2, dtype=taper.int64), taper.tensor(1.0, dtype=taper.float64), "float64"),
        (taper.ones(2, dtype=taper.float64), 1j, "complex128"),
        (1, 2.0, "float32"),
        (True, 2, "int64"),
    ],
)
def test_result_type(first, second, expected):
    assert taper.result_type(first, second) == getattr(taper, expected)


@pytest.mark.parametrize(
    "source, target, expected",
    [
        ("float64", "float16", True),
        ("float32", "int64", False),
        ("int64", "uint8", True),
        ("int8", "bool", False),
        ("bool", "complex64", True),
        ("complex64", "float64", False),
    ],
)
def test_can_cast(source, target, expected):
    assert taper.can_cast(getattr(taper, source), getattr(taper, target)) is expected


def test_only_the_cpu_can_be_the_default_device():
    taper.set_default_device("cpu")
    assert taper.get_default_device() == taper.device("cpu")
    with pytest.raises(taper.DeviceError, match="cuda"):
        taper.set_default_device("cuda")


# PyTorch 2.15's results.
def test_hash_tensor():
    assert taper.hash_tensor(taper.tensor([1.0, 2.0, -3.0])).tolist() == 13832806255468478464
    rows = taper.hash_tensor(taper.arange(6.0).view(2, 3), 1)
    assert rows.dtype is taper.uint64 and rows.tolist() == [9218868437227405312, 4615063718147915776]
    parts = taper.hash_tensor(taper.arange(24, dtype=taper.uint8).view(2, 3, 4), (0, 2), keepdim=True)
    assert parts.tolist() == [[[0], [0], [0]]]
    assert taper.hash_tensor(taper.tensor(True)).item() == 1
    with pytest.raises(RuntimeError, match="nothing to reduce"):
        taper.hash_tensor(taper.zeros(0, 3))
