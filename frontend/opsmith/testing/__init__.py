"""Helpers for tests: comparing tensors, making them, checking gradients and whole ops."""

from ..autograd.gradcheck import gradcheck, gradgradcheck
from ._close import assert_close
from ._make import make_tensor
from ._opcheck import opcheck

__all__ = ["assert_close", "gradcheck", "gradgradcheck", "make_tensor", "opcheck"]
