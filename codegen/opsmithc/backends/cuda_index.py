"""In: an index op. Out: IndexCuda, what templates/cuda/index.cu.j2 prints.

Must not know: any op by name. The loops are those of ``lower/index``, a thread for each element
of the result (or each run of writes that must keep its order); products and convolutions too are
plain loops here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..lower import index as lower
from ..opdef import OpDef


@dataclass(frozen=True, slots=True)
class Launcher:
    """The op's row in the table."""

    symbol: str
    key: str


@dataclass(frozen=True, slots=True)
class IndexCuda:
    """Context of templates/cuda/index.cu.j2; fields as in ``lower.index.IndexFile``."""

    op: str
    formula: str
    structure: str
    fields: tuple[str, ...]
    kernels: tuple[lower.Kernel, ...]
    table: tuple[str, ...]
    by_size: bool
    checks: tuple[str, ...]
    texts: tuple[str, ...]  # formats of the checks' messages
    counts: str  # elements to check
    params: tuple[str, ...]
    unused: tuple[str, ...]
    shapes: tuple[str, ...]
    ndim: str
    shape: str
    device: str
    operands: tuple[str, ...]
    counted: bool
    start: str
    zero: str
    narrow: str
    assign: tuple[str, ...]
    rows: str
    launcher: Launcher


def index_context(op: OpDef) -> IndexCuda:
    """Lower one index op for CUDA."""
    plain = lower.render_context(op)
    file = lower.render_context(op, plain=True)
    checks, texts = _checks(file.checks)
    shared = {f.name: getattr(file, f.name) for f in fields(lower.IndexFile)}
    given = {f.name for f in fields(IndexCuda)}
    known = {k: v for k, v in shared.items() if k in given}
    known |= {
        "checks": checks,
        "texts": texts,
        "counts": _counts(file.checks),
        "kernels": tuple(_device(k) for k in file.kernels),
        "assign": tuple(_assigned(a) for a in file.assign),
        "launcher": Launcher(f"opsk_{op.name}__cuda", plain.key),
    }
    return IndexCuda(**known)


def _device(k: lower.Kernel) -> lower.Kernel:
    """C++ does not convert void pointers by itself."""
    unpack = tuple(
        re.sub(
            r"^(const )?(\w+) \*restrict const (\w+) = (.+);$",
            r"\1\2 *__restrict__ const \3 = (\1\2 *)\4;",
            line,
        )
        for line in k.unpack
    )
    return lower.Kernel(k.symbol, k.ctype, k.lines, k.sums, unpack)


def _assigned(text: str) -> str:
    return f"args{text.removesuffix(',')};"


def _counts(checks: Sequence[str]) -> str:
    """The most elements that a check walks."""
    found = sorted(set(re.findall(r"args->count_\w+", "\n".join(checks))))
    text = found[0] if found else "0"
    for more in found[1:]:
        text = f"ops_larger({text}, {more})"
    return text.replace("args->", "args.")


def _checks(lines: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The checks of positions, for a range of them; failing is a report, which ends nothing."""
    texts: list[str] = []
    found = []
    for line in "\n".join(lines).splitlines():
        line = re.sub(r"(const \w+ \*)const (\w+) = (args->\w+);$", r"\1const \2 = (\1)\3;", line)
        fail = re.match(r'(\s*)ops_fail\((\w+), ("(?:[^"\\]|\\.)*")(.*)\);$', line)
        loop = re.match(r"(\s*)for \(int64_t (\w+) = 0; \2 < (args->count_\w+); \+\+\2\) \{$", line)
        if fail:
            indent, status, text, values = fail.groups()
            found.append(
                f"{indent}ops_report(flag, word, {status}, texts[{len(texts)}]{values or ', 0'});"
            )
            texts.append(text)
        elif loop:
            indent, var, count = loop.groups()
            found.append(
                f"{indent}for (int64_t {var} = lo; {var} < ops_smaller(hi, {count}); ++{var}) {{"
            )
        elif line.strip() == "return 0;":
            found.append(line.replace("return 0;", "return;"))
        else:
            found.append(line)
    return tuple(found), tuple(texts)
