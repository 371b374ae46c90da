"""Attention over public operations."""

from __future__ import annotations

from typing import Any

from .. import _functions as f
from .._core import Tensor
from .._dtypes import bool_


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, dropout_p: float,
    is_causal: bool, scale: Any, enable_gqa: bool,
) -> Tensor:  # fmt: skip
    """softmax(query @ key.mT * scale + mask) @ value.

    Raises:
        NotImplementedError: for grouped heads.
    """
    if enable_gqa:
        raise NotImplementedError("scaled_dot_product_attention: enable_gqa is not supported yet")
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
