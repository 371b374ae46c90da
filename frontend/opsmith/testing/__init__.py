"""Helpers for tests: comparing tensors, making them, checking gradients and whole ops."""

from ..autograd.gradcheck import gradcheck, gradgradcheck
from ._close import assert_allclose, assert_close
from ._make import make_tensor
from ._opcheck import opcheck


def __getattr__(name: str) -> object:
    from opsmith._names import missing

    raise missing(__name__, name)


__all__ = [
    "assert_allclose", "assert_close", "gradcheck", "gradgradcheck", "make_tensor", "opcheck",
]  # fmt: skip
