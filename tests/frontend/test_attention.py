"""Grouped heads: a head of key and value serves several of query."""

from __future__ import annotations

import pytest

import opsmith as torch
from opsmith.nn import functional as F


def test_grouped_heads_equal_repeated_ones():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 3, 5), torch.randn(2, 2, 6, 5), torch.randn(2, 2, 6, 5)
    got = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    k4, v4 = (torch.stack([t[:, 0], t[:, 0], t[:, 1], t[:, 1]], 1) for t in (k, v))
    assert torch.equal(got, F.scaled_dot_product_attention(q, k4, v4))


def test_heads_that_do_not_divide():
    q, k = torch.ones(1, 4, 2, 2), torch.ones(1, 3, 2, 2)
    with pytest.raises(RuntimeError, match="must divide the number of heads in query"):
        F.scaled_dot_product_attention(q, k, k, enable_gqa=True)
    with pytest.raises(RuntimeError, match="needs a dimension of heads"):
        F.scaled_dot_product_attention(q[0, 0], k[0, 0], k[0, 0], enable_gqa=True)
