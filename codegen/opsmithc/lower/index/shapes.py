"""In: the axes of a loop program. Out: statements that check shapes, bind sizes and find the dtype.

Must not know: kernels; it is told which names they need.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ... import formula as fm
from ...derive.index import OUT, SIZE, Axis, Program
from ...errors import FormulaError
from ...formula import Name, Node, Num
from ...opdef import OpDef
from ...schema import Param
from .checks import Checks
from .ints import Ints
from .kernels import words
from .nest import Nest

RULES = {
    "int_to_float": "OPS_RULE_INT_TO_FLOAT", "int_to_long": "OPS_RULE_INT_TO_LONG",
    "bool_to_long": "OPS_RULE_BOOL_TO_LONG", "always_long": "OPS_RULE_LONG",
    "always_bool": "OPS_RULE_BOOL",
}  # fmt: skip


class Shapes:
    """Statements of the function before its result is made."""

    def __init__(self, program: Program) -> None:
        self.program, self.op = program, program.op
        self.ints = Ints(program, in_kernel=False)
        self.checks = Checks(program)
        self.bound: dict[str, str] = {}  # size -> tensor it came from
        self.inner = loop_lets(program)

    def lines(self, used: Iterable[str], strides: Mapping[str, Node]) -> list[str]:
        """Checks, sizes, `let` values and the dtype, in an order that errors read well."""
        p = self.program
        lines, late = self.checks.of_arguments()
        order = [n for n in p.dims if n != OUT]
        order.sort(
            key=lambda n: (
                any(a.at_least for a in p.dims[n]),
                n in self.ints.params and self.ints.params[n].type.optional,
            )
        )
        for name in order:
            lines += self.bind(name, p.dims[name])
        edges = self.checks.of_edges()
        needed = {*used, *words(" ".join(late + edges))}
        needed |= (
            {n for a in p.dims[OUT] for n in fm.names(a.size)}
            if SIZE not in p.dims and not p.start
            else set()
        )
        lines += self.lets(needed, strides)
        lines += late + edges
        for text, node in strides.items():
            if not isinstance(node, Num):
                lines += self.checks.fail(
                    f"{text} < 1",
                    "RuntimeError",
                    f"{self.op.name}: expected a positive '{text}', found {{{fm.unparse(node)}}}",
                )
        return lines + self.dtype()

    def lets(self, needed: set[str], strides: Mapping[str, Node]) -> list[str]:
        """Static `let` values and computed sizes that something reads, each after what it reads."""
        p = self.program
        table = {**p.let, **p.sizes}
        inner = self.inner
        wanted = {n for s in strides.values() for n in fm.names(s)} | needed
        todo = [n for n in table if n in wanted]
        todo += [n for k in inner if k in needed for n in fm.names(p.let[k])]
        lines: list[str] = []
        done: set[str] = set()

        def visit(name: str) -> None:
            if name in done or name not in table or name in inner or (name in self.bound):
                return
            done.add(name)
            for n in fm.names(table[name]):
                visit(n)
            lines.append(f"const int64_t {name} = {self.ints.text(table[name])};")

        for name in todo:
            visit(name)
        return lines

    def bind(self, name: str, axes: tuple[Axis, ...]) -> list[str]:
        """Check one shape and take the sizes it gives."""
        ndim, shape = (f"n_{SIZE}", SIZE) if name == SIZE else (f"{name}->ndim", f"{name}->shape")
        optional = name in self.ints.params and self.ints.params[name].type.optional
        lines: list[str] = []
        n = len(axes)
        what = f"'{name}'"
        groups = sum(a.group for a in axes)
        found = f'found %d", (int){ndim}'
        if groups == 2:
            lines += self.bind_around(name, axes, ndim, shape)
            return lines
        leading = bool(axes) and (axes[0].group or axes[0].optional)
        if leading and axes[0].group:
            test, expected = f"{ndim} < {n - 1}", f"at least {n - 1}"
        elif leading:
            test, expected = f"{ndim} != {n} && {ndim} != {n - 1}", f"{n - 1} or {n}"
        else:
            test, expected = f"{ndim} != {n}", str(n)
        text = (
            f"{self.op.name}: expected {what} to have {expected} dimension{'s' * (expected != '1')}"
        )
        lines += [
            f"if (OPS_UNLIKELY({test})) {{",
            f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}, {found});',
            "}",
        ]
        for d, axis in enumerate(axes):
            if leading and d == 0:
                value = f"ops_product({shape}, 0, (int){ndim} - {n - 1})"
            elif leading:
                value = f"{shape}[{ndim} - {n - d}]"
            else:
                value = f"{shape}[{d}]"
            lines += self.size(name, axis, value, d - n)
        if optional and lines:
            lines = [f"if (!({name}->flags & OPS_NONE)) {{", *("    " + x for x in lines), "}"]
        return lines

    def size(self, tensor: str, axis: Axis, value: str, d: int) -> list[str]:
        """Bind a size name, or check it against what is known."""
        name = axis.name
        if (
            name
            and name not in self.bound
            and name not in self.program.sizes
            and name not in self.program.let
            and name not in self.ints.params
        ):
            self.bound[name] = tensor
            return [f"const int64_t {name} = {value};"]
        known = self.ints.text(axis.size)
        origin = f" of '{self.bound[name]}'" if name in self.bound else ""
        text = f"{self.op.name}: dimension {d} of '{tensor}' is %lld, expected {known}{origin}"
        return [
            f"if (OPS_UNLIKELY({value} != {known})) {{",
            f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}, which is %lld",',
            f"                    (long long){value}, (long long){known});",
            "}",
        ]

    def bind_around(self, name: str, axes: tuple[Axis, ...], ndim: str, shape: str) -> list[str]:
        """A shape with groups before and after the axis ``dim``."""
        before, middle, after = axes
        lines: list[str] = []
        if "axis" not in self.bound:
            self.bound["axis"] = name
            lines += [
                f"const int axis = ops_axis(dim, (int){ndim});",
                "if (axis < 0) {",
                "    return NULL;",
                "}",
            ]
        if before.at_least:
            small = bounding(self.program)
            small_ndim, small_shape = (f"{small}->ndim", f"{small}->shape")
            lines += [
                f"if (!ops_fits({small_ndim}, {small_shape}, (int){ndim}, {shape}, axis, "
                f'"{small}", "{"self" if name == "input" else name}")) {{',
                "    return NULL;",
                "}",
            ]
        elif before.name in self.bound:
            other = self.bound[before.name]
            other_ndim, other_shape = (
                (f"(int)n_{SIZE}", SIZE) if other == SIZE else (f"{other}->ndim", f"{other}->shape")
            )
            text = (
                f"{self.op.name}: shapes of '{name}' and '{other}' must agree except in dimension "
            )
            text += "%d, found %s and %s"
            lines += [
                f"if (!ops_same_around((int){ndim}, {shape}, {other_ndim}, {other_shape}, "
                "axis)) {",
                f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}", axis,',
                f"                    ops_shape_text((int){ndim}, {shape}),",
                f"                    ops_shape_text({other_ndim}, {other_shape}));",
                "}",
            ]
        else:
            lines += self.size(name, before, f"ops_product({shape}, 0, axis)", 0)
            lines += self.size(name, after, f"ops_product({shape}, axis + 1, (int){ndim})", 0)
        lines += self.size(name, middle, f"ops_size((int){ndim}, {shape}, axis)", 0)
        return lines

    def dtype(self) -> list[str]:
        """Find `dtype`, and refuse operands that do not go together."""
        rule = self.op.dtype
        lines: list[str] = []
        for t in tensors(self.op):
            if self.program.integral(t.name):
                text = f"{self.op.name}(): Expected dtype int32 or int64 for {t.name}"
                lines += [
                    f"if ({t.name}->dtype != OPS_I64 && {t.name}->dtype != OPS_I32) {{",
                    f'    return ops_fail(OPS_RUNTIME_ERROR, "{text}");',
                    "}",
                ]
        args = [self.ints.params[a] for a in rule.args]
        first = args[0]
        if rule.kind == "same":
            for other in args[1:]:
                text = f"{self.op.name}: expected {first.name} and {other.name}"
                some = f"!({other.name}->flags & OPS_NONE) && " if other.type.optional else ""
                lines += [
                    f"if (OPS_UNLIKELY({some}{other.name}->dtype != {first.name}->dtype)) {{",
                    f'    return ops_fail(OPS_RUNTIME_ERROR, "{text} to have the same dtype, "',
                    f'                    "but got: %s != %s", ops_c_name({first.name}->dtype),',
                    f"                    ops_c_name({other.name}->dtype));",
                    "}",
                ]
            return [*lines, f"const int dtype = {first.name}->dtype;"]
        names = ", ".join(a.name for a in args)
        lines += [
            f"ops_tensor *const typed[] = {{{names}}};",
            f'const int common = ops_common_dtype("{self.op.name}", typed, NULL, {len(args)});',
            "if (common < 0) {",
            "    return NULL;",
            "}",
        ]
        return [
            *lines,
            f"const int dtype = ops_apply_rule({RULES.get(rule.kind, 'OPS_RULE_COMMON')}, common);",
        ]

    def result_shape(self) -> tuple[str, str, list[str]]:
        """C texts of ndim and shape, and the statements before them."""
        p = self.program
        axes = p.dims[OUT]
        if SIZE in p.dims:
            return f"(int)n_{SIZE}", SIZE, []
        if p.start:
            return f"{p.start}->ndim", f"{p.start}->shape", []
        sizes = [self.ints.text(a.size) for a in axes]
        if not any(a.group or a.optional for a in axes):
            body = f"{{{', '.join(sizes)}}}" if sizes else "{0}"
            return str(len(axes)), "shape", [f"const int64_t shape[] = {body};"]
        if sum(a.group for a in axes) == 2:
            t = self.bound[axes[0].name]
            return "ndim", "shape", [
                "int64_t shape[OPS_MAX_NDIM];",
                f"const int ndim = ops_copy_sizes(shape, {t}->shape, {t}->ndim);",
                "if (ndim > 0) {",
                f"    shape[axis] = {sizes[1]};",
                "}",
            ]  # fmt: skip
        t = self.bound[axes[0].name]
        rest = len(p.dims[t]) - 1
        lines = [
            "int64_t shape[OPS_MAX_NDIM + 8];",
            f"int ndim = ops_copy_sizes(shape, {t}->shape, {t}->ndim - {rest});",
            *(f"shape[ndim++] = {s};" for s in sizes[1:]),
        ]
        return "ndim", "shape", lines


def tensors(op: OpDef) -> list[Param]:
    """Parameters that are one tensor."""
    return [p for p in op.schema.params if p.type.base == "Tensor"]


def loop_lets(program: Program) -> set[str]:
    """`let` values that depend on loops: kernels compute them."""
    nest = Nest(program, "f32")
    return {k for k in program.let if nest.depends(Name(k))}


def bounding(program: Program) -> str:
    """The tensor whose shape bounds the axes written ``fits(A)``."""
    for name, axes in program.dims.items():
        if (
            name not in (OUT, SIZE)
            and sum(a.group for a in axes) == 2
            and not any(a.at_least for a in axes)
        ):
            return name
    raise FormulaError("'fits(A)' needs a tensor with 'many(A)' and 'many(B)'")
