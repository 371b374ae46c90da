"""In: a loop program and its kernels. Out: the struct through which the function calls them.

Must not know: how kernels are written; it reads which names they use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...derive.index import OUT
from ...formula import Name
from ...opdef import OpDef
from ...schema import Param
from .kernels import Kernel, Kernels, Written, words
from .shapes import bounding, loop_lets


class Arguments:
    """The struct of arguments: its fields, who sets them, who reads them."""

    def __init__(
        self, kernels: Kernels, written: Written, read: Sequence[Param], checks: Sequence[str]
    ) -> None:
        self.program, self.gemm, self.by_size = kernels.program, kernels.gemm, kernels.by_size
        self.read, self.names, self.checks = read, written.names, " ".join(checks)
        self.fields: list[str] = []
        self.unpack: dict[str, str] = {}
        self.assign: list[str] = []

    def collect(self, bound: Iterable[str]) -> None:
        """Fields of the struct, how kernels read them, how the entry sets them."""
        p = self.program
        used = set(self.names)
        fields, unpack, assign, read = self.fields, self.unpack, self.assign, self.read
        for k, t in enumerate(read):
            fields.append(f"const void *{t.name};")
            ctype = "int64_t" if p.integral(t.name) else "T"
            if t.name in used:
                unpack[t.name] = f"const {ctype} *restrict const {t.name} = args->{t.name};"
            data = f"operands[{k}]->data"
            if f"args->count_{t.name}" in self.checks:
                fields.append(f"int64_t count_{t.name};")
                assign.append(f".count_{t.name} = operands[{k}]->numel")
            assign.append(
                f".{t.name} = "
                + (f"operands[{k}]->flags & OPS_NONE ? NULL : {data}" if t.type.optional else data)
            )
        fields.append("void *out;")
        unpack[OUT] = "T *restrict const out = args->out;"
        if p.indices:
            fields.append("int64_t *indices;")
            unpack["indices"] = "int64_t *restrict const indices = args->indices;"
        if self.gemm:
            for k, t in enumerate(read):
                for name, end in self.gemm_strides(t.name):
                    fields.append(f"int64_t {name};")
                    if name in used:
                        unpack[name] = f"const int64_t {name} = args->{name};"
                    assign.append(f".{name} = ops_stride(operands[{k}], {end})")
        used |= words(self.checks)
        inner = {v.var for v in p.loops} | loop_lets(p)
        params = {q.name: q for q in p.op.schema.params}
        for name in [*bound, *p.sizes, *p.let, *(q.name for q in p.op.schema.params)]:
            if (
                name not in used
                or name in inner
                or any(f.split()[-1] == f"{name};" for f in fields)
            ):
                continue
            param = params.get(name)
            base = param.type.base if param else "int"
            if base == "Tensor" or (param and param.type.is_list):
                continue
            ctype = {"int": "int64_t", "bool": "int", "float": "double", "Scalar": "ops_scalar"}[
                base
            ]
            fields.append(f"{ctype} {name};")
            assign.append(f".{name} = {name}")
            if name in self.names:
                unpack[name] = _unpack(name, base)

    def gemm_strides(self, tensor: str) -> list[tuple[str, str]]:
        """Strides that a matrix product takes: fields, and axes counted from the last."""
        assert self.gemm is not None
        found = []
        for r in (self.gemm.a, self.gemm.b):
            if r.tensor == tensor:
                for d, i in enumerate(r.index):
                    assert isinstance(i, Name)
                    found.append((f"{tensor}_{i.id}", str(len(r.index) - d)))
        return found

    def operand(self, t: Param) -> str:
        """How a tensor is made ready for the kernels."""
        p = self.program
        if p.integral(t.name):
            want = "OPS_I64"
        else:
            want = "dtype" if self.by_size else "element"
        source = t.name
        if any(a.at_least for a in p.dims.get(t.name, ())):
            return f"ops_narrowed_operand({t.name}, {bounding(p)}, axis, {want})"
        if (
            self.gemm
            and not p.integral(t.name)
            and t.name in (self.gemm.a.tensor, self.gemm.b.tensor)
        ):
            axes = p.dims[t.name]
            test = "tuned"
            if axes and axes[0].group:
                test += f" && ops_collapses({t.name}, {t.name}->ndim - {len(axes) - 1})"
            return f"{test} ? ops_strided_operand({source}, {want}) : ops_operand({source}, {want})"
        return f"ops_operand({source}, {want})"


def c_params(op: OpDef) -> tuple[list[str], list[str]]:
    """C parameters of the op's function: declarations and names."""
    params: list[str] = []
    names: list[str] = []
    for p in op.schema.params:
        if p.type.is_list:
            params += [f"int64_t n_{p.name}", f"const int64_t *{p.name}"]
            names += [f"n_{p.name}", p.name]
            continue
        ctype = {
            "Tensor": "ops_tensor *",
            "int": "int64_t ",
            "bool": "int ",
            "float": "double ",
            "Scalar": "ops_scalar ",
        }
        params.append(f"{ctype[p.type.base]}{p.name}")
        names.append(p.name)
    return params, names


def _unpack(name: str, base: str) -> str:
    """A number argument in the compute dtype."""
    match base:
        case "int":
            return f"const int64_t {name} = args->{name};"
        case "bool":
            return f"const int {name} = args->{name};"
        case "float":
            return f"const T {name} = (T)args->{name};"
    return f"const T {name} = OPS_NUMBER_AS(T, args->{name});"


def with_unpack(k: Kernel, unpack: Mapping[str, str]) -> Kernel:
    """The kernel with the arguments that it reads as locals."""
    used = words(" ".join(k.lines))
    return replace(k, unpack=tuple(line for name, line in unpack.items() if name in used))
