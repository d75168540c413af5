"""Attention whose scores and mask are functions of positions: Dong et al. 2024, arXiv:2412.05496.

Scores are computed for all pairs of queries and keys; a mask saves no work here.
"""

import inspect
from typing import NamedTuple

from ... import _C
from ..._C import Tensor
from ...func import vmap

_ops = _C._homes["taper"]
_BOOL = _C.bool
_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What flex_attention shall give beside its output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What flex_attention gave beside its output, [B, H, L] each; None where it was not asked for."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch, head, token_q, token_kv):
    """The mask that hides nothing."""
    return batch.new_ones((), dtype=_BOOL)


def _positions(sizes, device):
    return [_ops["arange"](size, device=device) for size in sizes]


def _for_all(function, scores=False):
    """function of one (score,) batch, head, query and key position, for all of them."""
    first = (0,) if scores else ()
    for place in (3, 2, 1, 0):
        where = [None] * 4
        where[place] = 0
        function = vmap(function, in_dims=(*first, *where))
    return function


def create_mask(mod_fn, B, H, Q_LEN, KV_LEN, device="cpu"):
    """What a mask shows, or where a score function does not give -inf: bool [B, H, Q_LEN, KV_LEN]."""
    positions = _positions((B or 1, H or 1, Q_LEN, KV_LEN), device)
    shape = tuple(len(p) for p in positions)
    if len(inspect.signature(mod_fn).parameters) == 5:
        scores = _for_all(mod_fn, scores=True)(_ops["zeros"](shape, device=device), *positions)
        return ~scores.isneginf()
    return _for_all(mod_fn)(*positions).expand(shape)


class BlockMask:
    """A mask function with the sizes for which it holds."""

    def __init__(self, mask_mod, seq_lengths, BLOCK_SIZE, batch, heads, device):
        self.mask_mod, self.seq_lengths, self.BLOCK_SIZE = mask_mod, tuple(seq_lengths), BLOCK_SIZE
        self._batch, self._heads, self.device = batch, heads, device

    shape = property(lambda self: (self._batch, self._heads, *self.seq_lengths))

    def numel(self):
        """Pairs of a query and a key."""
        return self._batch * self._heads * self.seq_lengths[0] * self.seq_lengths[1]

    def _mask(self):
        return create_mask(self.mask_mod, *self.shape, device=self.device)

    def to_dense(self):
        """1 for each block of queries and keys that the mask does not hide, int32 [B, H, blocks, blocks]."""
        q_size, kv_size = self.BLOCK_SIZE
        mask = self._mask()
        rows, columns = (-size % step for size, step in zip(mask.shape[-2:], (q_size, kv_size)))
        padded = _ops["constant_pad_nd"](mask.int(), (0, columns, 0, rows), 0)
        return padded.unflatten(-1, (-1, kv_size)).unflatten(-3, (-1, q_size)).amax((-3, -1))

    def sparsity(self):
        """The percentage of blocks that are hidden."""
        return 100.0 * (1.0 - self.to_dense().float().mean().item())

    def to(self, device):
        """The mask for tensors on another device."""
        return BlockMask(self.mask_mod, self.seq_lengths, self.BLOCK_SIZE, self._batch, self._heads, device)

    def __repr__(self):
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod,
    B,
    H,
    Q_LEN,
    KV_LEN,
    device="cpu",
    BLOCK_SIZE=_DEFAULT_SPARSE_BLOCK_SIZE,
    _compile=False,
    **options,
):
    """mask_mod(batch, head, query, key) for these sizes; B or H None: the same for all."""
    sizes = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    return BlockMask(mask_mod, (Q_LEN, KV_LEN), sizes, B or 1, H or 1, device)


def create_nested_block_mask(*args, **kwargs):
    """Masks for nested tensors, of which there are none here: raises NotImplementedError."""
    raise NotImplementedError("create_nested_block_mask: there are no nested tensors")


def or_masks(*mask_mods):
    """The mask that shows what one of the masks shows."""

    def shown(b, h, q_idx, kv_idx):
        result = b.new_zeros((), dtype=_BOOL)
        for mask_mod in mask_mods:
            result = result | mask_mod(b, h, q_idx, kv_idx)
        return result

    return shown


def and_masks(*mask_mods):
    """The mask that shows what all of the masks show."""

    def shown(b, h, q_idx, kv_idx):
        result = b.new_ones((), dtype=_BOOL)
        for mask_mod in mask_mods:
            result = result & mask_mod(b, h, q_idx, kv_idx)
        return result

    return shown


def flex_attention(
    query,
    key,
    value,
    score_mod=None,
    block_mask=None,
    scale=None,
    enable_gqa=False,
    return_lse=False,
    kernel_options=None,
    *,
    return_aux=None,
):
    """Attention of queries [B, Hq, L, E] over keys [B, Hkv, S, E] and values [B, Hkv, S, Ev]: [B, Hq, L, Ev].

    score_mod(score, batch, head, query, key) changes the scaled score of a pair; what block_mask hides
    counts as -inf; a query that sees no key gets zeros. enable_gqa: each key serves Hq / Hkv heads. With
    return_lse, also the logsumexp of the scores [B, Hq, L]; with return_aux, an AuxOutput of what it asks
    for. Throws ValueError where heads do not fit.
    """
    heads, groups = query.shape[1], key.shape[1]
    if heads != groups:
        if not enable_gqa or heads % groups:
            raise ValueError(
                f"flex_attention: {heads} heads of queries over {groups} of keys need enable_gqa=True and a "
                "multiple"
            )
        key, value = (x.repeat_interleave(heads // groups, 1) for x in (key, value))
    key, value = (x.expand(query.shape[0], *x.shape[1:]) for x in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores.float() if scores.itemsize < 4 else scores
    if score_mod is not None:
        scores = _for_all(score_mod, scores=True)(scores, *_positions(scores.shape, scores.device))
    if block_mask is not None:
        length, width = scores.shape[-2:]
        if block_mask.seq_lengths[0] < length or block_mask.seq_lengths[1] < width:
            raise ValueError(
                f"flex_attention: block_mask is for sizes {block_mask.seq_lengths}, got {(length, width)}"
            )
        mask = create_mask(block_mask.mask_mod, *block_mask.shape[:2], length, width, scores.device)
        scores = scores.masked_fill(~mask, float("-inf"))
    largest = scores.amax(-1, keepdim=True)
    weights = scores.softmax(-1).masked_fill(largest.isneginf(), 0.0)
    output = weights.to(value.dtype) @ value
    if return_aux is not None:
        lse = scores.logsumexp(-1) if return_aux.lse else None
        return output, AuxOutput(lse, largest.squeeze(-1) if return_aux.max_scores else None)
    return (output, scores.logsumexp(-1)) if return_lse else output
