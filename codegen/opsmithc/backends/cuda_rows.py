"""In: an op lowered to rows, with its gradients. Out: RowsCuda, for templates/cuda/rows.cu.j2.

Must not know: any op by name, nor how a row is shared among threads (runtime/cuda/rows.cuh does
that). The passes are those of ``lower/rows_kernel.py``, as on the CPU; nothing is kept from one to
the next by name, since of a row in registers the compiler sees what it has computed before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..derive.op import Derived
from ..derive.rows import SINGLE
from ..formula import Call, Name, Node, names
from ..ir import COMMON, LONG
from ..lower import pointwise, rows
from ..lower.rows_kernel import KINDS, Kernel, bare_text, combined
from ..lower.rows_values import POSITION, N
from .cuda_text import CLASS, STORAGE, Launchers, Scalar, element

# What the generated text calls its own things.
OWN = frozenset(("row", "run", "u", "v", "at", "R", "compute", "inputs", "outputs"))
NONE = "NULL"


@dataclass(frozen=True, slots=True)
class RowsPass:
    """One walk over the row that finds all reductions of a depth."""

    before: tuple[str, ...]
    load: tuple[str, ...]
    walk: tuple[str, ...]
    meet: tuple[str, ...]
    folds: tuple[str, ...]
    values: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowsFunctor:
    """A kernel on one row."""

    title: str
    symbol: str
    compute: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    check: str
    check_status: str
    scalars: tuple[Scalar, ...]
    head: tuple[str, ...]
    passes: tuple[RowsPass, ...]
    finish: tuple[str, ...]  # values of the row after the last pass
    load: tuple[str, ...]
    walk: tuple[str, ...]  # the element-wise outputs
    store: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowsCuda:
    """Context of templates/cuda/rows.cu.j2: every kernel of one op."""

    op: str
    title: tuple[str, ...]
    kernels: tuple[RowsFunctor, ...]
    tables: tuple[Launchers, ...]


def rows_context(derived: Derived) -> RowsCuda:
    """Every kernel of the op and of its backward."""
    op = derived.op
    kernels: list[RowsFunctor] = []
    tables = []
    for part in rows.parts(derived):
        made = [
            (code, _Row(part, f"{part.symbol}{suffix}__{code}", code, missing, present).functor())
            for suffix, missing, present in part.variants()
            for code in rows.COMPUTE
        ]
        kernels += (k for _, k in made)
        launchers = (
            f"ops_rows_launch<{', '.join((k.symbol, *STORAGE[code]))}>" for code, k in made
        )
        tables.append(Launchers(f"{part.symbol}__cuda", part.key, tuple(launchers)))
    return RowsCuda(op.name, rows.title(op), tuple(kernels), tuple(tables))


class _Row(Kernel):
    """Prints a kernel as the work of a thread on its elements of a row."""

    spelling = "cuda"

    def __init__(
        self, part: rows.Part, symbol: str, compute: str, missing: Sequence[str],
        present: Sequence[str],
    ) -> None:  # fmt: skip
        super().__init__(
            part.op, symbol, compute, part.ins, part.outs, missing, present, bool(part.cotangents)
        )
        self.part = part
        self.elements_of: dict[str, int] = {}  # operands that vary along the row: their places
        self.walked: set[int] = set()  # those that some loop reads

    def functor(self) -> RowsFunctor:
        """The whole kernel."""
        head = self.head()
        by_pass = self.by_pass()
        passes = [self.pass_of(rs, p) for p, rs in enumerate(by_pass)]
        finish, load, walk, store = self.last(len(by_pass))
        if self.walked:
            head.append(f"row.template hold<{', '.join(map(str, sorted(self.walked)))}>();")
        check = self.part.check
        return RowsFunctor(
            title=self.title,
            symbol=self.symbol,
            compute=self.dtype.ctype,
            outputs=tuple(f"ops_{o.layout}<{CLASS[o.cls]}>" for o in self.outs),
            inputs=tuple(f"ops_{i.layout}<{CLASS[i.cls]}>" for i in self.ins),
            check=_message(check[0]) if check else NONE,
            check_status=check[1] if check else "0",
            scalars=tuple(self.numbers()),
            head=tuple(head),
            passes=tuple(passes),
            finish=tuple(finish),
            load=tuple(load),
            walk=tuple(walk),
            store=tuple(store),
        )

    # Operands ------------------------------------------------------------------------------------

    def numbers(self) -> list[Scalar]:
        """Members for the scalars that the kernel reads."""
        return [
            Scalar("int32_t", _local(name), f"ops_rows_narrow(s[{k}].i)")
            if integer
            else Scalar(self.dtype.ctype, _local(name), f"({self.dtype.ctype})s[{k}].f")
            for k, name, integer in self.scalars()
        ]

    def head(self) -> list[str]:
        """Names of what formulas read, and what happens at the start of a row."""
        for _, name, integer in self.scalars():
            self.env[name] = (_local(name), LONG if integer else COMMON)
        read = self.read()
        lines = []
        for k, i in enumerate(self.ins):
            if i.name not in read:
                continue
            self.env[i.name] = (_local(i.name), i.cls)
            if i.layout != SINGLE:
                self.elements_of[i.name] = k
                continue
            value = f"row.template single<{k}>()"
            if i.cls == LONG:
                lines.append(f"const int32_t {_local(i.name)} = ops_rows_narrow({value});")
            else:
                lines.append(f"const {element(i.cls, self.dtype)} {_local(i.name)} = {value};")
        self.env[POSITION] = ("at", LONG)
        self.env[N] = (f"({self.dtype.ctype})n", COMMON)
        condition = self.condition()
        if condition is not None:
            lines.append(f"row.expect({bare_text(condition)});")
        return lines

    def placed(self, text: str, place: str) -> str:
        """The text of an element of the loop, at one position of the row."""
        for name, k in self.elements_of.items():
            if self.env[name][0] == text:
                return f"row.template pick<{k}>({place})"
        return text

    # Passes --------------------------------------------------------------------------------------

    def loop(
        self, roots: Sequence[Node], when: int
    ) -> tuple[list[str], list[str], dict[Node, str]]:
        """Statements before the elements and at each, and the texts of the roots there."""
        read = {n for r in roots for n in names(self.rewritten(r))}
        moving = {name: k for name, k in self.elements_of.items() if name in read}
        self.walked.update(moving.values())
        load = [f"row.template load<{', '.join(map(str, moving.values()))}>(run);"]
        walk = [
            f"const {self.ctype_of(name)} {_local(name)} = row.template get<{k}>(u, v);"
            for name, k in moving.items()
        ]
        if POSITION in read:
            walk.append("const int32_t at = row.at(run, u, v);")
        found, texts = self.elements(roots, when)
        return (load if moving else []), [*walk, *found.compute], texts

    def ctype_of(self, name: str) -> str:
        """The C type of an input's elements."""
        cls = next(i.cls for i in self.ins if i.name == name)
        return element(cls, self.dtype)

    def pass_of(self, reductions: Sequence[Node], when: int) -> RowsPass:
        """The reductions of one depth."""
        roots = [r.args[0] for r in reductions if isinstance(r, Call)]
        before = self.singles(roots)
        ctype, code = self.dtype.ctype, self.compute
        load, walk, texts = self.loop(roots, when)
        states, meet, folds, values, after = list(load), [], [], [], []
        for q, (r, root) in enumerate(zip(reductions, roots, strict=True)):
            assert isinstance(r, Call)
            kind, identity, wide = KINDS[r.fn]
            name = f"r{when}_{q}"
            before.append(f"{'double' if wide else ctype} {name} = {identity};")
            states.append(f"{ctype} a{q} = {identity};")
            walk.append(f"const {ctype} v{q} = {bare_text(texts[root])};")
            more = combined(kind, f"a{q}", f"v{q}", code)
            walk.append(f"a{q} = row.has(run, u, v) ? {more} : a{q};")
            meet.append(f"{name} = {combined(kind, name, f'a{q}', code)};")
            folds.append(f"ops_fold_{kind}")
            values.append(name)
            after.append(self.folded(r, name))
        return RowsPass(
            tuple(before), tuple(states), tuple(walk), tuple(meet), tuple(folds), tuple(values),
            tuple(after),
        )  # fmt: skip

    def last(self, when: int) -> tuple[list[str], list[str], list[str], list[str]]:
        """Values of the row, and the loop over the element-wise outputs.

        What only one position gets is chosen in the loop: two threads never write to one place.
        """
        loop, patches = self.split([o for o in self.outs if o.layout != SINGLE])
        finish = self.singles([*(v for _, v in loop), *(v for _, _, v in patches)])
        place_of = {o.name: k for k, o in enumerate(self.outs)}
        for o, needed, text in self.single_outputs():
            finish += [*needed, f"row.template write<{place_of[o.name]}>({text});"]
        chosen: dict[str, tuple[str, str]] = {}
        for o, place, value in patches:
            assert isinstance(place, Name)
            at = self.env[place.id][0]
            name = f"p{len(chosen)}"
            text = bare_text(self.at_place(value, at))
            finish.append(f"const {self.dtype.ctype} {name} = {text};")
            chosen[o.name] = (at, name)
        given = {o.name: v for o, v in loop}
        wanted = [o for o in self.outs if o.name in given or o.name in chosen]
        load, walk, texts = self.loop([v for _, v in loop], when)
        if chosen and "const int32_t at = row.at(run, u, v);" not in walk:
            walk.insert(0, "const int32_t at = row.at(run, u, v);")
        for o in wanted:
            rest = texts[given[o.name]] if o.name in given else "0"
            if o.name in chosen:
                at, name = chosen[o.name]
                rest = f"at == {at} ? {name} : {rest}"
            walk.append(f"row.template put<{place_of[o.name]}>(u, v, {bare_text(rest)});")
        places = ", ".join(str(place_of[o.name]) for o in wanted)
        return finish, load, walk, [f"row.template store<{places}>(run);"] if wanted else []


def _local(name: str) -> str:
    return f"{name}_" if name in OWN else pointwise.local(name)


def _message(said: str) -> str:
    """A format in C: what a failed check says."""
    text = said.replace("%", "%%").replace("\\", "\\\\")
    return '"' + text.replace('"', '\\"') + '"'
