"""In: schema parameters. Out: how each crosses from Python to C, in one table.

Must not know: kernels or files. Only this module and runtime/include/opsmith/abi.h know the
encodings; every generated text asks here.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import FormulaError
from .schema import Param


@dataclass(frozen=True, slots=True)
class Encoding:
    """One parameter at the boundary.

    ``py`` is the argument text of the Python call (``{x}`` the value), ``c`` the C parameters,
    ``load`` statements that make the C value, ``value`` the C expression(s) passed on.
    """

    py: str
    c: tuple[str, ...]
    load: tuple[str, ...]
    value: tuple[str, ...]
    record: str = ""  # C condition: does this argument require grad?


def encode(param: Param, dims: bool = False) -> Encoding:
    """The encoding of a parameter; ``dims`` marks a set of axes, passed as a 64-bit mask."""
    t, n = param.type, param.name
    if t.base == "Tensor" and t.is_list:
        return Encoding(
            "*handles({x})",
            (f"const double *h_{n}", f"int64_t n_{n}"),
            (),
            (f"h_{n}", f"n_{n}"),
            f"ops_any_records(h_{n}, n_{n})",
        )
    if t.base == "Tensor":
        py = "(NONE if {x} is None else {x})._h" if t.optional else "{x}._h"
        return Encoding(py, (f"double {n}",), (), (f"ops_from_handle({n})",), f"ops_records({n})")
    if dims:
        return Encoding("DIMS[{x}]", (f"uint64_t {n}",), (), (n,))
    if t.base == "int" and t.is_list:
        py = f"*ints({{x}}, {t.length})" if t.length else "*ints({x})"
        return Encoding(
            py,
            (f"int64_t n_{n}", *(f"int64_t {n}_{k}" for k in range(4))),
            (
                f"int64_t small_{n}[4];",
                f"const int64_t *v_{n} = ops_ints(n_{n}, {', '.join(f'{n}_{k}' for k in range(4))}, "  # noqa: E501
                f"small_{n});",
            ),
            (f"n_{n}", f"v_{n}"),
        )
    if t.base == "int":
        py = "(NO_INT if {x} is None else {x})" if t.optional else "{x}"
        return Encoding(py, (f"int64_t {n}",), (), (n,))
    if t.base == "bool":
        return Encoding("{x}", (f"int {n}",), (), (n,))
    if t.base == "float":
        py = "(NAN if {x} is None else {x})" if t.optional else "{x}"
        return Encoding(py, (f"double {n}",), (), (n,))
    if t.base == "Scalar":
        return Encoding(
            "*scalar({x})",
            (f"int {n}_kind", f"double {n}_f", f"int64_t {n}_i"),
            (),
            (f"ops_make_scalar({n}_kind, {n}_f, {n}_i)",),
        )
    if t.base == "dtype":
        return Encoding("(-1 if {x} is None else {x}.code)", (f"int {n}",), (), (n,))
    if t.base == "device":
        return Encoding("device_code({x})", (f"int {n}",), (), (n,))
    raise FormulaError(f"a parameter of type '{t}' cannot be passed to C; use a body or compose")


def kernel_params(param: Param, dims: bool = False) -> tuple[str, ...]:
    """C parameters of the inner function, after decoding."""
    t, n = param.type, param.name
    if t.base == "Tensor" and t.is_list:
        return (f"const double *{n}", f"int64_t n_{n}")
    if t.base == "Tensor":
        return (f"ops_tensor *{n}",)
    if dims:
        return (f"uint64_t {n}",)
    if t.base == "int" and t.is_list:
        return (f"int64_t n_{n}", f"const int64_t *{n}")
    ctype = {
        "int": "int64_t", "bool": "int", "float": "double", "Scalar": "ops_scalar",
        "dtype": "int", "device": "int",
    }[t.base]  # fmt: skip
    return (f"{ctype} {n}",)
