"""In: a loop program. Out: the matrix product or convolution that it is, and the call of it.

Must not know: plain loops. All is recognised by structure: a product of two reads summed over one
loop is a matrix product, a product with an affine window a convolution or one of its adjoints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...derive.algebra import is_num, neg, simplify
from ...derive.index import ACC, OUT, Loop, Program, Read, affine
from ...formula import Binary, IfExp, Name, Node
from .ints import Ints


@dataclass(frozen=True)
class Gemm:
    """A product of two reads summed over one loop, all subscripts bare."""

    a: Read
    b: Read
    batch: Loop | None
    m: Loop | None
    n: Loop | None
    k: Loop
    bias: Read | None


def match_gemm(p: Program) -> Gemm | None:
    """Recognise a matrix product in any transposition, perhaps batched, perhaps with a bias."""
    factors = _product(p)
    if factors is None or len(p.inner) != 1 or p.scatter:
        return None
    a, b = factors
    index = {r.name: [i.id if isinstance(i, Name) else "" for i in r.index] for r in factors}
    if any("" in v or len(set(v)) != len(v) for v in index.values()):
        return None
    loops = {v.var: v for v in p.loops}
    out = [v.var for v in p.outer]
    k = p.inner[0].var
    in_a, in_b = set(index[a.name]), set(index[b.name])
    batch = [v for v in out if v in in_a and v in in_b]
    m = [v for v in out if v in in_a and v not in in_b]
    n = [v for v in out if v in in_b and v not in in_a]
    if n and m and out[-1] == m[0] or (not n and m):  # rows of c are contiguous along n
        a, b, m, n = b, a, n, m
    if not (k in in_a and k in in_b) or max(len(batch), len(m), len(n)) > 1:
        return None
    if out != [*batch, *m, *n] or {*batch, *m, *n, k} != set(loops):
        return None
    bias = _bias(p)
    if p.finish != Name(ACC) and (bias is None or not n or bias.index != (Name(n[0]),)):
        return None

    def one(v: list[str]) -> Loop | None:
        return loops[v[0]] if v else None

    return Gemm(a, b, one(batch), one(m), one(n), loops[k], bias)


def _product(p: Program) -> tuple[Read, Read] | None:
    """The two reads whose product is summed."""
    if p.fold != "sum" or p.picked is not None or p.start:
        return None
    match p.term:
        case Binary(op="*", left=Name(id=a), right=Name(id=b)):
            x, y = p.read(a), p.read(b)
            if (
                x
                and y
                and x.tensor != y.tensor
                and not (p.integral(x.tensor) or p.integral(y.tensor))
            ):
                return x, y
    return None


def _bias(p: Program) -> Read | None:
    """The read of ``acc + (0 if bias is None else bias[..])`` or ``acc + bias[..]``."""
    if isinstance(p.finish, Binary) and p.finish.op == "+" and p.finish.left == Name(ACC):
        term = p.finish.right
        if isinstance(term, IfExp) and is_num(term.then, 0):
            term = term.other
        if isinstance(term, Name):
            return p.read(term.id)
    return None


@dataclass(frozen=True)
class Conv:
    """A convolution or one of its adjoints: which tensor plays which part."""

    function: str
    image: str
    weight: str
    result: str
    bias: Read | None
    channels: Node
    sizes: tuple[Node, ...]
    n: Node
    o: Node
    c: Node
    kernel: tuple[Node, ...]
    out: tuple[Node, ...]
    stride: tuple[Node, ...]
    padding: tuple[Node, ...]
    dilation: tuple[Node, ...]


def match_conv(p: Program) -> Conv | None:
    """Recognise image[n, c, i*s - p + k*d] * weight[o, c, k] against result[n, o, i]."""
    factors = _product(p)
    if factors is None:
        return None
    places = {r.tensor: r.index for r in factors} | {OUT: p.target}
    variables = frozenset(v.var for v in p.loops)
    extent = {v.var: v.extent for v in p.loops}
    windows = [
        t
        for t, index in places.items()
        if len(index) > 2 and all(_window(i, variables) for i in index[2:])
    ]
    if len(windows) != 1:
        return None
    image = windows[0]
    index = places.pop(image)
    spatial = len(index) - 2
    if spatial > 3 or any(len(v) != len(index) for v in places.values()):
        return None
    parts = [affine(i, variables) for i in index[2:]]
    names = [[v.id if isinstance(v, Name) else "" for v in x] for x in places.values()]
    for (result, y), (weight, w) in (
        (list(zip(places, names))[k], list(zip(places, names))[1 - k]) for k in (0, 1)
    ):
        if "" in y or "" in w or index[0] != Name(y[0]) or y[1] != w[0]:
            continue
        if any(
            set(part[0]) != {y[2 + d], w[2 + d]} for d, part in enumerate(parts) if part is not None
        ):
            continue
        channel = index[1]
        og = _channel_groups(channel, y[1], w[1])
        if channel != Name(w[1]) and og is None:
            continue
        if {*y, *w} != set(variables):
            return None
        bias = _bias(p)
        if p.finish != Name(ACC) and (
            bias is None or image == OUT or weight == OUT or bias.index != (Name(y[1]),)
        ):
            return None
        outside = p.op.outside.get(image)
        if image != OUT and (outside is None or not is_num(outside.node, 0)):
            return None
        function = {image: "backward_input", weight: "backward_weight", result: "forward"}[OUT]
        dims = p.dims[image]
        known = [part for part in parts if part is not None]
        return Conv(
            function, image, weight, result, bias, dims[1].size, tuple(a.size for a in dims[2:]),
            extent[y[0]], extent[y[1]], extent[w[1]],
            tuple(extent[v] for v in w[2:]), tuple(extent[v] for v in y[2:]),
            tuple(part[0][y[2 + d]] for d, part in enumerate(known)),
            tuple(simplify(neg(part[1])) for part in known),
            tuple(part[0][w[2 + d]] for d, part in enumerate(known)),
        )  # fmt: skip
    return None


def _window(i: Node, variables: frozenset[str]) -> bool:
    parts = affine(i, variables)
    return parts is not None and len(parts[0]) == 2


def _channel_groups(channel: Node, o: str, c: str) -> Node | None:
    """``og`` of ``o // og * Cg + c``."""
    match channel:
        case Binary(
            op="+",
            left=Binary(op="*", left=Binary(op="//", left=Name(id=a), right=og)),
            right=Name(id=b),
        ):
            return og if (a, b) == (o, c) else None
    return None


def gemm_lines(g: Gemm, code: str, ints: Ints) -> list[str]:
    """The call that computes a matrix product."""

    def size(v: Loop | None) -> str:
        return ints.text(v.extent) if v else "1"

    def stride(r: Read, v: Loop | None) -> str:
        return f"{r.tensor}_{v.var}" if v and Name(v.var) in r.index else "0"

    lines: list[str] = []
    epilogue = "NULL"
    if g.bias:
        lines.append(
            f"const ops_gemm_epilogue_{code} epilogue = {{{g.bias.tensor}, 0, OPS_GEMM_IDENTITY}};"
        )
        epilogue = f"{g.bias.tensor} == NULL ? NULL : &epilogue"
    m, n, k = size(g.m), size(g.n), size(g.k)
    a = f"{g.a.tensor}, {stride(g.a, g.m)}, {stride(g.a, g.k)}"
    b = f"{g.b.tensor}, {stride(g.b, g.k)}, {stride(g.b, g.n)}"
    batch = ""
    if g.batch:
        batch = f"{size(g.batch)}, {stride(g.a, g.batch)}, {stride(g.b, g.batch)}, {_times(m, n)}, "
    name = f"ops_gemm_batched_{code}" if g.batch else f"ops_gemm_{code}"
    lines.append(f"{name}({batch}{m}, {n}, {k}, {a}, {b}, out, {n}, 0, {epilogue});")
    return ["(void)lo;", "(void)hi;", *lines]


def _times(a: str, b: str) -> str:
    return b if a == "1" else a if b == "1" else f"{a} * {b}"


def conv_lines(c: Conv, code: str, ints: Ints) -> list[str]:
    """The call that computes a convolution or one of its adjoints."""

    def texts(nodes: Iterable[Node]) -> str:
        return "{" + ", ".join(ints.text(n) for n in nodes) + "}"

    channels, group = ints.text(c.channels), ints.text(c.c)
    operands = {
        "forward": (c.image, c.weight, "NULL" if c.bias is None else c.bias.tensor, OUT),
        "backward_input": (c.result, c.weight, OUT),
        "backward_weight": (c.image, c.result, OUT),
    }[c.function]
    return [
        "(void)lo;",
        "(void)hi;",
        "const ops_conv_shape shape = {",
        f"    .batch = {ints.text(c.n)},",
        f"    .groups = {group} > 0 ? {channels} / {group} : 1,",
        f"    .in_channels = {channels},",
        f"    .out_channels = {ints.text(c.o)},",
        f"    .spatial = {len(c.kernel)},",
        f"    .in_size = {texts(c.sizes)},",
        f"    .kernel = {texts(c.kernel)},",
        f"    .out_size = {texts(c.out)},",
        f"    .stride = {texts(c.stride)},",
        f"    .padding = {texts(c.padding)},",
        f"    .dilation = {texts(c.dilation)},",
        "};",
        f"ops_conv_{c.function}_{code}(&shape, {', '.join(operands)});",
    ]
