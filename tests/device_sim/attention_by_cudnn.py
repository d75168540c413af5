"""Attention by cuDNN. test_cudnn_on_cuda.py runs this in a process that loads the stand-in, which executes
graphs operation by operation, with operands read by the graphs' sizes and strides; cuda_hardware runs it on a
GPU."""

import os
from pathlib import Path
from unittest.mock import ANY

import numpy as np
import pytest
from test_networks_on_cuda import array, assert_as_on_cpu, numbers, random

import taper
import taper.nn.functional as F
from taper.nn.attention import SDPBackend, sdpa_kernel

LOG = os.environ.get("DEVICE_SIM_CUDNN_LOG")
FORWARD, BACKWARD = "matmul+pointwise+reduction", "pointwise+reduction+matmul+reshape"


@pytest.fixture
def ran(device):
    """The graphs that have run since this was last asked; on a GPU, where nobody tells, what equals anything."""

    def lines():
        taper.cuda.synchronize()
        text = Path(LOG).read_text() if LOG and Path(LOG).exists() else ""
        return [line.split()[0] for line in text.splitlines()]

    seen = len(lines())

    def graphs():
        nonlocal seen
        before, seen = seen, len(lines())
        return lines()[before:] if LOG else ANY

    return graphs


def rows_outside(x):
    """[batch, heads, rows, columns] as a linear layer leaves it: heads beside each other in a row."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


CASES = {
    "plain": ((2, 2, 5, 8), 7, 8, {}),
    "causal": ((1, 2, 6, 16), 6, 16, {"is_causal": True}),
    "causal, more keys": ((2, 1, 3, 8), 9, 8, {"is_causal": True}),
    "causal, more queries": ((1, 2, 9, 8), 3, 8, {"is_causal": True}),
    "wider values, another scale": ((1, 2, 4, 8), 5, 24, {"scale": 0.3}),
    "without heads": ((2, 4, 8), 5, 8, {"is_causal": True}),
}


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(device, ran, case, dtype):
    q, keys, value_size, options = CASES[case]
    assert_as_on_cpu(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options),
        numbers(*q, dtype=dtype),
        numbers(*q[:-2], keys, q[-1], dtype=dtype),
        numbers(*q[:-2], keys, value_size, dtype=dtype),
    )
    assert ran() == [FORWARD, BACKWARD]


def test_operands_that_are_not_dense(device, ran):
    def attention(q, k, v):
        return F.scaled_dot_product_attention(rows_outside(q), k[:, :, ::2], v[..., 8:16], is_causal=True)

    operands = [
        numbers(2, 3, rows, columns, dtype=taper.float16) for rows, columns in ((5, 8), (8, 8), (4, 24))
    ]
    assert_as_on_cpu(attention, *operands)
    assert ran() == [FORWARD, BACKWARD]


@pytest.mark.parametrize("key_heads", [1, 2])
def test_heads_that_share_keys(device, ran, key_heads):
    operands = [numbers(2, heads, 5, 8, dtype=taper.float16) for heads in (4, key_heads, key_heads)]
    assert_as_on_cpu(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True), *operands
    )
    assert ran() == [FORWARD, BACKWARD]


MASKS = {
    "whole": (2, 3, 5, 6),
    "of heads": (3, 5, 6),
    "of batches": (2, 1, 5, 6),
    "one": (5, 6),
    "of keys": (2, 1, 1, 6),
}


@pytest.mark.parametrize("kind", ["bool", "floating"])
@pytest.mark.parametrize("shape", MASKS.values(), ids=MASKS)
def test_masks(device, ran, shape, kind):
    seen = random.random(shape) < 0.6
    seen[..., 0] = True
    mask = taper.tensor(seen if kind == "bool" else np.where(seen, random.standard_normal(shape), -np.inf))
    operands = [numbers(2, 3, rows, 8, dtype=taper.float16) for rows in (5, 6, 6)]
    assert_as_on_cpu(
        lambda q, k, v: F.scaled_dot_product_attention(
            q, k, v, mask.to(q.device, taper.bool if kind == "bool" else q.dtype)
        ),
        *operands,
    )
    assert ran() == [FORWARD, BACKWARD]


@pytest.mark.parametrize("kind", ["bool", "floating"])
def test_a_query_that_sees_no_key_gives_0_and_one_of_lowest_scores_the_mean(device, ran, kind):
    seen = np.ones((4, 5), bool)
    seen[2] = False
    mask = taper.tensor(seen if kind == "bool" else np.where(seen, 0, -np.inf)).cuda()
    q, k, v = (numbers(1, 2, rows, 8, dtype=taper.bfloat16).cuda().requires_grad_() for rows in (4, 5, 5))
    y = F.scaled_dot_product_attention(q, k, v, mask if kind == "bool" else mask.to(q.dtype))
    y.sum().backward()
    assert ran() == [FORWARD, BACKWARD]
    assert not array(y)[:, :, 2].any() and array(y)[:, :, 1].all()
    assert not array(q.grad)[:, :, 2].any() and np.isfinite(array(k.grad)).all()
    if kind == "floating":
        lowest = taper.full((4, 5), taper.finfo(taper.bfloat16).min, dtype=taper.bfloat16, device="cuda")
        y = F.scaled_dot_product_attention(q, k, v, lowest)
        mean = array(v).mean(axis=2, keepdims=True)
        np.testing.assert_allclose(array(y), np.broadcast_to(mean, y.shape), atol=0.01)


def test_nan_stays_in_its_row(device, ran):
    q, k = numbers(1, 1, 4, 8, dtype=taper.float16), numbers(1, 1, 5, 8, dtype=taper.float16)
    q[0, 0, 1, 3] = float("nan")
    mask = taper.ones(4, 5, dtype=taper.bool, device="cuda")
    y = array(F.scaled_dot_product_attention(q.cuda(), k.cuda(), k.cuda(), mask))
    assert np.isnan(y[0, 0, 1]).all() and np.isfinite(y[0, 0, [0, 2, 3]]).all()
    assert ran() == [FORWARD]


def test_either_pass_by_cudnn_goes_with_the_other_by_own_kernels(device, ran):
    mask = taper.tensor(np.tri(5, 6) > 0)
    mask[3] = False
    operands = [numbers(2, 2, rows, 8, dtype=taper.float16) for rows in (5, 6, 6)]
    switch = taper.backends.cuda.enable_cudnn_sdp

    class Switched(taper.autograd.Function):
        """x, whose gradient comes before that of what it was made of."""

        @staticmethod
        def forward(ctx, x, before):
            ctx.before = before
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            switch(ctx.before)
            return gradient, None

    for by_cudnn in (True, False):

        def attention(q, k, v, by_cudnn=by_cudnn):
            switch(by_cudnn)
            return Switched.apply(F.scaled_dot_product_attention(q, k, v, mask.to(q.device)), not by_cudnn)

        assert_as_on_cpu(attention, *operands)
    switch(True)
    assert ran() == [FORWARD, BACKWARD]


def test_settings_say_whether_it_runs(device, ran):
    q = numbers(1, 1, 4, 8, dtype=taper.bfloat16).cuda().requires_grad_()

    def attend():
        F.scaled_dot_product_attention(q, q, q).sum().backward()

    attend()
    assert ran() == [FORWARD, BACKWARD]
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        attend()
    assert ran() == []
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        attend()
    assert ran() == [FORWARD, BACKWARD]
    with taper.backends.cuda.sdp_kernel(enable_cudnn=False):
        attend()
    with taper.backends.cudnn.flags(enabled=False):
        attend()
    assert ran() == []
    # The order of sums of gradients is not fixed; that of values is.
    with taper.backends.cudnn.flags(enabled=True, deterministic=True):
        attend()
    assert ran() == [FORWARD]
    taper.use_deterministic_algorithms(True)
    attend()
    taper.use_deterministic_algorithms(False)
    assert ran() == [FORWARD]


def test_own_kernels_where_it_does_not_suit(device, ran):
    def attend(*shape, dtype=taper.bfloat16, start=0, queries=None):
        x = numbers(*shape, dtype=dtype).cuda()[..., start:]
        F.scaled_dot_product_attention(x[:, :, :queries], x, x)

    attend(1, 1, 4, 8, dtype=taper.float32)
    attend(1, 1, 4, 20)
    attend(1, 1, 4, 8, queries=1)
    attend(1, 1, 4, 12, start=4)
    assert ran() == []
    attend(1, 1, 4, 16, start=8)
    assert ran() == [FORWARD]


@pytest.mark.skipif(LOG is None, reason="counts what the stand-in runs")
def test_shapes_that_never_repeat_are_not_compiled_for_ever(device, ran):
    q = numbers(1, 1, 2, 8, dtype=taper.float16).cuda()
    keys = numbers(1, 1, 200, 8, dtype=taper.float16).cuda()

    def attend(count):
        F.scaled_dot_product_attention(q, keys[:, :, :count], keys[:, :, :count])

    for count in range(100, 170):
        attend(count)
    assert len(ran()) <= 64
    attend(171)
    assert ran() == []
    with taper.backends.cudnn.flags(enabled=True, benchmark=True):
        attend(171)
    assert ran() != []
