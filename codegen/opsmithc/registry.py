"""In: registry text (YAML). Out: a tuple of OpDef, or every mistake in the text at once.

Must not know: derivation and targets. Every scalar arrives as text (``reader.py``) and is read by
the key it stands under; what formulas say is checked at the end, by ``semantics.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from . import formula as fm
from .dtypes import BY_CODE, BY_NAME
from .errors import Collector, Place, RegistryError, at, did_you_mean, listing
from .names import NAMES, better, named, refused
from .opdef import (
    CHECK_ERRORS,
    MATRIX_FORMS,
    Accumulate,
    Body,
    Compose,
    DTypeRule,
    Fast,
    Formula,
    Index,
    Kink,
    Meaning,
    OpDef,
    Out,
    Reduce,
    Reference,
    Scan,
    View,
    by_name,
)  # fmt: skip
from .operators import DUNDERS, UNARY
from .paths import PACKAGE
from .reader import Node, Reader, compose, content, kind, literal, typed
from .sampled import broadcast, defaults, values
from .schema import Schema, parse_schema
from .semantics import Context, check

T = TypeVar("T")
MEANINGS = ("out", "reduce", "scan", "index", "view", "body", "cases", "compose", "reference")
KEYS = (
    "op", *MEANINGS, "fast", "dims", "let", "outside", "check", "stop", "grad", "linear",
    "transpose", "kink", "dtype", "acc", "autocast", "variants", "alias", "random", "size",
    "schedule", "unsupported", "tol", "doc", "samples",
)  # fmt: skip
DTYPE_KINDS = (
    "same", "default", "no_opmath", "int_to_float", "int_to_long", "bool_to_long", "always_bool",
    "always_long", "complex_to_float",
)  # fmt: skip
VARIANTS = (
    "method", "inplace", "out", "hidden", "nn", "varargs", "operator", "property", "linalg",
    "foreach",  # the in-place form of a pointwise op on lists of tensors
    "shares",  # the result of a composition or a source may look into an operand's memory
)  # fmt: skip
CLASSES = ("bool", "int", "float", "complex")
AUTOCAST = ("low", "f32", "widest")
SIZES = ("data",)  # what the size of the result depends on beside shapes
TRUTH = ("true", "false")
HAVE_DIMS = ("index", "body")  # meanings whose axes have names
FAST = ("reduce", "scan", "source", "library")
ACCUMULATE = ("map", "identity", "combine", "finish", "let")
ARGUMENT_CLASSES = ("bool", "integral")
NUMBER_RULES = ("common", "natural")  # what is asked of a number given as the argument
DOC = ("short", "long", "example", "source", "shape")
SAMPLE = ("range", "values", "int_range", "dtype", "form")  # besides the parameters
MATRIX = (  # columns of the support matrix
    "forward", "backward", "double backward", "jvp", "vmap", "meta", "inplace", "out", "stub",
    "doc", "test",
)  # fmt: skip
UNSUPPORTED_REASONS = (
    "data-dependent size", "integer or boolean output", "no derivative by definition", "random",
)  # fmt: skip


def load(path: Path, base: Iterable[OpDef] = ()) -> tuple[OpDef, ...]:
    """Parse a registry file."""
    return parse(content(path), path.name, base)


def parse(source: str, file: str = "<registry>", base: Iterable[OpDef] = ()) -> tuple[OpDef, ...]:
    """Parse registry text; raises RegistryErrors naming every mistake.

    Args:
        source: the text.
        file: its name in messages.
        base: ops of other registries that bodies and gradients may call.
    """
    errors = Collector()
    sound, broken = read(source, file, errors)
    check(sound, Context(by_name(sound), by_name(base), broken, errors))
    errors.finish()
    return tuple(sound)


def read(source: str, file: str, errors: Collector) -> tuple[list[OpDef], frozenset[str]]:
    """The entries that read well, and the names of those that do not; formulas are not judged."""
    reader = Reader(file, source, errors)
    taken: dict[str, Place] = {}  # names and aliases
    sound: list[OpDef] = []
    broken: set[str] = set()
    for node in compose(source, file, errors):
        before = len(errors.errors)
        reader.op, reader.places, reader.unread = "", {}, set()
        op = None
        with errors.catch():
            op = _entry(reader, node)
            for name in (op.name, *op.alias):
                place = reader.places.get(("alias", name), op.place)
                if name in taken:
                    errors.add(place, f"op '{name}' is already defined at line {taken[name].line}")
                taken.setdefault(name, place)
        if op is not None and not reader.unread & {"the entry", "let", "dims", *MEANINGS}:
            sound.append(op)  # what its formulas say can be judged, whatever else is wrong
        if op is None or len(errors.errors) > before:
            broken |= {reader.op, *(op.alias if op else ())}
    return sound, frozenset(broken)


def _entry(r: Reader, node: Node) -> OpDef:
    """Read one entry."""
    for key, value in node.value if kind(node) == "mapping" else ():
        if key.value == "op" and isinstance(value.value, str):  # so that every error can say it
            r.op = value.value.partition("(")[0].strip()
    before = len(r.errors.errors)
    keys = r.table(node, "the entry", KEYS)
    if len(r.errors.errors) > before:
        r.unread.add("the entry")
    if "op" not in keys:
        raise r.fail(node, "an entry starts with 'op: name(...) -> Tensor'")
    with at(r.place(keys["op"])):
        schema = parse_schema(r.text(keys["op"], "op"))
    _names(r, keys["op"], schema)
    defaults(r, keys["op"], schema)
    stated = [m for m in MEANINGS if m in keys]
    if len(stated) != 1:
        found = " and ".join(f"'{m}'" for m in stated) or "none"
        raise r.fail(node, f"expected one meaning of {listing(MEANINGS)}; found {found}")

    def optional(key: str, read: Callable[[Node], T], default: T) -> T:
        if key not in keys:
            return default
        try:
            return read(keys[key])
        except RegistryError as e:
            r.note(e)
            r.unread.add(key)
            return default

    try:
        meaning = _meaning(r, stated[0], keys[stated[0]], schema)
    except RegistryError as e:
        r.note(e)
        r.unread.add(stated[0])
        meaning = Compose("", r.place(node))
    tensor_names = tuple(p.name for p in schema.params if p.type.base == "Tensor")
    dtype = optional("dtype", lambda n: _dtype(r, n, schema), _dtype_default(schema))
    if "dtype" in r.unread:
        dtype = replace(dtype, classes=dict.fromkeys(tensor_names, ""))  # not known: no kind
    if optional("acc", lambda n: bool(r.words(n, "acc", ("wide",))), False):
        dtype = replace(dtype, wide=True)
    return OpDef(
        schema=schema,
        place=r.place(node),
        meaning=meaning,
        fast=optional("fast", lambda n: _fast(r, n), None),
        grad=optional("grad", lambda n: _cotangents(r, n, "gradient", schema), {}),
        kinks=optional("kink", lambda n: _kinks(r, n, schema), ()),
        linear=optional("linear", lambda n: _linear(r, n, tensor_names), ()),
        transpose=optional("transpose", lambda n: _cotangents(r, n, "transpose", schema), {}),
        dtype=dtype,
        dims=optional("dims", lambda n: _dims(r, n, stated[0], schema), {}),
        let=optional("let", lambda n: _let(r, n), {}),
        outside=optional("outside", lambda n: _outside(r, n, stated[0], tensor_names), {}),
        check=optional("check", lambda n: _check(r, n), ()),
        stop=optional("stop", lambda n: r.formula_table(n, "stop", tensor_names), {}),
        variants=optional("variants", lambda n: _variants(r, n, stated[0]), ()),
        alias=optional("alias", lambda n: _alias(r, n), ()),
        random=optional("random", lambda n: r.word(n, "random", TRUTH) == "true", False),
        size=optional("size", lambda n: r.word(n, "size", SIZES), ""),
        schedule=optional("schedule", lambda n: r.word(n, "schedule", _schedules()), ""),
        autocast=optional("autocast", lambda n: r.word(n, "autocast", AUTOCAST), ""),
        unsupported=optional("unsupported", lambda n: _unsupported(r, n), {}),
        tol=optional("tol", lambda n: _tol(r, n), {}),
        doc=optional("doc", lambda n: _doc(r, n), {}),
        samples=optional("samples", lambda n: _samples(r, n, schema, stated[0]), ()),
        text="\n".join(r.lines[node.start_mark.line : node.end_mark.line]).rstrip(),
    )


def _names(r: Reader, node: Node, schema: Schema) -> None:
    """No name of the schema is one that generated code needs for itself."""
    text = r.text(node, "op")
    params = tuple(p.name for p in schema.params)
    for what, names in (("op", (schema.name,)), ("parameter", params), ("output", schema.returns)):
        for name in names:
            if name and not named(name):
                place = r.place(node).shifted(max(text.find(name), 0))
                r.errors.add(place, f"{what} '{name}' is no name: {NAMES}")
                continue
            reason = refused(name, op=what == "op") if name and name != "out" else ""
            if name == "out" and what == "parameter":
                reason = refused(name)
            if reason:
                found = re.search(rf"\b{name}\b(?=\s*[(,)=]|\s*$)", text)
                place = r.place(node).shifted(found.start() if found else 0)
                r.errors.add(place, f"{what} '{name}' {reason}; call it e.g. '{better(name)}'")


def _cotangents(r: Reader, node: Node, what: str, schema: Schema) -> dict[str, Formula]:
    """``{param: formula}`` for parameters that are tensors."""
    tensors = [p.name for p in schema.params if p.type.base == "Tensor"]
    types = {p.name: p.type for p in schema.params}
    found = {}
    for key, name, value in r.pairs(node, what):
        if name in tensors:
            found[name] = r.formula(value, f"{what} of '{name}'")
        elif name in types:
            r.note(r.fail(key, f"{what} of '{name}': a parameter of type {types[name]} has none; "
                               f"tensors are {listing(tensors)}"))  # fmt: skip
        else:
            r.note(r.fail(key, f"{what} of '{name}': no such parameter; tensors are "
                               f"{listing(tensors)}{did_you_mean(name, tensors)}"))  # fmt: skip
    return found


def _variants(r: Reader, node: Node, meaning: str) -> tuple[str, ...]:
    words = r.words(node, "variants", VARIANTS)
    for n, word in zip(r.items(node, "variants"), words, strict=True):
        if word == "operator":
            raise r.fail(n, "variants: an operator needs its symbol, e.g. 'operator:+'")
        _, colon, symbol = word.partition(":")
        if colon and symbol not in (*DUNDERS, *UNARY):
            known = (*DUNDERS, *UNARY)
            message = f"'{symbol}' is no operator of Python; those are {listing(known)}"
            raise r.fail(n, f"variants: {message}{did_you_mean(symbol, known)}")
        if word == "foreach" and ("inplace" not in words or meaning != "out"):
            raise r.fail(n, "variants: foreach is for ops with 'out' that are 'inplace' too")
    return words


def _meaning(r: Reader, key: str, node: Node, schema: Schema) -> Meaning:
    match key:
        case "out":
            return _out(r, node, schema)
        case "reduce":
            return Reduce(_accumulate(r, node, "reduce", len(schema.outputs)))
        case "scan":
            return Scan(_accumulate(r, node, "scan", len(schema.outputs)))
        case "index":
            text = r.text(node, "index")
            with at(r.place(node), "index"):
                target, value = fm.parse_assignment(text)
            return Index(target, value, Formula(text, value, r.place(node)))
        case "view":
            text = r.text(node, "view")
            with at(r.place(node), "view"):
                tree = fm.parse(text)
            steps = tree.items if isinstance(tree, fm.Seq) else (tree,)
            return View(steps, Formula(text, tree, r.place(node)))
        case "body":
            return Body(((None, *r.block(node)),))
        case "cases":
            cases = []
            for item in r.items(node, "cases"):
                case = r.table(item, "a case", ("when", "body"))
                if "body" not in case:
                    raise r.fail(item, "a case needs a 'body'")
                when = r.formula(case["when"], "when") if "when" in case else None
                cases.append((when, *r.block(case["body"])))
            return Body(tuple(cases))
        case "compose":
            return Compose(r.text(node, "compose"), r.place(node))
    return Reference(r.text(node, "reference"), r.place(node))


def _out(r: Reader, node: Node, schema: Schema) -> Out:
    """``out: formula``, by class, by output, or by output and class."""
    if isinstance(node.value, str):
        _one_output(r, node, schema)
        return Out({schema.outputs[0]: {"": r.formula(node, "out")}})
    keys = r.table(node, "out", (*CLASSES, *schema.outputs))
    if keys and all(k in CLASSES for k in keys):
        _one_output(r, node, schema)
        return Out({schema.outputs[0]: {k: r.formula(v, f"out '{k}'") for k, v in keys.items()}})
    outputs: dict[str, Mapping[str, Formula]] = {}
    for name, value in keys.items():
        if isinstance(value.value, str):
            outputs[name] = {"": r.formula(value, f"out '{name}'")}
        else:
            outputs[name] = r.formula_table(value, f"out '{name}'", CLASSES)
    missing = [o for o in schema.outputs if o not in outputs]
    if missing:
        raise r.fail(node, f"out: no formula for output '{missing[0]}'")
    return Out(outputs)


def _one_output(r: Reader, node: Node, schema: Schema) -> None:
    if len(schema.outputs) > 1:
        each = ", ".join(f"{o}: ..." for o in schema.outputs)
        found = f"found one formula for {len(schema.outputs)} outputs"
        raise r.fail(node, f"out: {found}; expected {{{each}}}")


def _accumulate(r: Reader, node: Node, what: str, outputs: int) -> Accumulate:
    keys = r.table(node, what, ACCUMULATE)
    for need in ("map", "identity", "combine"):
        if need not in keys:
            raise r.fail(node, f"{what}: missing '{need}'; expected map, identity, combine, finish")
    parts = {k: r.formulas(keys[k], f"{what} {k}") for k in ("map", "identity", "combine")}
    n = len(parts["map"])
    for k in ("identity", "combine"):
        if len(parts[k]) != n:
            raise r.fail(keys[k], f"{what}: map has {n} states but {k} has {len(parts[k])}")
    if "finish" in keys:
        finish = r.formulas(keys["finish"], f"{what} finish")
    else:
        finish = tuple(
            Formula(f"a{i}", fm.Name(f"a{i}"), r.place(keys["combine"])) for i in range(outputs)
        )
    if len(finish) != outputs:
        message = f"{what}: {outputs} output(s) but {len(finish)} finish formula(s)"
        raise r.fail(keys.get("finish", node), message)
    let = r.formula_table(keys["let"], f"{what} let") if "let" in keys else {}
    return Accumulate(parts["map"], parts["identity"], parts["combine"], finish, let)


def _fast(r: Reader, node: Node) -> Fast:
    keys = r.table(node, "fast", FAST)
    if len(keys) != 1:
        raise r.fail(node, f"fast: expected one of {listing(FAST)}")
    kind, value = next(iter(keys.items()))
    acc = _accumulate(r, value, f"fast {kind}", 1) if kind in ("reduce", "scan") else None
    return Fast(kind, acc, "" if acc else r.text(value, "fast"), r.place(value))


def _kinks(r: Reader, node: Node, schema: Schema) -> tuple[Kink, ...]:
    """``{cond: {param: value}}``, or ``{param: {point: value}}`` for ``param == point``."""
    kinks = []
    tensors = tuple(p.name for p in schema.tensors)
    for key, text, value in r.pairs(node, "kink"):
        if text in tensors:
            for at_point, point, chosen in r.pairs(value, f"kink '{text}'"):
                with at(r.place(at_point), "kink"):
                    fm.parse(point)
                condition = f"{text} == {point}"
                cond = Formula(condition, fm.parse(condition), r.place(at_point))
                kinks.append(Kink(cond, {text: r.formula(chosen, "kink")}))
            continue
        if text.isidentifier():
            hint = did_you_mean(text, tensors)
            raise r.fail(
                key, f"kink: '{text}' is no tensor parameter; those are {listing(tensors)}{hint}"
            )
        with at(r.place(key), "kink"):
            cond = Formula(text, fm.parse(text), r.place(key))
        kinks.append(Kink(cond, r.formula_table(value, f"kink '{text}'", tensors)))
    return tuple(kinks)


def _linear(r: Reader, node: Node, tensors: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if isinstance(node.value, str) or any(
        isinstance(n.value, str) for n in r.items(node, "linear")
    ):
        raise r.fail(node, "linear: expected a list of lists, e.g. [[input, other]]")
    return tuple(r.words(n, "linear", tensors) for n in r.items(node, "linear"))


def _dtype_default(schema: Schema) -> DTypeRule:
    return DTypeRule("default", tuple(p.name for p in schema.params if p.type.base == "Tensor"))


def _dtype(r: Reader, node: Node, schema: Schema) -> DTypeRule:
    tensors = tuple(p.name for p in schema.params if p.type.base == "Tensor")
    if isinstance(node.value, str):
        return DTypeRule(r.word(node, "dtype", DTYPE_KINDS), tensors)
    scalars = tuple(p.name for p in schema.params if p.type.base == "Scalar")
    own = tuple(o for o in schema.outputs if o not in (*tensors, *scalars))
    keys = r.table(node, "dtype", ("args", "kind", "acc", *tensors, *scalars, *own))
    classes: dict[str, str] = {}
    numbers: dict[str, str] = {}
    outputs: dict[str, str] = {}
    integers = tuple(d.name for d in BY_NAME.values() if d.kind in ("int", "bool"))
    for k, v in keys.items():
        if k in tensors:
            word = r.word(v, f"dtype of '{k}'", (*ARGUMENT_CLASSES, "natural"))
            (classes if word in ARGUMENT_CLASSES else numbers)[k] = word
        elif k in scalars:
            numbers[k] = r.word(v, f"dtype of '{k}'", ("common",))
        elif k in own:
            outputs[k] = r.word(v, f"dtype of '{k}'", integers)
    args = (
        r.words(keys["args"], "dtype args", tensors)
        if "args" in keys
        else tuple(t for t in tensors if t not in classes)
    )
    kind = r.word(keys["kind"], "dtype kind", DTYPE_KINDS) if "kind" in keys else "default"
    wide = "acc" in keys and r.words(keys["acc"], "dtype acc", ("wide",)) == ("wide",)
    return DTypeRule(kind, args, classes, wide, numbers, outputs)


def _schedules() -> tuple[str, ...]:
    """Rows of schedules.yaml."""
    rows = typed((PACKAGE / "schedules.yaml").read_text(encoding="utf-8"))
    return tuple(map(str, rows))


def _alias(r: Reader, node: Node) -> tuple[str, ...]:
    """Further names, which an op could have."""
    words = r.words(node, "alias")
    for n, word in zip(r.items(node, "alias"), words, strict=True):
        if not named(word):
            raise r.fail(n, f"alias: '{word}' is no name: {NAMES}")
        if reason := refused(word, op=True):
            raise r.fail(n, f"alias '{word}' {reason}; call it e.g. '{better(word)}'")
    return words


def _let(r: Reader, node: Node) -> dict[str, Formula]:
    """Named parts of formulas, each of which may read others but none that reads it."""
    for key, name, _ in r.pairs(node, "let"):
        if not named(name):
            raise r.fail(key, f"let: '{name}' is no name: {NAMES}")
    found = r.formula_table(node, "let")
    todo = dict(found)
    while ready := [k for k, f in todo.items() if not todo.keys() & set(fm.names(f.node))]:
        for name in ready:
            del todo[name]
    if todo:
        first = next(iter(todo.values()))
        several = " and ".join(todo)
        circle = f"{several} read one another" if len(todo) > 1 else f"{several} reads itself"
        message = f"let: {circle}; expected an order without circles"
        raise RegistryError(first.place, message)
    return found


def _outside(
    r: Reader, node: Node, meaning: str, tensors: tuple[str, ...]
) -> dict[str, Formula]:  # fmt: skip
    if meaning != "index":
        raise r.fail(node, f"outside: says what 'index' reads beyond an edge; this is '{meaning}'")
    return r.formula_table(node, "outside", tensors)


def _dims(r: Reader, node: Node, meaning: str, schema: Schema) -> dict[str, tuple[str, ...]]:
    if meaning not in HAVE_DIMS:
        message = f"dims: names the axes of {' and '.join(HAVE_DIMS)}; this is '{meaning}'"
        raise r.fail(node, message)
    tensors = (*(p.name for p in schema.params if p.type.base == "Tensor"), *schema.outputs)
    found = {}
    for name, value in r.table(node, "dims", tensors).items():
        for axis in r.items(value, f"dims '{name}'"):
            r.formula(axis, f"dims '{name}'")
        found[name] = r.words(value, f"dims '{name}'")
    return found


def _check(r: Reader, node: Node) -> tuple[tuple[Formula, str], ...]:
    found = []
    for key, text, value in r.pairs(node, "check"):
        with at(r.place(key), "check"):
            cond = Formula(text, fm.parse(text), r.place(key))
        found.append((cond, r.word(value, "check", CHECK_ERRORS)))
    return tuple(found)


def _unsupported(r: Reader, node: Node) -> dict[str, str]:
    found = {}
    for key, value in r.table(node, "unsupported", (*MATRIX, *BY_NAME, *BY_CODE, *CLASSES)).items():
        reason = r.text(value, f"unsupported '{key}'")
        if key in MATRIX and reason not in UNSUPPORTED_REASONS:  # a dtype's reason is free text
            hint = did_you_mean(reason, UNSUPPORTED_REASONS)
            raise r.fail(value, f"unsupported '{key}': '{reason}' is not among the reasons "
                                f"{listing(UNSUPPORTED_REASONS)}{hint}")  # fmt: skip
        found[key] = reason
    return found


def _tol(r: Reader, node: Node) -> dict[str, tuple[float, str]]:
    """``{f32: [1e-5, reason]}``: a tolerance stands with its reason."""
    found = {}
    for key, value in r.table(node, "tol", (*BY_CODE, *BY_NAME)).items():
        pair = [r.text(n, f"tol '{key}'") for n in r.items(value, "tol")]
        number = literal(pair[0]) if pair else None
        if len(pair) != 2 or not isinstance(number, int | float) or not pair[1].strip():
            raise r.fail(value, f"tol '{key}': expected [number, reason]: a tolerance has a reason")
        if not 0 < number < float("inf"):
            raise r.fail(value, f"tol '{key}': expected a positive number, found {pair[0]}")
        found[key] = (float(number), pair[1])
    return found


def _doc(r: Reader, node: Node) -> dict[str, str]:
    return {k: r.text(v, f"doc '{k}'") for k, v in r.table(node, "doc", DOC).items()}


def _samples(
    r: Reader, node: Node, schema: Schema, meaning: str
) -> tuple[Mapping[str, object], ...]:
    names = (*(p.name for p in schema.params), *SAMPLE)
    needed = [p.name for p in schema.tensors if not p.type.optional]
    found = []
    for item in r.items(node, "samples"):
        sample = r.table(item, "a sample", tuple(dict.fromkeys(names)))
        read = len(sample) == len(item.value)  # no key was refused: that is said already
        if read and needed and not any(name in sample for name in needed):
            raise r.fail(item, f"samples: found a sample without tensors; expected the size of "
                               f"'{needed[0]}', e.g. {{{needed[0]}: [3, 4]}}")  # fmt: skip
        if "form" in sample and "form" not in names[: len(schema.params)]:
            _forms(r, sample["form"], names)
        found.append(values(r, sample, schema))
        if meaning == "out":
            broadcast(r, item, found[-1], schema)
    return tuple(found)


def _forms(r: Reader, node: Node, names: tuple[str, ...]) -> None:
    """A form for all tensors, or one for each of some."""
    if isinstance(node.value, str):
        r.words(node, "sample 'form'", MATRIX_FORMS)
    else:
        for value in r.table(node, "sample 'form'", tuple(dict.fromkeys(names))).values():
            r.words(value, "sample 'form'", MATRIX_FORMS)


__all__ = ["KEYS", "MEANINGS", "literal", "load", "parse"]
