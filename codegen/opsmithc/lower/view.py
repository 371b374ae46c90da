"""In: a view OpDef. Out: the context of the C template, and the hidden op that is its adjoint.

Must not know: YAML, cffi or what a primitive does (runtime/cpu/view.c does). A view is a list of
primitives on shape, strides and offset; between them stand integer expressions.

Registering: ``with_adjoint(op)`` is the op with its transpose; where ``has_adjoint(op)``, there is
a further hidden op ``adjoint_op(op)``. ``render_context(op)`` is the C of both: functions
``opsk_<op>(input, args)`` and ``opsk_<op>_adjoint(grad_output, input_sizes, args)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from .. import formula as fm
from ..abi import kernel_params
from ..derive.op import Derived
from ..errors import FormulaError, Place, RegistryError, at, did_you_mean, listing
from ..formula import (
    Attr,
    Binary,
    Call,
    Compare,
    IfExp,
    Logic,
    Name,
    Nil,
    Node,
    Num,
    Seq,
    Str,
    Unary,
)
from ..ir import STATUS
from ..opdef import VIEW_ADJOINT, DTypeRule, Fast, Formula, OpDef, Reference, View
from ..schema import Param, Schema, Type, parse_schema
from .family import Family
from .pointwise import local

# The C functions ops_view_<name>; a dim may be negative, a None means what view.h says.
PRIMITIVES: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        parse_schema(f"{line} -> Tensor")
        for line in (
            "same()",
            "swap(int dim0, int dim1)",
            "reverse()",
            "permute(int[] dims)",
            "unpermute(int[] dims)",
            "move(int[] source, int[] destination)",
            "insert(int dim, int size=1, int? stride=None)",
            "squeeze(int[]? dims=None)",
            "broadcast(int[] size)",
            "slice(int dim, int? start, int? end, int step=1)",
            "narrow(int dim, int start, int length)",
            "select(int dim, int index)",
            "diagonal(int offset, int dim0, int dim1)",
            "unfold(int dim, int size, int step)",
            "restride(int[] size, int[] stride, int? offset=None)",
            "regroup(int[] shape)",
            "reshape(int[] shape)",
            "merge(int first, int last)",
            "split(int dim, int[] sizes)",
            "dense()",
        )
    )
}
COPYING = ("reshape", "merge", "dense")  # these copy where no view exists
REQUIRE = "require"  # require(condition, "text with {expressions}", "IndexError")
STEPS = (*PRIMITIVES, REQUIRE)
FUNCTIONS = ("size", "stride", "min", "max", "where", "len")
GRAD, LIKE = Param("grad_output", Type("Tensor")), Param("like", Type("Tensor"))
SIZES = Param("input_sizes", Type("int", is_list=True))
OWN_NAMES = ("view", "failed", "input_ndim", GRAD.name, LIKE.name, f"n_{SIZES.name}", SIZES.name)
KERNEL_NAMES = ("start", "offset", "n", "k", "p", "s")  # `local` keeps them for kernels' own use


@dataclass(frozen=True, slots=True)
class ViewFile:
    """Context of templates/c/view.c.j2: the view and, where wanted, its adjoint."""

    op: str
    formula: str
    step_params: tuple[str, ...]
    step_args: tuple[str, ...]
    reads_ndim: bool
    steps: tuple[str, ...]  # C expressions, each nonzero where the step failed
    params: tuple[str, ...]
    input: str
    adjoint: bool
    adjoint_params: tuple[str, ...]
    adjoint_begin: str
    adjoint_origin: tuple[str, ...]
    adjoint_like: str


def render_context(op: OpDef) -> ViewFile:
    """The C of a view op; raises RegistryError at what the language does not have."""
    steps = _steps(op)
    rest = tuple(c for p in op.schema.params[1:] for c in kernel_params(_renamed(p)))
    tensor = _renamed(op.schema.params[0])
    origin = LIKE if is_absolute(op) else SIZES
    return ViewFile(
        op=op.name,
        formula=_meaning(op).formula.text,
        step_params=("ops_geometry *view", *rest),
        step_args=("&view", *(_name(c) for c in rest)),
        reads_ndim=any("input_ndim" in s for s in steps),
        steps=steps,
        params=(*kernel_params(tensor), *rest),
        input=tensor.name,
        adjoint=has_adjoint(op),
        adjoint_params=(*kernel_params(GRAD), *kernel_params(origin), *rest),
        adjoint_begin="ops_adjoint_begin_like" if origin is LIKE else "ops_adjoint_begin",
        adjoint_origin=tuple(_name(c) for c in kernel_params(origin)),
        adjoint_like=LIKE.name if origin is LIKE else "NULL",
    )


def _name(declaration: str) -> str:
    """``const int64_t *dims`` -> ``dims``."""
    return declaration.rpartition(" ")[2].lstrip("*")


def declarations(op: OpDef) -> tuple[str, ...]:
    """Prototypes of the functions in the op's file."""
    c = render_context(op)
    forward = f"ops_tensor *opsk_{op.name}({', '.join(c.params)});"
    backward = f"ops_tensor *opsk_{op.name}_adjoint({', '.join(c.adjoint_params)});"
    return (forward, backward) if c.adjoint else (forward,)


# Adjoints ----------------------------------------------------------------------------------------


def may_copy(op: OpDef) -> bool:
    """Is the result sometimes a copy, which does not carry OPS_VIEW?"""
    return any(fn in COPYING for step in _meaning(op).steps for fn in fm.calls(step))


def is_absolute(op: OpDef) -> bool:
    """Does the view address the storage itself, whatever the input's strides?"""
    return any("restride" in fm.calls(step) for step in _meaning(op).steps)


def has_adjoint(op: OpDef) -> bool:
    """Is the op's transpose the hidden op that adds a gradient through the view?"""
    tensor = op.schema.params[0].name
    return "backward" not in op.unsupported and not (tensor in op.transpose or tensor in op.grad)


def with_adjoint(op: OpDef) -> OpDef:
    """The op with a transpose: the declared one, else a call of its adjoint; checks the view."""
    _steps(op)
    if not has_adjoint(op):
        return op
    tensor = op.schema.params[0].name
    origin = tensor if is_absolute(op) else f"{tensor}.shape"
    return replace(op, transpose={tensor: _call(op, f"{op.name}_adjoint", f"g, {origin}")})


def adjoint_op(op: OpDef) -> OpDef:
    """``<op>_adjoint(grad_output, input_sizes, args)``: zeros with the gradient added in place.

    Its C function stands in the op's own file, which ``fast`` names. Its own transpose is the view
    of the cotangent. A view of the storage takes ``like``, a tensor of the input's layout, instead
    of the sizes.
    """
    place = op.place
    like = is_absolute(op)
    schema = Schema(
        f"{op.name}_adjoint", (GRAD, LIKE if like else SIZES, *op.schema.params[1:]), ("",)
    )
    return replace(
        op,
        schema=schema,
        meaning=Reference(VIEW_ADJOINT, place),
        fast=Fast("source", None, op.name, place),
        transpose={GRAD.name: _call(op, op.name, "lay_out(g, like)" if like else "g")},
        dtype=DTypeRule("same", (GRAD.name,)),
        check=(),
        variants=("hidden",),
        alias=(),
        doc={"short": f"The adjoint of {op.name}: zeros, with the gradient where the view looks."},
        samples=(),
    )


def _call(op: OpDef, fn: str, first: str) -> Formula:
    """``fn(first, args)`` with the op's own arguments."""
    rest = [f"{p.name}={p.name}" if p.kwonly else p.name for p in op.schema.params[1:]]
    text = f"{fn}({', '.join([first, *rest])})"
    return Formula(text, fm.parse(text), op.place)


# Checking and printing ---------------------------------------------------------------------------


def _meaning(op: OpDef) -> View:
    assert isinstance(op.meaning, View)
    return op.meaning


def _renamed(param: Param) -> Param:
    """The parameter under a name that C and the generated function have free."""
    if param.name in KERNEL_NAMES:
        return param
    name = f"{param.name}_" if param.name in OWN_NAMES else local(param.name)
    return replace(param, name=name)


def _steps(op: OpDef) -> tuple[str, ...]:
    """The op's checks and primitives as C expressions, in order."""
    params = op.schema.params
    if not params or not params[0].type.is_tensor or params[0].type.optional:
        raise RegistryError(op.place, "a view's first parameter is its tensor")
    for p in params[1:]:
        if p.type.base not in ("int", "bool") or (p.type.base == "bool" and p.type.is_list):
            found = f"'{p}' is neither int, int[] nor bool"
            raise RegistryError(op.place, f"a view's arguments are integers; {found}")
    printer = _Printer(op)
    steps: list[str] = []
    for condition, error in op.check:
        with at(condition.place, "check"):
            text = f'"{_escaped(op.name)}: expected {_escaped(condition.text)}"'
            steps.append(f"{_refused(printer.condition(condition.node), error, text)}")
    view = _meaning(op)
    with at(view.formula.place, "view"):
        if not view.steps:
            raise FormulaError(f"expected one primitive or a list; known are {listing(STEPS)}")
        steps += [printer.step(node) for node in view.steps]
    _check_use(op, printer, view.formula.place)
    return tuple(steps)


def _check_use(op: OpDef, printer: _Printer, place: Place) -> None:
    for p in op.schema.params[1:]:
        if p.name not in printer.reads:
            raise RegistryError(place, f"view: parameter '{p.name}' is not read")
    if may_copy(op) and has_adjoint(op):
        raise RegistryError(place, "view: a view that may copy declares its 'transpose'")


class _Printer:
    """Prints steps and integer expressions of one op as C."""

    def __init__(self, op: OpDef) -> None:
        self.tensor = op.schema.params[0].name
        self.params = {p.name: p for p in op.schema.params[1:]}
        self.reads: set[str] = set()
        nodes = [n for step in _meaning(op).steps for n in fm.walk(step)]
        self.tested = {
            n.left.id
            for n in nodes
            if isinstance(n, Compare) and isinstance(n.right, Nil) and isinstance(n.left, Name)
        }

    def step(self, node: Node) -> str:
        """A step as a C expression that is nonzero where it fails."""
        match node:
            case IfExp(test=test, then=a, other=b):
                return f"({self.condition(test)} ? {self.step(a)} : {self.step(b)})"
            case Call(fn="require"):
                return self._require(node)
            case Call(fn=fn) if fn in PRIMITIVES:
                args = ["view", *self._arguments(node, PRIMITIVES[fn])]
                return f"ops_view_{fn}({', '.join(args)})"
            case Call(fn=fn, col=col):
                known = f"known are {listing(STEPS)}{did_you_mean(fn, STEPS)}"
                raise FormulaError(f"unknown primitive '{fn}'; {known}", col)
        raise FormulaError(f"expected a primitive, found '{fm.unparse(node)}'", node.col)

    def _arguments(self, call: Call, schema: Schema) -> list[str]:
        given: dict[str, Node] = {}
        if len(call.args) > len(schema.params):
            raise FormulaError(f"too many arguments for {_shown(schema)}", call.col)
        named = [(p.name, a) for p, a in zip(schema.params, call.args, strict=False)]
        for name, value in (*named, *call.kwargs):
            known = [p.name for p in schema.params]
            if name not in known or name in given:
                what = "given twice" if name in given else f"unknown{did_you_mean(name, known)}"
                raise FormulaError(f"argument '{name}' of {_shown(schema)} is {what}", call.col)
            given[name] = value
        texts: list[str] = []
        for p in schema.params:
            if p.name not in given and p.default is None:
                raise FormulaError(f"argument '{p.name}' of {_shown(schema)} is missing", call.col)
            value = given[p.name] if p.name in given else fm.parse(str(p.default))
            if p.type.is_list:
                texts += self.ints(value, p.type.optional)
            else:
                texts.append(_bare(self.integer(value, p.type.optional)))
        return texts

    def _require(self, call: Call) -> str:
        match call.args:
            case (condition, Str(value=text)):
                error = "RuntimeError"
            case (condition, Str(value=text), Str(value=error)) if error in STATUS:
                pass
            case _:
                errors = listing(f"'{s}'" for s in STATUS)
                form = f"{REQUIRE}(condition, 'text'); a third argument may be one of {errors}"
                raise FormulaError(f"expected {form}", call.col)
        values: list[str] = []

        def place(m: re.Match[str]) -> str:
            values.append(f"(long long){_atom(self.integer(fm.parse(m[1])))}")
            return "\0"

        pattern = _escaped(re.sub(r"\{([^{}]+)\}", place, text)).replace("\0", "%lld")
        return _refused(self.condition(condition), error, ", ".join([f'"{pattern}"', *values]))

    def ints(self, node: Node, optional: bool) -> list[str]:
        """A list argument: its length and a pointer."""
        match node:
            case Nil() if optional:
                return ["-1", "NULL"]
            case Seq(items=()):
                return ["0", "NULL"]
            case Seq(items=items):
                values = ", ".join(_bare(self.integer(i)) for i in items)
                return [str(len(items)), f"(const int64_t[]){{{values}}}"]
            case Name(id=name, col=col):
                param = self._param(name, col)
                if not param.type.is_list:
                    raise FormulaError(f"'{name}' is not a list; write [{name}]", col)
                if param.type.optional and not optional:
                    self._must_test(name, col)
                return [f"n_{_renamed(param).name}", _renamed(param).name]
        raise FormulaError(f"expected a list of integers, found '{fm.unparse(node)}'", node.col)

    def integer(self, node: Node, optional: bool = False) -> str:
        """An integer as a C expression; ``optional`` lets None through."""
        match node:
            case Nil() if optional:
                return "OPS_NO_INT"
            case Num(value=bool() as v):
                return str(int(v))
            case Num(value=int() as v):
                return str(v) if abs(v) < 1 << 31 else f"INT64_C({v})"
            case Name(id="ndim"):
                return "view->ndim"
            case Name(id=name, col=col):
                param = self._param(name, col)
                if param.type.is_list:
                    raise FormulaError(f"'{name}' is a list; expected an integer", col)
                if param.type.optional and not optional:
                    self._must_test(name, col)
                return _renamed(param).name
            case Attr(base=Name(id=name), name="ndim") if name == self.tensor:
                return "input_ndim"
            case Unary(op="-", arg=a):
                return f"-{_atom(self.integer(a))}"
            case Binary(op="+" | "-" | "*" as op, left=a, right=b):
                return f"({self.integer(a)} {op} {self.integer(b)})"
            case Binary(op="//" | "%" as op, left=a, right=b):
                fn = "floor_divide" if op == "//" else "remainder"
                return f"ops_view_{fn}(view, {self.integer(a)}, {self.integer(b)})"
            case IfExp(test=c, then=a, other=b) | Call(fn="where", args=(c, a, b)):
                values = f"{self.integer(a, optional)} : {self.integer(b, optional)}"
                return f"({self.condition(c)} ? {values})"
            case Call(fn="size" | "stride" as fn, args=(d,)):
                return f"ops_view_{fn}(view, {_bare(self.integer(d))})"
            case Call(fn="min" | "max" as fn, args=(a, b)):
                return f"ops_view_{fn}({_bare(self.integer(a))}, {_bare(self.integer(b))})"
            case Call(fn="len", args=(Name() as a,)):
                return self.ints(a, False)[0]
            case Call(fn=fn, col=col):
                known = f"known are {listing(FUNCTIONS)}{did_you_mean(fn, FUNCTIONS)}"
                problem = "takes other arguments" if fn in FUNCTIONS else "is no integer function"
                raise FormulaError(f"'{fn}' {problem}; {known}", col)
            case Compare() | Logic() | Unary(op="not"):
                return self.condition(node)
        raise FormulaError(f"'{fm.unparse(node)}' is not an integer", node.col)

    def condition(self, node: Node) -> str:
        """A truth value as a C expression."""
        match node:
            case Compare(op="is" | "is not" as op, left=Name(id=name, col=col), right=Nil()):
                param = self._param(name, col)
                if not param.type.optional:
                    raise FormulaError(f"'{name}' is never None", col)
                c = _renamed(param).name
                if param.type.is_list:
                    return f"(n_{c} {'<' if op == 'is' else '>='} 0)"
                return f"({c} {'==' if op == 'is' else '!='} OPS_NO_INT)"
            case Compare(op="==" | "!=" | "<" | "<=" | ">" | ">=" as op, left=a, right=b):
                return f"({self.integer(a)} {op} {self.integer(b)})"
            case Logic(op=op, args=args):
                word = " && " if op == "and" else " || "
                return f"({word.join(self.condition(a) for a in args)})"
            case Unary(op="not", arg=a):
                return f"!{_atom(self.condition(a))}"
            case Compare(op=op, col=col):
                raise FormulaError(f"'{op}' is not part of a view's conditions", col)
        return f"({self.integer(node)} != 0)"

    def _param(self, name: str, col: int) -> Param:
        if name not in self.params:
            scope = (*self.params, "ndim", f"{self.tensor}.ndim")
            hint = did_you_mean(name, scope)
            raise FormulaError(f"reads '{name}'; in scope are {listing(scope)}{hint}", col)
        self.reads.add(name)
        return self.params[name]

    def _must_test(self, name: str, col: int) -> None:
        if name not in self.tested:
            raise FormulaError(f"'{name}' may be None here; test '{name} is None' first", col)


def _refused(condition: str, error: str, message: str) -> str:
    """Fails with a message unless the condition holds."""
    return f"(!{_atom(condition)} && ops_view_refuse({STATUS[error]}, {message}))"


def _shown(schema: Schema) -> str:
    return str(schema).removesuffix(" -> Tensor")


def _escaped(text: str) -> str:
    """Text inside a C format string."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")


def _atom(text: str) -> str:
    return text if text.replace("->", "").isidentifier() or _group(text) else f"({text})"


def _bare(text: str) -> str:
    return text[1:-1] if _group(text) else text


def _group(text: str) -> bool:
    """Is the text one pair of parentheses?"""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0:
            return c == ")" and i == len(text) - 1
    return False


class ViewFamily(Family):
    """Calls of geometry primitives."""

    def takes(self, op: OpDef) -> bool:
        """A shape, strides and an offset."""
        return isinstance(op.meaning, View)

    def context(self, d: Derived) -> Any:
        """ViewFile."""
        return render_context(d.op)

    def hidden_ops(self, op: OpDef) -> list[OpDef]:
        """The adjoint."""
        return [adjoint_op(op)] if has_adjoint(op) else []

    def with_gradients(self, op: OpDef) -> OpDef:
        """The adjoint is the gradient."""
        return with_adjoint(op)


FAMILY = ViewFamily()
