"""Attention by functions of positions, against attention with a mask written out."""

import numpy as np
import pytest

import taper
from taper.nn.attention import flex_attention as flex
from taper.nn.functional import scaled_dot_product_attention


def random(*shape, seed):
    return taper.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


@pytest.fixture
def operands():
    return random(2, 4, 5, 3, seed=0), random(2, 2, 6, 3, seed=1), random(2, 2, 6, 7, seed=2)


def test_a_mask_hides_pairs(operands):
    q, k, v = operands
    seen = flex.create_block_mask(lambda b, h, i, j: j <= i, None, None, 5, 6)
    got = flex.flex_attention(q, k, v, block_mask=seen, enable_gqa=True)
    mask = taper.ones(5, 6, dtype=taper.bool).tril()
    expected = scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
    assert taper.allclose(got, expected, rtol=1e-12)
    grads, others = (taper.autograd.grad(y.square().sum(), operands) for y in (got, expected))
    assert all(taper.allclose(a, b, rtol=1e-10) for a, b in zip(grads, others))


def test_scores_change_by_position_and_captured_tensors(operands):
    q, k, v = operands
    slopes = taper.tensor([0.1, 0.2, 0.3, 0.4], dtype=taper.float64, requires_grad=True)
    got, lse = flex.flex_attention(
        q,
        k,
        v,
        lambda score, b, h, i, j: score + slopes[h] * (i - j),
        scale=0.5,
        enable_gqa=True,
        return_lse=True,
    )
    keys, values = k.repeat_interleave(2, 1), v.repeat_interleave(2, 1)
    distance = taper.arange(5).unsqueeze(1) - taper.arange(6)
    scores = q @ keys.mT * 0.5 + slopes.view(4, 1, 1) * distance
    assert taper.allclose(got, scores.softmax(-1) @ values, rtol=1e-12)
    assert taper.allclose(lse, scores.logsumexp(-1), rtol=1e-12)
    (gradient,) = taper.autograd.grad(got.square().sum(), slopes)
    (expected,) = taper.autograd.grad((scores.softmax(-1) @ values).square().sum(), slopes)
    assert taper.allclose(gradient, expected, rtol=1e-9)


def test_a_query_that_sees_nothing_gets_zeros(operands):
    q, k, v = operands
    documents = taper.tensor([[0, 0, 1, 1, 2], [0, 1, 1, 1, 1]])
    of_keys = taper.tensor([[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
    seen = flex.create_block_mask(lambda b, h, i, j: documents[b, i] == of_keys[b, j], 2, None, 5, 6)
    got = flex.flex_attention(q, k, v, block_mask=seen, enable_gqa=True)
    assert got[0, :, 4].abs().max() == 0
    mask = documents.unsqueeze(2) == of_keys.unsqueeze(1)
    expected = scaled_dot_product_attention(q, k, v, mask.unsqueeze(1), enable_gqa=True)
    assert taper.allclose(got[:, :, :4], expected[:, :, :4], rtol=1e-12)


def test_blocks_of_a_mask():
    mask = flex.create_block_mask(
        flex.and_masks(lambda b, h, i, j: j <= i, lambda b, h, i, j: i - j < 4), 1, 1, 10, 10, BLOCK_SIZE=4
    )
    assert mask.shape == (1, 1, 10, 10)
    assert mask.to_dense().tolist() == [[[[1, 0, 0], [1, 1, 0], [0, 1, 1]]]]
    assert mask.sparsity() == pytest.approx(100 * 4 / 9)
    with pytest.raises(ValueError, match="block_mask"):
        flex.flex_attention(*(taper.ones(1, 1, 11, 2) for _ in range(3)), block_mask=mask)
