"""Special functions, under the names that SciPy and PyTorch have for them."""

from __future__ import annotations

from . import _loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Name -> the registry's op; those of one name are in one list.
_SAME = (
    "digamma entr erf erfc erfcx erfinv exp2 expm1 i0 i0e i1 i1e log1p log_ndtr log_softmax logit "
    "logsumexp ndtr ndtri polygamma round sinc softmax xlog1py xlogy zeta"
).split()
_OPERATIONS = dict.fromkeys(_SAME, "") | {
    "expit": "sigmoid",
    "gammainc": "igamma",
    "gammaincc": "igammac",
    "gammaln": "lgamma",
    "multigammaln": "mvlgamma",
    "psi": "digamma",
    "bessel_j0": "j0",
    "bessel_j1": "j1",
    "bessel_y0": "y0",
    "bessel_y1": "y1",
    "modified_bessel_i0": "i0",
    "modified_bessel_i1": "i1",
    "modified_bessel_k0": "k0",
    "modified_bessel_k1": "k1",
    "scaled_modified_bessel_k0": "k0e",
    "scaled_modified_bessel_k1": "k1e",
    "spherical_bessel_j0": "spherical_j0",
    **{f"chebyshev_polynomial_{k}": f"chebyshev_{k}" for k in "tuvw"},
    **{f"shifted_chebyshev_polynomial_{k}": f"shifted_{k}" for k in "tuvw"},
    "hermite_polynomial_h": "hermite_h",
    "hermite_polynomial_he": "hermite_he",
    "laguerre_polynomial_l": "laguerre",
    "legendre_polynomial_p": "legendre",
}


def __getattr__(name: str) -> Any:
    if name not in _OPERATIONS:
        from ._names import missing

        raise missing(__name__, name)
    globals()[name] = found = _loading.lookup(_OPERATIONS[name] or name)
    return found


def __dir__() -> list[str]:
    return sorted(_OPERATIONS)


__all__ = list(_OPERATIONS)
