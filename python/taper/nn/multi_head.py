"""Multi-head attention as a function: Vaswani et al. 2017, arXiv:1706.03762."""

from .. import _C

_ops, _nn = _C._homes["taper"], _C._homes["nn.functional"]


def _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Whether the input has a batch dimension; raises AssertionError for shapes that don't belong
    together."""
    dims = query.ndim
    if dims not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {dims}-D query tensor"
        )
    kind = "batched (3-D)" if dims == 3 else "unbatched (2-D)"
    if key.ndim != dims or value.ndim != dims:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {dims}-D but found {key.ndim}-D and "
            f"{value.ndim}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != dims - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {dims - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.ndim not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
            f"{attn_mask.ndim}-D tensor instead"
        )
    if dims == 2 and attn_mask is not None and attn_mask.ndim == 3:
        expected = (num_heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}"
            )
    return dims == 3


def additive_mask(mask, name, dtype):
    """A bool mask (true: may not be seen) as numbers to add to scores; such numbers as they are."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype is not _C.bool:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask.new_zeros(mask.shape, dtype=dtype).masked_fill_(mask, float("-inf"))


def _attention_mask(mask, batch, heads, length, source):
    """attn_mask, [L, S] or [N * heads, L, S], so that it can be added to scores [N, heads, L, S]."""
    if mask is None:
        return None
    expected = (length, source) if mask.ndim == 2 else (batch * heads, length, source)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be {expected}."
        )
    return mask if mask.ndim == 2 else mask.reshape(batch, heads, length, source)


def _merged_masks(mask, padding, batch, source, dtype):
    if padding is None:
        return mask
    padding = additive_mask(padding, "key_padding_mask", dtype)
    for index, size in enumerate((batch, source)):
        if padding.shape[index] != size:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{index}] to be {size}, but got {padding.shape[index]}"
            )
    padding = padding.reshape(batch, 1, 1, source)
    return padding if mask is None else mask + padding


def project(query, key, value, weights, biases):
    """The three projections; weights and biases are one tensor for all three, or three tensors."""
    if isinstance(weights, _C.Tensor):
        if query is key and key is value:
            return _nn["linear"](query, weights, biases).chunk(3, -1)
        weights = weights.chunk(3)
    biases = (None,) * 3 if biases is None else biases.chunk(3)
    return tuple(_nn["linear"](x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def _widened(mask, count):
    """mask with count more columns of zeros: keys that everyone may see."""
    if mask is None or count == 0:
        return mask
    return _ops["cat"]([mask, mask.new_zeros((*mask.shape[:-1], count))], -1)


def _with_more_keys(k, v, bias_k, bias_v, add_zero_attn):
    """k and v [N, S, E] with the learned key and value, and those of zeros, after the others."""
    batch, _, size = k.shape
    if bias_k is not None and bias_v is not None:
        k = _ops["cat"]([k, bias_k.reshape(1, 1, size).expand(batch, 1, size)], 1)
        v = _ops["cat"]([v, bias_v.reshape(1, 1, size).expand(batch, 1, size)], 1)
    elif bias_k is not None or bias_v is not None:
        raise AssertionError("bias_k and bias_v must be given together")
    if add_zero_attn:
        k, v = (_ops["cat"]([x, x.new_zeros((batch, 1, size))], 1) for x in (k, v))
    return k, v


def attend(q, k, v, num_heads, mask, dropout, need_weights, average, is_causal):
    """Attention of projected q [N, L, E], k and v [N, S, E]: heads [N, L, E] and weights or None."""
    batch, length, size = q.shape
    q, k, v = (x.reshape(batch, x.shape[1], num_heads, size // num_heads).transpose(1, 2) for x in (q, k, v))
    weights = None
    if need_weights:
        scores = (q * (size // num_heads) ** -0.5) @ k.transpose(-2, -1)
        weights = _ops["softmax"](scores if mask is None else scores + mask, -1)
        if dropout > 0.0:
            weights = _nn["dropout"](weights, dropout, True)
        heads = weights @ v
        weights = weights.mean(1) if average else weights
    else:
        heads = _nn["scaled_dot_product_attention"](q, k, v, mask, dropout, is_causal)
    return heads.transpose(1, 2).reshape(batch, length, size), weights


def attention_batch_first(
    query,
    key,
    value,
    num_heads,
    weights,
    biases,
    extra,
    output,
    masks,
    dropout,
    need_weights,
    average,
    is_causal,
):
    """Attention of [N, L, E] inputs. extra: (bias_k, bias_v, add_zero_attn); output: (weight, bias) of the
    last projection; masks: (attn_mask, key_padding_mask). Returns output [N, L, E] and weights or None."""
    attn_mask, padding = masks
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    batch, length, _ = query.shape
    source = key.shape[1]
    if tuple(key.shape[:2]) != tuple(value.shape[:2]):
        raise AssertionError(f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}")
    is_causal = is_causal and padding is None and not need_weights
    mask = None if is_causal else additive_mask(attn_mask, "attn_mask", query.dtype)
    mask = _attention_mask(mask, batch, num_heads, length, source)
    mask = _merged_masks(mask, padding, batch, source, query.dtype)
    q, k, v = project(query, key, value, weights, biases)
    k, v = _with_more_keys(k, v, *extra)
    mask = _widened(mask, k.shape[1] - source)
    heads, seen = attend(q, k, v, num_heads, mask, dropout, need_weights, average, is_causal)
    return _nn["linear"](heads, *output), seen


def _check_width(width, expected, num_heads):
    if width != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {width}")
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")


def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    """What MultiheadAttention computes, with its parameters as arguments: query [L, N, E] or [L, E]."""
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    _check_width(query.shape[-1], embed_dim_to_check, num_heads)
    if static_k is not None or static_v is not None:
        raise NotImplementedError("multi_head_attention_forward: static_k and static_v are not supported")
    same = query is key and key is value
    query, key, value = (x.transpose(0, 1) if batched else x.unsqueeze(0) for x in (query, key, value))
    if not batched and key_padding_mask is not None:
        key_padding_mask = key_padding_mask.unsqueeze(0)
    if same:
        key = value = query
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    output, seen = attention_batch_first(
        query,
        key,
        value,
        num_heads,
        weights,
        in_proj_bias,
        (bias_k, bias_v, add_zero_attn),
        (out_proj_weight, out_proj_bias),
        (attn_mask, key_padding_mask),
        dropout_p if training else 0.0,
        need_weights,
        average_attn_weights,
        is_causal,
    )
    if not batched:
        return output.squeeze(0), None if seen is None else seen.squeeze(0)
    return output.transpose(0, 1), seen
