"""Multi-head attention (Vaswani et al., 2017): the function that `nn.MultiheadAttention` calls."""

from __future__ import annotations

import math
from typing import Any

import opsmith
from opsmith import Tensor
from opsmith import _functions as _f

__all__ = ["multi_head_attention_forward"]


def _as_additive(mask: Tensor | None, dtype: Any) -> Tensor | None:
    """A mask to add to the scores; True in a boolean one means 'do not look here'."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype != opsmith.bool:
        raise AssertionError(
            f"only bool and floating types of attention masks are supported, got {mask.dtype}"
        )
    return opsmith.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, -math.inf)


def _check_mask(mask: Tensor, batch: int, heads: int, queries: int, keys: int) -> Tensor:
    if mask.dim() == 2:
        expected: tuple[int, ...] = (queries, keys)
        shaped = mask.unsqueeze(0).unsqueeze(0)
    elif mask.dim() == 3:
        expected = (batch * heads, queries, keys)
        shaped = mask.reshape(batch, heads, *mask.shape[1:]) if mask.shape == expected else mask
    else:
        raise RuntimeError(f"attn_mask's dimension {mask.dim()} is not supported")
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.dim()}D attn_mask is {tuple(mask.shape)}, but should be "
            f"{expected}."
        )
    return shaped


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, width: int, heads: int, causal_only: bool
) -> None:
    """Refuse operands, of shape (length, batch, width), that do not fit each other."""
    if query.size(2) != width:
        raise AssertionError(
            f"was expecting embedding dimension of {width}, but got {query.size(2)}"
        )
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    if key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
            f"{tuple(value.shape[:2])}"
        )
    if causal_only:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer "
            "module method `generate_square_subsequent_mask` to create this mask."
        )


def _projected(
    inputs: tuple[Tensor, Tensor, Tensor],
    weight: Tensor | None,
    bias: Tensor | None,
    separate: list[Tensor | None] | None,
) -> tuple[Tensor, ...]:
    """Query, key and value after their linear maps: one joint map where all three are the same."""
    query, key, value = inputs
    if query is key and key is value and separate is None:
        return _f.linear(query, weight, bias).chunk(3, -1)
    if separate is None:
        assert weight is not None
        separate = list(weight.chunk(3))
    biases = [None] * 3 if bias is None else list(bias.chunk(3))
    return tuple([_f.linear(x, w, b) for x, w, b in zip(inputs, separate, biases, strict=True)])


def _with_padding(
    mask: Tensor | None, padding: Tensor | None, batch: int, keys: int, appended: int
) -> Tensor | None:
    """The mask over all keys, the ``appended`` ones seen by all, with that of padded keys added."""
    if appended:
        mask = None if mask is None else _f.pad(mask, (0, appended))
    if padding is None:
        return mask
    found = tuple(padding.shape)
    if found != (batch, keys - appended):
        raise AssertionError(
            f"expecting key_padding_mask shape of {(batch, keys - appended)}, but got {found}"
        )
    if appended:
        padding = _f.pad(padding, (0, appended))
    padding = padding.reshape(batch, 1, 1, keys)
    return padding if mask is None else mask + padding


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float
) -> tuple[Tensor, Tensor]:
    """The output and the weights, which the fused op does not give."""
    scores = (q / math.sqrt(q.size(-1))) @ k.transpose(-2, -1)
    attention = _f.softmax(scores if mask is None else scores + mask, -1)
    if dropout > 0.0:
        attention = _f.dropout(attention, dropout, True)
    return attention @ v, attention


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """softmax(Q K^T / sqrt(d) + mask) V for each head, between linear maps.

    Shapes: query (L, N, E), key (S, N, *), value (S, N, *), or all without N; attn_mask (L, S) or
    (N heads, L, S); key_padding_mask (N, S); the output is as the query, the weights (N, L, S), or
    (N, heads, L, S) unless `average_attn_weights`.

    Raises:
        AssertionError: sizes disagree with `embed_dim_to_check` or each other.
        RuntimeError: a mask of a wrong shape, or `is_causal` without the mask.
    """
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    causal_only = is_causal and attn_mask is None
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, causal_only)
    length, batch, width = query.shape
    head = width // num_heads
    separate = [q_proj_weight, k_proj_weight, v_proj_weight] if use_separate_proj_weight else None
    q, k, v = _projected((query, key, value), in_proj_weight, in_proj_bias, separate)

    mask = _as_additive(attn_mask, q.dtype)
    padding = _as_additive(key_padding_mask, q.dtype)
    if mask is not None:
        mask = _check_mask(mask, batch, num_heads, length, k.size(0))
    appended = 0
    if bias_k is not None and bias_v is not None:
        k = opsmith.cat([k, bias_k.expand(1, batch, width)])
        v = opsmith.cat([v, bias_v.expand(1, batch, width)])
        appended += 1

    def heads(x: Tensor) -> Tensor:  # (S, N, E) -> (N, heads, S, head)
        return x.reshape(x.size(0), batch, num_heads, head).permute(1, 2, 0, 3)

    def held(x: Tensor) -> Tensor:  # (N heads, S, head) -> (N, heads, S, head)
        return x.reshape(batch, num_heads, x.size(1), head)

    q = heads(q)
    k = heads(k) if static_k is None else held(static_k)
    v = heads(v) if static_v is None else held(static_v)
    if add_zero_attn:
        zero = opsmith.zeros((batch, num_heads, 1, head), dtype=k.dtype, device=k.device)
        k, v = opsmith.cat([k, zero], 2), opsmith.cat([v, zero], 2)
        appended += 1
    mask = _with_padding(mask, padding, batch, k.size(2), appended)

    dropout = dropout_p if training else 0.0
    attention = None
    if need_weights:
        out, attention = _attend(q, k, v, mask, dropout)
        if average_attn_weights:
            attention = attention.mean(1)
        if not batched:
            attention = attention.squeeze(0)
    else:
        out = _f.scaled_dot_product_attention(q, k, v, mask, dropout)
    out = out.permute(2, 0, 1, 3).reshape(length, batch, width)
    out = _f.linear(out, out_proj_weight, out_proj_bias)
    return (out if batched else out.squeeze(1)), attention
