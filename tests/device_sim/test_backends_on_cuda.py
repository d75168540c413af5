"""Settings of exactness: what cuBLAS and cuBLASLt are asked for. The stand-ins round where the libraries may."""

import numpy as np
import pytest
import taper
from conftest import RUNTIME

pytestmark = pytest.mark.skipif(RUNTIME is None, reason="libraries need not use what they are allowed")
random = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def settings_as_before():
    matmul, cudnn = taper.backends.cuda.matmul, taper.backends.cudnn
    names = ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")
    before = {name: getattr(matmul, name) for name in names}
    flags = cudnn.set_flags(
        enabled=None, benchmark=None, benchmark_limit=None, deterministic=None, allow_tf32=None
    )
    yield
    for name, value in before.items():
        setattr(matmul, name, value)
    cudnn.set_flags(**flags)
    taper.use_deterministic_algorithms(False)


def tf32(x):
    """float32 numbers whose fractions are rounded to 10 bits, halves away from zero."""
    bits = (x.astype(np.float32).view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return bits.view(np.float32).astype(np.float64)


# By cublasGemmEx, cublasGemmStridedBatchedEx and cublasLtMatmul.
PRODUCTS = {
    "mm": lambda a, b: a @ b,
    "bmm": lambda a, b: taper.bmm(a.expand(2, *a.shape), b.expand(2, *b.shape))[1],
    "linear": lambda a, b: taper.nn.functional.linear(
        a, b.T, taper.zeros(b.shape[1], device="cuda").to(b.dtype)
    ),
}


def product(a, b, name):
    result = PRODUCTS[name](taper.tensor(a).to("cuda"), taper.tensor(b).to("cuda"))
    return result.cpu().to(taper.float64).numpy()


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_float32_are_in_tf32_only_where_that_is_allowed(device, name):
    a, b = (random.standard_normal(shape).astype(np.float32) for shape in ((5, 40), (40, 6)))
    exact, short = a.astype(np.float64) @ b, tf32(a) @ tf32(b)
    assert np.abs(exact - short).max() > 1e-4
    np.testing.assert_allclose(product(a, b, name), exact, atol=1e-5)
    for precision in ("high", "medium"):
        taper.set_float32_matmul_precision(precision)
        assert taper.backends.cuda.matmul.allow_tf32 and taper.get_float32_matmul_precision() == precision
        np.testing.assert_allclose(product(a, b, name), short, atol=1e-5)
    taper.backends.cuda.matmul.allow_tf32 = False
    assert taper.get_float32_matmul_precision() == "highest"
    np.testing.assert_allclose(product(a, b, name), exact, atol=1e-5)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("dtype, setting", [(taper.float16, "fp16"), (taper.bfloat16, "bf16")])
def test_parts_of_16_bit_sums_are_rounded_only_where_that_is_allowed(device, dtype, setting, name):
    b = np.repeat([32.0, -32.0], 128)
    b[0] = 33  # 4097 after the first half, which 16 bits don't hold
    a, b = taper.ones(1, 256, dtype=dtype, device="cuda"), taper.tensor(b[:, None]).to(dtype).to("cuda")
    assert PRODUCTS[name](a, b).item() == 0
    setattr(taper.backends.cuda.matmul, f"allow_{setting}_reduced_precision_reduction", False)
    assert PRODUCTS[name](a, b).item() == 1


def test_bias_is_added_on_the_way_out_at_any_address_and_of_any_shape(device):
    """Algorithms are kept by shape and alignment: one that was chosen for another product is refused."""
    for dtype, tolerance in ((taper.float32, 1e-5), (taper.bfloat16, 3e-2), (taper.float64, 1e-12)):
        for rows, inner, columns in ((3, 4, 5), (3, 5, 4), (8, 8, 8), (1, 1, 1), (3, 4, 5)):
            for shift in (0, 1):
                x, w, b = (
                    taper.tensor(random.standard_normal(n + shift)).to(dtype)
                    for n in (rows * inner, columns * inner, columns)
                )
                got, expected = (
                    taper.addmm(
                        b.to(device)[shift:],
                        x.to(device)[shift:].reshape(rows, inner),
                        w.to(device)[shift:].reshape(inner, columns),
                    )
                    .cpu()
                    .to(taper.float64)
                    for device in ("cuda", "cpu")
                )
                np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)


def test_bias_is_added_to_products_of_parts_of_rows(device):
    """Only the length of the sums tells these products apart."""
    x, w, b = (taper.tensor(random.standard_normal(shape)) for shape in ((3, 8), (8, 5), 5))
    for inner in (3, 6):
        got = taper.addmm(b.to("cuda"), x.to("cuda")[:, :inner], w.to("cuda")[:inner]).cpu()
        expected = b.numpy() + x.numpy()[:, :inner] @ w.numpy()[:inner]
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-12)
