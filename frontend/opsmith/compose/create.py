"""Creation functions under the names the registry gives them."""

from .._create import empty_like, full_like, ones_like, zeros_like

__all__ = ["empty_like", "full_like", "ones_like", "zeros_like"]
