"""What cuBLAS and cuBLASLt are asked for: settings of exactness, where the stand-ins round where the libraries
may, and what is done on a product's way in and out."""

import ctypes

import numpy as np
import pytest
from conftest import RUNTIME

import taper
import taper.nn.functional as F

the_stand_ins_only = pytest.mark.skipif(
    RUNTIME is None, reason="libraries need not use what they are allowed, nor tell"
)
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
    "linear": lambda a, b: F.linear(a, b.T, taper.zeros(b.shape[1], device="cuda").to(b.dtype)),
}


def product(a, b, name):
    result = PRODUCTS[name](taper.tensor(a).to("cuda"), taper.tensor(b).to("cuda"))
    return result.cpu().to(taper.float64).numpy()


@the_stand_ins_only
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


@the_stand_ins_only
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


def instructions_of(function):
    """What function returns, and how many instructions of own kernels it ran."""
    RUNTIME.device_sim_instructions.restype = ctypes.c_ulonglong
    taper.cuda.synchronize()
    before = RUNTIME.device_sim_instructions()
    result = function()
    taper.cuda.synchronize()
    return result, RUNTIME.device_sim_instructions() - before


@the_stand_ins_only
@pytest.mark.parametrize("dtype", [taper.float64, taper.float32, taper.bfloat16])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shift", [0, 1])
def test_gradients_of_weight_and_bias_come_from_one_product(device, dtype, transposed, shift):
    x, w, b, dy = (
        taper.tensor(random.integers(-4, 5, shape)).to(dtype)
        for shape in ((7, 3), (5, 3), (5,), (7, 5 + shift))
    )
    dy = dy[:, shift:]
    leaves = [part.to("cuda").requires_grad_() for part in (x, w, b)]
    y = F.linear(*leaves)
    above = dy.to("cuda").T.contiguous().T if transposed else dy.to("cuda")
    (dw, db), own = instructions_of(lambda: taper.autograd.grad(y, leaves[1:], above))
    assert np.array_equal(dw.cpu().double().numpy(), dy.double().numpy().T @ x.double().numpy())
    assert np.array_equal(db.cpu().double().numpy(), dy.double().numpy().sum(0))
    assert (own == 0) == (dtype is not taper.float64)  # which the stand-in leaves to own kernels


def test_gradients_of_gradients_of_weight_and_bias(device):
    def second(device):
        x, w, b, dy = (
            taper.tensor(numbers).to(device).requires_grad_()
            for numbers in (operands[0], operands[1], operands[2], operands[3])
        )
        dw, db = taper.autograd.grad(F.linear(x, w, b), (w, b), dy, create_graph=True)
        both = (dw**2).sum() + (db**3).sum()
        parts = [*taper.autograd.grad(both, (x, dy), retain_graph=True)]
        parts += taper.autograd.grad((db**3).sum(), (dy,))
        return [part.cpu().numpy() for part in parts]

    operands = [random.standard_normal(shape) for shape in ((4, 3), (5, 3), (5,), (4, 5))]
    x, _, _, dy = operands
    dw = dy.T @ x
    expected = [2 * dy @ dw, 2 * x @ dw.T + 3 * dy.sum(0) ** 2, np.broadcast_to(3 * dy.sum(0) ** 2, dy.shape)]
    for where in ("cuda", "cpu"):
        for got, wanted in zip(second(where), expected):
            np.testing.assert_allclose(got, wanted, rtol=1e-12)


def gelu_with_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@the_stand_ins_only
@pytest.mark.parametrize(
    "dtype, tolerance", [(taper.float64, 1e-12), (taper.float32, 1e-6), (taper.bfloat16, 4e-3)]
)
@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("shift", [0, 1])
def test_activations_are_taken_on_the_way_out(device, dtype, tolerance, gelu, shift):
    """In bfloat16 gelu of a sum that was rounded before it would be further off."""
    a, b, row = (
        taper.tensor(random.standard_normal(shape)).to(dtype) for shape in ((6, 9), (9, 5), 5 + shift)
    )
    row = row[shift:]
    numbers = [x.double().numpy() for x in (row, a, b)]
    y = numbers[0] + numbers[1] @ numbers[2]
    expected = gelu_with_tanh(y) if gelu else np.maximum(y, 0)
    operands = [x.to("cuda") for x in (row, a, b)]
    operands[0] = taper.cat([row[:1]] * shift + [row]).to("cuda")[shift:]  # at such an address
    got, own = instructions_of(lambda: taper._addmm_activation(*operands, use_gelu=gelu))
    np.testing.assert_allclose(got.cpu().double().numpy(), expected, rtol=tolerance, atol=tolerance)
    assert (own > 0) == (gelu and dtype is taper.float64)  # which the stand-in leaves to own kernels
    with_gradient = taper._addmm_activation(operands[0].requires_grad_(), *operands[1:], use_gelu=gelu)
    np.testing.assert_allclose(
        with_gradient.detach().cpu().double().numpy(), expected, rtol=4 * tolerance, atol=4 * tolerance
    )


@the_stand_ins_only
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_encoder_layers_take_the_activation_into_the_product_where_they_infer(device, activation):
    taper.manual_seed(1)
    layer = taper.nn.TransformerEncoderLayer(8, 2, 16, activation=activation, batch_first=True).to("cuda")
    x = taper.randn(2, 3, 8, device="cuda")
    seen = []
    hook = layer.eval().linear1.register_forward_hook(lambda *arguments: seen.append(1))
    with taper.no_grad():
        plain, more = instructions_of(lambda: layer(x))
        hook.remove()
        fused, fewer = instructions_of(lambda: layer(x))
    assert seen == [1] and fewer < more
    np.testing.assert_allclose(
        fused.cpu().numpy(), plain.cpu().numpy(), atol=1e-6 if activation == "relu" else 1e-3
    )
    assert layer(x).requires_grad and layer.train()(x).requires_grad
