"""Index notation: programs, adjoints against central differences, recognised structures."""

import re

import numpy as np
import pytest

from opsmithc import formula as fm
from opsmithc import paths, registry
from opsmithc.derive import index
from opsmithc.lower import index as lower
from opsmithc.readings import index as reading
from opsmithc.schema import Param


def load_index_ops():
    """The entries in index notation alone: bodies call ops of other families."""
    entries = re.split(r"(?m)^(?=- op: )", paths.OPS_YAML.read_text(encoding="utf-8"))
    kept = [e for e in entries if re.search(r"(?m)^  index: ", e)]
    return {op.name: op for op in registry.parse("".join(kept), "ops.yaml")}


OPS = load_index_ops()
ALL = {a.name: a for op in OPS.values() for a in (op, *index.adjoint_ops(op))}
CASES = [(name, k) for name, op in OPS.items() for k in range(len(op.samples))]


def arguments(op, sample, rng, floats=np.float64):
    """Tensors and parameters of a sample; `int_range` bounds positions."""
    tensors, params = {}, {}
    low, high = sample.get("int_range", (0, 2))
    for p in op.schema.params:
        value = sample.get(p.name)
        if p.type.base == "Tensor" and value is None:
            tensors[p.name] = None
        elif p.type.base == "Tensor" and op.dtype.classes.get(p.name) == "integral":
            tensors[p.name] = rng.integers(low, high, value)
        elif p.type.base == "Tensor":
            tensors[p.name] = rng.normal(size=value).astype(floats)
        else:
            params[p.name] = parameter(p, sample, params)
    return tensors, params


def parameter(p: Param, sample, params):
    """A parameter's value: given, or its default; one value stands for a whole list."""
    value = sample.get(p.name, registry.literal(p.default or "None"))
    value = params.get(value, value) if isinstance(value, str) else value
    if p.type.is_list and p.type.length and value is not None and not isinstance(value, list):
        return [value] * p.type.length
    return value


def places(op, tensors, params):
    """Outputs that say where a selection found its values: gradients read them."""
    found = reading.run(index.analyse(op), tensors, params)
    return dict(zip(op.schema.outputs[1:], found[1:], strict=True))


def evaluate(node, op, tensors, params, g):
    """A gradient program: calls of index ops on arrays."""
    kept = places(op, tensors, params)
    scope = {**tensors, **params, **kept, "g": g, f"g_{op.schema.outputs[0]}": g}
    return _evaluate(node, scope)


def _evaluate(node, scope):
    match node:
        case fm.Name(id=name):
            return scope[name]
        case fm.Nil():
            return None
        case fm.Attr(base=fm.Name(id=t), name="shape"):
            return list(scope[t].shape)
        case fm.Attr(base=fm.Name(id=t), name="mT"):
            return scope[t].swapaxes(-1, -2)
        case fm.Call(fn=fn, args=args, kwargs=kwargs):
            callee = ALL[fn]
            values = dict(zip([p.name for p in callee.schema.params], args, strict=False))
            values = {k: _evaluate(v, scope) for k, v in (values | dict(kwargs)).items()}
            tensors = {p.name: values[p.name] for p in callee.schema.tensors}
            params = {
                p.name: values.get(p.name, registry.literal(p.default or "None"))
                for p in callee.schema.params if p.type.base != "Tensor"
            }  # fmt: skip
            return reading.run(index.analyse(callee), tensors, params)[0]
    raise AssertionError(node)


def gradients(op):
    """Every gradient of an op, declared or derived."""
    full = index.with_gradients(op)
    return {k: f.node for k, f in {**op.transpose, **full.grad}.items()}


def differentiable(op, tensors):
    return [t for t in index.differentiable(op) if tensors.get(t) is not None]


def assert_slopes(gradient, program, tensors, params, g, name, rng):
    """The gradient's slope along a random direction is the central difference."""
    assert gradient.shape == tensors[name].shape
    for _ in range(2):
        direction = rng.normal(size=gradient.shape)
        want = reading.slope(program, tensors, params, g, name, direction)
        got = float((gradient * direction).sum())
        assert np.isclose(got, want, rtol=1e-5, atol=1e-6), f"{program.op.name}: {name}"


@pytest.mark.parametrize(("name", "k"), CASES)
def test_adjoints_match_differences(name, k):
    op, rng = OPS[name], np.random.default_rng(k)
    tensors, params = arguments(op, op.samples[k], rng)
    program = index.analyse(op)
    g = rng.normal(size=reading.run(program, tensors, params)[0].shape)
    found = gradients(op)
    if "backward" in op.unsupported:
        assert not found
        return
    for tensor in differentiable(op, tensors):
        got = evaluate(found[tensor], op, tensors, params, g)
        assert_slopes(got, program, tensors, params, g, tensor, rng)


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if "backward" not in op.unsupported])
def test_adjoints_of_adjoints_match_differences(name):
    op, rng = OPS[name], np.random.default_rng(0)
    tensors, params = arguments(op, op.samples[0], rng)
    shape = reading.run(index.analyse(op), tensors, params)[0].shape
    for tensor in index.with_gradients(op).grad:
        adjoint = ALL.get(f"{name}_adjoint_{tensor}")
        if adjoint is None:
            continue
        known = tensors | places(op, tensors, params)
        inner = {p.name: known.get(p.name) for p in adjoint.schema.tensors}
        inner["grad_output"] = rng.normal(size=shape)
        values = {**params, "size": list(tensors[tensor].shape)}
        program = index.analyse(adjoint)
        g = rng.normal(size=reading.run(program, inner, values)[0].shape)
        for t, f in adjoint.grad.items():
            got = evaluate(f.node, adjoint, inner, values, g)
            assert_slopes(got, program, inner, values, g, t, rng)


def test_every_gradient_calls_known_ops():
    for op in ALL.values():
        for f in op.grad.values():
            for node in fm.walk(f.node):
                if isinstance(node, fm.Call):
                    assert node.fn in ALL, f"{op.name}: {f.text}"


def test_families_are_closed():
    """Deriving an adjoint's gradients brings no new op: every order is a call of these."""
    for op in ALL.values():
        if index.is_adjoint(op):
            assert set(op.grad) <= set(index.differentiable(op))
            assert "grad_output" in op.grad, op.name


def structure(name):
    return lower.render_context(ALL[name]).structure


def test_structures_are_recognised_not_named():
    assert structure("mm") == structure("bmm") == structure("linear") == "a matrix product"
    assert structure("linear_adjoint_weight") == structure("mv_adjoint_vec") == "a matrix product"
    assert structure("conv2d") == "a convolution (forward)"
    assert structure("conv2d_adjoint_input") == "a convolution (backward input)"
    assert structure("conv3d_adjoint_weight") == "a convolution (backward weight)"
    assert structure("conv_transpose2d_map") == "a convolution (backward input)"
    assert structure("conv_transpose2d_map_adjoint_input") == "a convolution (forward)"
    assert structure("conv_transpose1d_map_adjoint_weight") == "a convolution (backward weight)"


@pytest.mark.parametrize("left", ["ik", "ki"])
@pytest.mark.parametrize("right", ["kj", "jk"])
@pytest.mark.parametrize("out", ["ij", "ji"])
def test_any_transposition_is_a_matrix_product(left, right, out):
    a, b, c = (", ".join(x) for x in (left, right, out))
    text = f"""
- op: product(Tensor input, Tensor other) -> Tensor
  index: out[{c}] = sum(input[{a}] * other[{b}] for k in K)
"""
    (op,) = registry.parse(text)
    assert lower.render_context(op).structure == "a matrix product"


def test_a_formula_that_is_not_linear_is_derived_to_second_order():
    text = """
- op: distances(Tensor input, Tensor other) -> Tensor
  index: out[i, j] = sum((input[i, k] - other[j, k]) * (input[i, k] - other[j, k]) for k in K)
  dtype: same
"""
    (op,) = registry.parse(text)
    rng = np.random.default_rng(0)
    tensors = {"input": rng.normal(size=(3, 4)), "other": rng.normal(size=(2, 4))}
    program = index.analyse(op)
    g = rng.normal(size=(3, 2))
    ALL.update({a.name: a for a in index.adjoint_ops(op)})
    for t in ("input", "other"):
        assert_slopes(
            evaluate(gradients(op)[t], op, tensors, {}, g), program, tensors, {}, g, t, rng
        )
        adjoint = ALL[f"distances_adjoint_{t}"]
        inner, values = {**tensors, "grad_output": g}, {"size": list(tensors[t].shape)}
        second = index.analyse(adjoint)
        v = rng.normal(size=tensors[t].shape)
        assert set(adjoint.grad) == {"grad_output", "input", "other"}
        for s, f in adjoint.grad.items():
            got = evaluate(f.node, adjoint, inner, values, v)
            assert_slopes(got, second, inner, values, v, s, rng)


def test_generated_text_is_deterministic():
    from opsmithc import emit

    for name in ("conv2d", "avg_pool2d", "scatter_add", "embedding_adjoint_weight"):
        texts = {emit.render("c/index.c.j2", lower.render_context(ALL[name])) for _ in range(2)}
        assert len(texts) == 1


@pytest.mark.parametrize(("formula", "message"), [
    ("out[i] = sum(input[i, k] for k in K) + sum(input[i, k] for k in K)", "one fold"),
    ("out[i] = sum(input[i, k + 1] for k in K)", "give dims of 'input'"),
])  # fmt: skip
def test_mistakes_have_a_place(formula, message):
    text = f"- op: wrong(Tensor input) -> Tensor\n  index: {formula}\n"
    with pytest.raises(Exception, match=message) as caught:
        (op,) = registry.parse(text)
        index.analyse(op)
    assert "wrong" in str(caught.value)


def test_a_selection_that_returns_its_places_is_not_searched_again():
    for name in ("max_pool1d", "max_pool2d", "adaptive_max_pool2d"):
        adjoint = ALL[f"{name}_with_indices_adjoint_input"]
        assert [p.name for p in adjoint.schema.tensors] == ["grad_output", "indices"]
        assert index.analyse(adjoint).scatter
