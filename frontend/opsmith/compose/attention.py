"""Attention over public operations."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._dtypes import bool_


def _for_heads_of(query: Tensor, shared: Tensor, name: str) -> Tensor:
    """Each head of ``shared`` as often as it serves a head of ``query``."""
    if query.ndim < 3 or shared.ndim < 3:
        raise RuntimeError(
            "scaled_dot_product_attention: enable_gqa needs a dimension of heads, the third from "
            f"the end; query has {query.ndim} dimensions, {name.lower()} {shared.ndim}"
        )
    heads, groups = query.shape[-3], shared.shape[-3]
    if heads == groups:
        return shared
    if groups == 0 or heads % groups:
        raise RuntimeError(
            "Number of heads in key and value must divide the number of heads in query; "
            f"{name} has {groups}, query {heads}"
        )
    return f.repeat_interleave(shared, heads // groups, -3)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, dropout_p: float,
    is_causal: bool, scale: Any, enable_gqa: bool,
) -> Tensor:  # fmt: skip
    """softmax(query @ key.mT * scale + mask) @ value; with ``enable_gqa`` heads of query share."""
    if enable_gqa:
        key, value = _for_heads_of(query, key, "Key"), _for_heads_of(query, value, "Value")
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True"
        )
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = f.matmul(f.mul(query, factor), f.mT(key))
    if is_causal:
        attn_mask = f.ge(f.positions(scores, -2), f.positions(scores, -1))
    if attn_mask is None:
        weights = f.softmax(scores, -1)
    elif attn_mask.dtype is bool_:
        hidden = f.logical_not(attn_mask)
        weights = f.softmax(f.masked_fill(scores, hidden, float("-inf")), -1)
        if not is_causal:  # a query that may look nowhere gets 0, not NaN
            weights = f.masked_fill(weights, hidden, 0.0)
    else:
        weights = f.softmax(f.add(scores, attn_mask), -1)
    if dropout_p > 0:
        weights = f.dropout(weights, dropout_p, True)
    return f.matmul(weights, value)
