"""Multi-head attention and transformers against NumPy, head by head."""

import numpy as np
import pytest
import references

import taper
import taper.nn.functional as F
from taper import nn

L, S, N, E, H = 3, 4, 2, 6, 2


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def attention(module, query, key, value, mask=None):
    """Outputs [N, L, E] and weights [N, H, L, S'] of [N, L, E] inputs; mask [N, H, L, S] is added."""
    p = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}
    weights = (
        np.split(p["in_proj_weight"], 3)
        if "in_proj_weight" in p
        else [p["q_proj_weight"], p["k_proj_weight"], p["v_proj_weight"]]
    )
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), weights, np.split(p["in_proj_bias"], 3)))
    added = (
        np.zeros((len(q), H, q.shape[1], k.shape[1]))
        if mask is None
        else np.broadcast_to(mask, (len(q), H, q.shape[1], k.shape[1]))
    )
    more = ([(p["bias_k"], p["bias_v"])] if "bias_k" in p else []) + [
        (np.zeros((1, 1, E)),) * 2
    ] * module.add_zero_attn
    for k_row, v_row in more:
        k, v = (np.concatenate([x, np.repeat(row, len(x), 0)], 1) for x, row in ((k, k_row), (v, v_row)))
        added = np.concatenate([added, np.zeros((*added.shape[:3], 1))], 3)
    heads, seen = [], []
    for head in range(H):
        part = slice(head * E // H, (head + 1) * E // H)
        seen.append(softmax(q[..., part] @ k[..., part].swapaxes(1, 2) / np.sqrt(E // H) + added[:, head]))
        heads.append(seen[-1] @ v[..., part])
    return np.concatenate(heads, -1) @ p["out_proj.weight"].T + p["out_proj.bias"], np.stack(seen, 1)


def inputs(module):
    return [
        taper.tensor(numbers(N, length, size, seed=seed))
        for seed, (length, size) in enumerate([(L, E), (S, module.kdim), (S, module.vdim)])
    ]


def as_added(mask):
    return np.where(mask, -np.inf, 0.0) if mask.dtype == bool else mask


LAYERS = [
    {},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True},
    {"kdim": 5, "vdim": 4},
]
WINDOW = np.array([[False, True, False, False], [False, False, False, True], [True, False, False, False]])
PADDING = np.array([[False, False, False, True], [False, False, True, True]])


@pytest.mark.parametrize("options", LAYERS, ids=str)
@pytest.mark.parametrize(
    "attn_mask",
    [None, WINDOW, numbers(L, S), numbers(N * H, L, S) > 1],
    ids=["all", "bool", "float", "each head"],
)
@pytest.mark.parametrize("padding", [None, PADDING, PADDING * -2.0], ids=["whole", "padded", "faded"])
def test_attention(options, attn_mask, padding):
    taper.manual_seed(0)
    module = nn.MultiheadAttention(E, H, batch_first=True, dtype=taper.float64, **options)
    nn.init.normal_(module.in_proj_bias)
    mask = np.zeros((N, H, L, S))
    if attn_mask is not None:
        mask = mask + as_added(attn_mask).reshape((N, H, L, S) if attn_mask.ndim == 3 else (L, S))
    if padding is not None:
        mask = mask + as_added(padding)[:, None, None]
    query, key, value = inputs(module)
    expected, seen = attention(module, query.numpy(), key.numpy(), value.numpy(), mask)
    masks = {
        "attn_mask": None if attn_mask is None else taper.tensor(attn_mask),
        "key_padding_mask": None if padding is None else taper.tensor(padding),
    }
    output, weights = module(query, key, value, **masks)
    np.testing.assert_allclose(output.detach().numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(weights.detach().numpy(), seen.mean(1), atol=1e-12)
    weights = module(query, key, value, average_attn_weights=False, **masks)[1]
    np.testing.assert_allclose(weights.detach().numpy(), seen, atol=1e-12)
    output, weights = module(query, key, value, need_weights=False, **masks)
    np.testing.assert_allclose(output.detach().numpy(), expected, atol=1e-12)
    assert weights is None


def test_layouts_agree():
    module = nn.MultiheadAttention(E, H, dtype=taper.float64)
    query, key, value = inputs(module)
    first = module(*(x.transpose(0, 1) for x in (query, key, value)))[0].transpose(0, 1)
    single = module(query[0], key[0], value[0])[0]
    module.batch_first = True
    assert taper.allclose(module(query, key, value)[0], first) and taper.allclose(single, first[0])


def test_causal_hint_equals_the_mask():
    module = nn.MultiheadAttention(E, H, batch_first=True, dtype=taper.float64)
    x = taper.tensor(numbers(N, L, E))
    mask = nn.Transformer.generate_square_subsequent_mask(L, dtype=taper.float64)
    expected = module(x, x, x, attn_mask=mask)[0]
    for need_weights in (True, False):
        assert taper.allclose(
            module(x, x, x, attn_mask=mask, is_causal=True, need_weights=need_weights)[0], expected
        )
    with pytest.raises(RuntimeError, match="Need attn_mask"):
        module(x, x, x, is_causal=True)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x: m(x, x[0], x), "For batched"),
        (lambda m, x: m(x, x, x, key_padding_mask=taper.zeros(3)), "key_padding_mask"),
        (lambda m, x: m(x, x, x, attn_mask=taper.ones(3, 3, dtype=taper.int64)), "only bool and floating"),
        (lambda m, x: m(x[..., :4], x, x), "expecting embedding dimension of 6, but got 4"),
    ],
)
def test_arguments_that_do_not_fit(call, message):
    with pytest.raises(AssertionError, match=message):
        call(nn.MultiheadAttention(E, H), taper.ones(L, N, E))


@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer(norm_first):
    taper.manual_seed(1)
    layer = nn.TransformerEncoderLayer(E, H, 8, 0.0, "relu", batch_first=True, norm_first=norm_first).double()
    x = numbers(N, L, E)

    def norm(y):
        return (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)

    def attend(y):
        return attention(layer.self_attn, y, y, y, np.triu(np.full((L, L), -np.inf), 1))[0]

    def feed(y):
        w = [
            p.detach().numpy()
            for p in (layer.linear1.weight, layer.linear1.bias, layer.linear2.weight, layer.linear2.bias)
        ]
        return np.maximum(y @ w[0].T + w[1], 0) @ w[2].T + w[3]

    if norm_first:
        expected = x + attend(norm(x))
        expected = expected + feed(norm(expected))
    else:
        expected = norm(x + attend(x))
        expected = norm(expected + feed(expected))
    mask = nn.Transformer.generate_square_subsequent_mask(L, dtype=taper.float64)
    encoder = nn.TransformerEncoder(layer, 1)
    for options in ({"mask": mask}, {"mask": mask, "is_causal": True}):
        np.testing.assert_allclose(encoder(taper.tensor(x), **options).detach().numpy(), expected, atol=1e-12)


def test_padding_is_blank_in_evaluation_without_gradients():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, 8, batch_first=True), 1).eval()
    x, padding = taper.ones(N, S, E), taper.tensor(PADDING)
    with taper.no_grad():
        blank = encoder(x, src_key_padding_mask=padding)
    full = encoder(x, src_key_padding_mask=padding)
    assert not blank[padding].any() and full[padding].any()
    assert taper.allclose(blank[~padding], full[~padding], atol=1e-6)


def test_transformer_checks_its_inputs():
    model = nn.Transformer(E, H, 1, 1, 8)
    with pytest.raises(RuntimeError, match="batch number"):
        model(taper.ones(3, 5, E), taper.ones(3, 2, E))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "shape, key_heads, value_heads", [((2, 6), 2, 2), ((6,), 3, 3), ((2, 4), 1, 1), ((1, 4), 2, 1)]
)
def test_query_heads_that_share_a_key_head(shape, key_heads, value_heads, masked):
    arrays = (
        numbers(*shape, 2, 3),
        numbers(*shape[:-1], key_heads, 3, 3, seed=1),
        numbers(*shape[:-1], value_heads, 3, 2, seed=2),
    )
    mask = np.array([[True, False, True], [False, True, True]]) if masked else None
    seen = None if mask is None else taper.tensor(mask)

    def attend(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, seen, is_causal=not masked, enable_gqa=True)

    operands = [taper.tensor(x, requires_grad=True) for x in arrays]
    q, k, v = (np.repeat(x, shape[-1] // x.shape[-3], -3) for x in arrays)
    expected = references.attention(q, k, v, mask, not masked, None)
    np.testing.assert_allclose(attend(*operands).detach().numpy(), expected, rtol=0, atol=1e-12)
    assert taper.autograd.gradcheck(attend, operands)
    assert taper.autograd.gradgradcheck(attend, operands)


def test_query_heads_that_do_not_share_key_heads_evenly():
    q, k = taper.randn(1, 6, L, E), taper.randn(1, 4, S, E)
    with pytest.raises(RuntimeError, match="6 query heads"):
        F.scaled_dot_product_attention(q, k, k, enable_gqa=True)
    for key_heads in (3, 4):
        k = taper.randn(1, key_heads, S, E)
        with pytest.raises(RuntimeError):
            F.scaled_dot_product_attention(q, k, k, dropout_p=0.5)
