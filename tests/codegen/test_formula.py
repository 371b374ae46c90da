"""Formula text and tree say the same; the readings agree on values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsmithc import formula as fm
from opsmithc.errors import FormulaError
from opsmithc.intrinsics import table
from opsmithc.readings.mp import READING, evaluate_mp, mpf
from opsmithc.readings.np import READING as NUMPY
from opsmithc.readings.np import evaluate_np

leaves = st.one_of(
    st.integers(0, 99).map(fm.Num),
    st.floats(0, 1e9, allow_nan=False).map(fm.Num),
    st.sampled_from(["input", "other", "g", "out"]).map(fm.Name),
    st.booleans().map(fm.Num),
    st.sampled_from(["mean", "it's"]).map(fm.Str),
    st.just(fm.Nil()),
)
BINARY = ["+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "@"]
COMPARE = ["==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"]


def _grow(inner: st.SearchStrategy[fm.Node]) -> st.SearchStrategy[fm.Node]:
    two = st.tuples(inner, inner)
    some = st.lists(inner, max_size=3).map(tuple)
    keys = st.sampled_from(["dim", "alpha"])
    loops = st.tuples(st.tuples(st.sampled_from(["k", "q"]), inner))
    return st.one_of(
        st.builds(fm.Unary, st.sampled_from(["-", "~", "not"]), inner).filter(_no_negative_number),
        st.builds(lambda o, t: fm.Binary(o, *t), st.sampled_from(BINARY), two),
        st.builds(lambda o, t: fm.Compare(o, *t), st.sampled_from(COMPARE), two),
        st.builds(fm.Logic, st.sampled_from(["and", "or"]), two),
        st.builds(fm.Call, st.sampled_from(["exp", "where", "f"]), some,
                  st.lists(st.tuples(keys, inner), max_size=1).map(tuple)),
        st.builds(fm.Item, inner, st.lists(inner, min_size=1, max_size=2).map(tuple)),
        st.builds(fm.Attr, st.sampled_from(["a", "b"]).map(fm.Name), st.just("ndim")),
        st.builds(fm.IfExp, inner, inner, inner),
        st.builds(fm.Seq, some),
        st.builds(fm.Fold, st.sampled_from(fm.FOLDS), inner, loops),
    )  # fmt: skip


def _no_negative_number(node: fm.Unary) -> bool:
    return not (node.op == "-" and isinstance(node.arg, fm.Num))  # parses to a negative number


trees: st.SearchStrategy[fm.Node] = st.deferred(lambda: leaves | _grow(trees))


@given(trees)
def test_unparse_then_parse_gives_the_tree(tree: fm.Node) -> None:
    assert fm.parse(fm.unparse(tree)) == tree


@pytest.mark.parametrize(
    "text",
    ["a - (b - c)", "-a ** 2", "(-a) ** 2", "2 ** -x", "a < b and not c", "inf", "-inf", "nan",
     "(a if b else c) + 1", "x[i, j - 1]", "sum(a[k] for k in K)", "a == (b == c)"],
)  # fmt: skip
def test_text_survives(text: str) -> None:
    tree = fm.parse(text)
    assert str(fm.parse(fm.unparse(tree))) == str(tree)


@pytest.mark.parametrize(
    "text", ["lambda x: x", "f(*a)", "{1: 2}", "a := 1", "x[1:2]", "[i for i in x]"]
)
def test_outside_the_language(text: str) -> None:
    with pytest.raises(FormulaError):
        fm.parse(text)


def test_blocks_inline() -> None:
    block = fm.parse_block("m = exp(x)\nk = m + 1\nk * m")
    assert fm.unparse(fm.inline(block)) == "(exp(x) + 1) * exp(x)"


# Readings ----------------------------------------------------------------------------------------

POINTS = (
    0.0,
    1.0,
    -1.0,
    0.3,
    -0.7,
    2.5,
    -2.5,
    3.0,
    1e-8,
    -40.0,
    1e10,
    math.inf,
    -math.inf,
    math.nan,
)


@pytest.mark.parametrize(
    "name", [n for n, r in table().items() if r.args and not r.random and r.mp]
)
def test_the_readings_of_an_intrinsic_agree(name: str) -> None:
    row = table()[name]
    precise, quick = READING.function(name, 0), NUMPY.function(name, 0)
    whole = row.classes == ("int",)
    points = [p for p in POINTS if not whole or (math.isfinite(p) and p == int(p))]
    orders = [p for p in points if not abs(p) > 64 or math.isinf(p)]  # steps of a recurrence
    grid = np.meshgrid(*[orders if arg == "n" else points for arg in row.args])
    for values in zip(*(a.ravel() for a in grid), strict=True):
        if (
            name == "div_trunc"
            and abs(values[1]) == 1e-8
            or name == "i0"
            and abs(values[0]) == math.inf
        ):
            continue  # x / y rounds to a whole number in float64; np.i0(inf) is nan
        want = float(precise(*map(mpf, values)))
        with np.errstate(all="ignore"):
            arrays = [np.array([v], dtype=np.int64 if whole else np.float64) for v in values]
            got = float(quick(*arrays)[0])
        np.testing.assert_allclose(got, want, rtol=2e-13, atol=1e-300, err_msg=f"{name}{values}")


def test_arithmetic_never_raises() -> None:
    env = {"x": mpf(0), "one": mpf(1)}
    values = {
        "one / x": math.inf, "-one / x": -math.inf, "x / x": math.nan, "log(-one)": math.nan,
        "log(x)": -math.inf, "sqrt(-one)": math.nan, "x ** -one": math.inf, "one % x": math.nan,
        "(one / x) - (one / x)": math.nan, "x * (one / x)": math.nan, "acosh(x)": math.nan,
    }  # fmt: skip
    for text, want in values.items():
        np.testing.assert_equal(float(evaluate_mp(fm.parse(text), env)), want, err_msg=text)


def test_where_is_lazy() -> None:
    node = fm.parse("where(x == 0, 0, missing / x)")
    assert evaluate_mp(node, {"x": mpf(0)}) == 0


def test_sixty_digits() -> None:
    value = evaluate_mp(fm.parse("1 / 3 - x"), {"x": mpf(1) / 3})
    assert abs(value) < mpf(10) ** -59


def test_rows_by_both_readings() -> None:
    row = [0.5, -1.0, 2.0]
    node = fm.parse("exp(x - amax(x, -1, True)) / sum(exp(x - amax(x, -1, True)), -1, True)")
    exact = np.empty(3, dtype=object)
    exact[:] = [mpf(v) for v in row]
    got = [float(v) for v in evaluate_mp(node, {"x": exact})]
    np.testing.assert_allclose(got, evaluate_np(node, {"x": np.array(row)}), rtol=1e-15)
