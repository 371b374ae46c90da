"""In: the `check` conditions of an op. Out: C statements that refuse with the op's message.

Must not know: shapes. A condition over a tensor's elements looks at every position before the loops
do, without jumps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ... import formula as fm
from ...derive.index import OUT, Edge, Program, edges
from ...formula import Attr, Call, Compare, Logic, Name, Nil, Node, Num
from ...ir import STATUS
from ...names import as_written
from ...opdef import Formula
from .ints import Ints


class Checks:
    """Prints conditions and what is said where they do not hold."""

    def __init__(self, program: Program) -> None:
        self.program, self.op = program, program.op
        self.ints = Ints(program, in_kernel=False)
        self.edges = edges(program)

    def bare_tensors(self, node: Node) -> list[str]:
        """Tensors whose elements a check reads."""
        found: list[str] = []

        def visit(n: Node) -> None:
            match n:
                case Attr() | Compare(right=Nil()):
                    return
                case Call(fn="numel" | "size"):
                    return
                case Name(id=t) if (
                    t in self.ints.params and self.ints.params[t].type.base == "Tensor"
                ):
                    found.append(t)
            for c in fm.children(n):
                visit(c)

        visit(node)
        return list(dict.fromkeys(found))

    def of_arguments(self) -> tuple[list[str], list[str]]:
        """Statements that need parameters alone, and those that need sizes too."""
        early: list[str] = []
        late: list[str] = []
        for f, error in self.op.check:
            if not self.bare_tensors(f.node):
                target = early if set(fm.names(f.node)) <= set(self.ints.params) else late
                target += self.check(f.node, error)
        return early, late

    def check(self, node: Node, error: str) -> list[str]:
        """Refuse where the condition does not hold."""
        kind, _, message = error.partition(":")
        message = message.strip() or f"{self.op.name}: expected {fm.unparse(node)}"
        condition = self.ints.text(node)
        return self.fail(f"!({condition})", kind, message)

    def fail(self, condition: str, kind: str, message: str) -> list[str]:
        """Refuse where ``condition`` holds."""
        text, args = self.message(message)
        return [
            f"if (OPS_UNLIKELY({condition})) {{",
            f"    return ops_fail({STATUS[kind]}, {', '.join([text, *args])});",
            "}",
        ]

    def message(
        self, message: str, values: Mapping[str, str] | None = None
    ) -> tuple[str, list[str]]:
        """A printf format and its arguments; ``{formula}`` is printed."""
        args: list[str] = []

        def put(m: re.Match[str]) -> str:
            node = fm.parse(m[1])
            match node:
                case Attr(base=Name(id=t), name="shape"):
                    args.append(f"ops_shape_text({t}->ndim, {t}->shape)")
                    return "%s"
                case Attr(base=Name(id=t), name="dtype"):
                    args.append(f"ops_dtype_name[{t}->dtype]")
                    return "%s"
                case Attr(base=Name(id=t), name="ctype"):
                    args.append(f"ops_c_name({t}->dtype)")
                    return "%s"
                case Name(id=t) if values and t in values:
                    args.append(f"(long long){values[t]}")
                    return "%lld"
            args.append(f"(long long)({self.ints.text(node)})")
            return "%lld"

        parts = re.split(r"(\{[^{}]*\})", message)
        body = "".join(
            re.sub(r"\{([^{}]*)\}", put, part) if part.startswith("{") else part.replace("%", "%%")
            for part in parts
        )
        return '"' + body.replace("\\", "\\\\").replace('"', '\\"') + '"', args

    def of_edges(self) -> list[str]:
        """Statements that refuse subscripts which the loops would take beyond their axis."""
        inner = {v.var for v in self.program.loops}
        some = [
            f"{self.ints.text(v.extent, 8)} > 0"
            for v in self.program.loops
            if not isinstance(v.extent, Num) and not self._depends(v.extent, inner)
        ]
        lines: list[str] = []
        for e in self.edges:
            if e.positions:
                continue
            size, low, high = (self.ints.text(x, 9) for x in (e.size, _least(e), _greatest(e)))
            tests = [f"{low} < 0"] if not _is_inside(e.lowest) else []
            tests.append(f"{high} >= {size}")
            beyond = " || ".join(tests)
            param = self.ints.params.get(e.tensor)
            given = [f"!({e.tensor}->flags & OPS_NONE)"] if param and param.type.optional else []
            condition = " && ".join([*given, *some, f"({beyond})" if len(tests) > 1 else beyond])
            item = fm.unparse(fm.transform(e.item, _as_written))
            hint = "" if e.tensor == OUT else "; the entry may say what lies 'outside'"
            text = (
                f"{self.op.name}: '{item}' takes positions %lld to %lld along dimension {e.axis}, "
                f"which has size %lld{hint}"
            )
            lines += [
                f"if (OPS_UNLIKELY({condition})) {{",
                f'    return ops_fail(OPS_INDEX_ERROR, "{text}",',
                f"                    (long long)({low}), (long long)({high}), "
                f"(long long)({size}));",
                "}",
            ]
        return lines

    def _depends(self, node: Node, variables: set[str]) -> bool:
        p = self.program
        return any(
            n in variables or (n in p.let and self._depends(p.let[n], variables))
            for n in fm.names(node)
        )

    def all(self) -> list[tuple[Formula, str]]:
        """The entry's checks, and those that subscripts by positions need besides."""
        found = list(self.op.check)
        for e in self.edges:
            if e.positions:
                (value,) = e.lowest
                inside = Logic("and", (Compare("<=", Num(0), value), Compare("<", value, e.size)))
                f = Formula(fm.unparse(inside), inside, self.op.place)
                message = (
                    f"IndexError: index {{{e.positions}}} is out of bounds for dimension {e.axis} "
                    f"with size {{{fm.unparse(e.size)}}}"
                )
                found.append((f, message))
        return found

    def of_elements(self, bound: Iterable[str]) -> list[str]:
        """Statements of the function that looks at every position before the loops do."""
        lines: list[str] = []
        known = (*bound, *self.program.let, *self.program.sizes, *self.ints.params)
        for number, (f, error) in enumerate(self.all()):
            tensors = self.bare_tensors(f.node)
            if not tensors:
                continue
            t = tensors[0]
            kind, _, message = error.partition(":")
            default = f"{self.op.name}: expected {f.text}"
            default = "index out of range in self" if kind == "IndexError" else default
            text, args = self.message(message.strip() or default, {t: "v"})
            node = fm.substitute(f.node, {t: Name("v")})
            terms = node.args if isinstance(node, Logic) and node.op == "and" else (node,)
            conditions = [f"({self.ints.text(x)})" for x in terms]
            for n in dict.fromkeys(known):
                conditions = [re.sub(rf"\b{n}\b", f"args->{n}", x) for x in conditions]
                args = [re.sub(rf"\b{n}\b", f"args->{n}", x) for x in args]
            declared = f"const int64_t *const {t} = args->{t};"
            lines += [] if declared in lines else [declared]
            ok, count = f"ok_{number}", f"args->count_{t}"
            lines += [
                f"int64_t {ok} = 1; /* without jumps first: valid positions are the rule */",
                f"for (int64_t k = 0; k < {count}; ++k) {{",
                f"    const int64_t v = {t}[k];",
                f"    {ok} &= {' & '.join(conditions)};",
                "}",
                f"for (int64_t k = 0; !{ok} && k < {count}; ++k) {{",
                f"    const int64_t v = {t}[k];",
                f"    if (!({' && '.join(conditions)})) {{",
                f"        ops_fail({STATUS[kind]}, {', '.join([text, *args])});",
                "        return 0;",
                "    }",
                "}",
            ]
        return lines


def _as_written(node: Node) -> Node:
    return Name(as_written(node.id)) if isinstance(node, Name) else node


def _least(edge: Edge) -> Node:
    return _of(edge.lowest, "min")


def _greatest(edge: Edge) -> Node:
    return _of(edge.highest, "max")


def _of(corners: Sequence[Node], which: str) -> Node:
    first, *rest = corners
    for corner in rest:
        first = Call(which, (first, corner))
    return first


def _is_inside(lowest: Sequence[Node]) -> bool:
    """Is what is said here a number that no position lies before?"""
    return all(isinstance(n, Num) and isinstance(n.value, int) and n.value >= 0 for n in lowest)
