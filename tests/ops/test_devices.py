"""Operands of two devices are refused by every op, wherever the odd one stands."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import opsmith
from opsmithc import samples
from opsmithc.derive.op import Derived
from opsmithc.dtypes import DType
from opsmithc.readings.value import Values

from . import harness as h
from .harness import skip_refused
from .test_meta import to_meta


def tensors_in(v: Any) -> list[Any]:
    if isinstance(v, list):
        return [t for x in v for t in tensors_in(x)]
    return [v] if hasattr(v, "is_meta") else []


def pass_for_numbers(args: dict[str, Any]) -> bool:
    """0-d tensors of the CPU may meet tensors of any device."""
    return all(t.is_meta or t.ndim == 0 for v in args.values() for t in tensors_in(v))


@pytest.mark.trial("meta")
def test_mixed_operands(derived: Derived, dtype: DType, values: Values) -> None:
    op = derived.op
    skip_refused(op, dtype, values)
    names = [p.name for p in op.schema.params if p.type.is_tensor]
    for case in samples.cases(op, dtype, h.SEED):
        args = h.arguments(case)
        for name in names:
            if args.get(name) is None:
                continue
            mixed = {n: to_meta(v) if n == name else v for n, v in args.items()}
            if pass_for_numbers(mixed):
                continue
            try:
                results = h.call(op, mixed)
            except (RuntimeError, NotImplementedError) as e:
                assert "device" in str(e) or "meta" in str(e), case
                continue
            for got, want in zip(results, h.call(op, args), strict=True):  # no element was read
                assert got.is_meta or got.tolist() == want.tolist(), case


@pytest.mark.trial("out")
@pytest.mark.where(lambda d: "out" in d.op.variants)
def test_out_on_another_device(derived: Derived, dtype: DType, values: Values) -> None:
    op = derived.op
    skip_refused(op, dtype, values)
    for case in itertools.islice(samples.cases(op, dtype, h.SEED), 2):
        args = h.arguments(case)
        results = h.call(op, args)
        if not all(hasattr(r, "is_meta") for r in results):
            continue
        away = [r.to("meta") for r in results]
        with pytest.raises((RuntimeError, NotImplementedError), match="device|meta"):
            h.call(op, args, out=away[0] if len(away) == 1 else tuple(away))


EVERYDAY = (
    lambda c, m: c + m,
    lambda c, m: c @ m,
    lambda c, m: c.bmm(m),
    lambda c, m: opsmith.einsum("bij,bjk->bik", c, m),
    lambda c, m: opsmith.nn.functional.linear(c, m[0]),
    lambda c, m: opsmith.nn.functional.conv1d(c, m),
    lambda c, m: c[m.long()],
    lambda c, m: c.gather(0, m.long()),
    lambda c, m: c.scatter(0, m.long(), c),
    lambda c, m: c.index_select(0, m[0, 0].long()),
    lambda c, m: c.index_add(0, m[0, 0].long(), c),
    lambda c, m: c.clamp(m, m),
    lambda c, m: c.copy_(m),
    lambda c, m: c.__setitem__(0, m[0]),
    lambda c, m: opsmith.cat([c, m]),
    lambda c, m: opsmith.stack([c, m]),
    lambda c, m: opsmith.where(c > 0, c, m),
    lambda c, m: opsmith.add(c, c, out=m),
    lambda c, m: opsmith.add(m, m, out=c),
    lambda c, m: opsmith.exp(c, out=m),
    lambda c, m: c + m.sum(),
    lambda c, m: c.requires_grad_().mul(2).backward(m),
)


@pytest.mark.parametrize("number", range(len(EVERYDAY)))
def test_everyday_calls(number: int) -> None:
    c = opsmith.ones(2, 2, 2)
    with pytest.raises((RuntimeError, NotImplementedError), match="device|meta"):
        EVERYDAY[number](c, c.to("meta"))


def test_indices_may_stand_on_the_cpu() -> None:
    m = opsmith.ones(4, 3, device="meta")
    assert m[opsmith.tensor([0, 2])].shape == m[[0, 2]].shape == (2, 3)
    assert m[:, opsmith.tensor([0, 2])].shape == (4, 2)


def test_numbers_may_stand_on_the_cpu() -> None:
    assert (opsmith.ones(3, device="meta") + opsmith.tensor(1.0)).is_meta


@pytest.mark.parametrize(
    "listed",
    [
        lambda: opsmith.ones(3, 2, 2),
        lambda: (opsmith.ones(2, 2) for _ in range(3)),
        lambda: iter([opsmith.ones(2)]),
    ],
)
def test_a_list_of_tensors_is_a_list_or_a_tuple(listed: Any) -> None:
    for fn in (opsmith.cat, opsmith.stack):
        with pytest.raises(TypeError, match="must be tuple of Tensors"):
            fn(listed())


def test_a_list_whose_items_are_made_when_read() -> None:
    class Lazy(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            return (opsmith.full((4,), float(k)) for k in range(3))

    for _ in range(200):
        keep = [opsmith.randn(4) for _ in range(20)]
        del keep
        assert opsmith.stack(Lazy())[:, 0].tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("fn", [opsmith.tril_indices, opsmith.triu_indices])
def test_positions_of_a_triangle_stand_where_they_are_asked_for(fn: Any) -> None:
    assert fn(3, 3, device="meta").is_meta and fn(3, 3).shape == fn(3, 3, device="meta").shape
