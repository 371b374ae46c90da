"""In: the frontend's source text. Out: what it declares, for the stub.

Must not know: opsmith as a module; everything is read by ``ast``, nothing is imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

_BUILTINS = ("int", "float", "bool", "str", "dtype", "device", "Any", "Callable", "Iterator",
             "Size", "Sequence", "layout", "type", "tuple", "list", "dict")  # fmt: skip
Functions = Mapping[str, ast.FunctionDef]


class _Prefixed(ast.NodeTransformer):
    """Types get the prefix under which the stub imports them: ``Tensor.int`` is a method."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in _BUILTINS:
            return ast.copy_location(ast.Name(f"_{node.id}", node.ctx), node)
        return node


def body(text: str) -> str:
    """What follows the colon: a docstring on its own line, or dots."""
    return text if text.startswith("\n") else f" {text}"


def docstring(doc: Mapping[str, str], indent: int = 8) -> str:
    """The docstring as the body, so that editors show it."""
    if not doc.get("short"):
        return "..."
    lines = [doc["short"], *(["", f"Example: {doc['example']}"] if doc.get("example") else [])]
    lines = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    pad = "\n" + " " * indent
    text = pad.join(lines).replace(pad + "\n", "\n\n")
    return f'{pad}"""{text}"""' if len(lines) == 1 else f'{pad}"""{text}{pad}"""'


# Members of Tensor -------------------------------------------------------------------------------


def members(frontend: Path) -> Iterator[tuple[str, str]]:
    """Methods and properties that are attached to Tensor by hand, with their declarations."""
    for path in sorted(frontend.glob("_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8")).body
        functions = {node.name: node for node in tree if isinstance(node, ast.FunctionDef)}
        for node in tree:
            match node:
                case ast.FunctionDef(decorator_list=[ast.Name(id="_method" | "_property" as how)]):
                    yield node.name, _member(node, node.name, how == "_property")
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        for name, one in _attached(target, value):
                            yield name, _assigned(name, one, functions)
                case ast.For(iter=ast.Tuple(elts=items), body=statements):
                    if any("setattr(Tensor" in ast.unparse(s) for s in statements):
                        yield from (_installed(item, functions) for item in items)


def _attached(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of ``Tensor.name = value``, also of several at once."""
    match target, value:
        case ast.Attribute(value=ast.Name(id="Tensor"), attr=name), _:
            if not name.startswith("__"):
                yield name, value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values):
            for one, its in zip(targets, values, strict=True):
                yield from _attached(one, its)


def _installed(item: ast.expr, functions: Functions) -> tuple[str, str]:
    """What a loop attaches: a function, a pair of a name and one, or a name of what is False."""
    match item:
        case ast.Name(id=name):
            return name, _assigned(name, item, functions)
        case ast.Tuple(elts=[ast.Constant(value=str(name)), value]):
            return name, _assigned(name, value, functions)
        case ast.Constant(value=str(name)):
            return name, f"{name}: _bool"
    raise AssertionError(ast.unparse(item))


def _assigned(name: str, value: ast.expr, functions: Functions) -> str:
    """The declaration of ``Tensor.name = value``: that of the function, where it is beside it."""
    match value:
        case ast.Name(id=function) if function in functions:
            return _member(functions[function], name, False)
        case ast.Call(func=ast.Name(id="property"), args=[ast.Name(id=function), *_]):
            returns = functions[function].returns if function in functions else None
            return f"{name}: {_annotation(returns)}"
        case ast.Call(func=ast.Name(id="property"), args=[ast.Lambda(body=found), *_]):
            truth = isinstance(found, ast.Compare | ast.BoolOp | ast.UnaryOp)
            return f"{name}: {'_bool' if truth else '_Any'}"
    return f"{name}: _Callable[..., _Any]"


def _member(node: ast.FunctionDef, name: str, is_property: bool) -> str:
    args = ", ".join(["self", *_arguments(node).split(", ", 1)[1:]])
    head = "@property\n    " if is_property else ""
    return f"{head}def {name}({args}) -> {_annotation(node.returns)}:{_shown(node, 8)}"


def _arguments(node: ast.FunctionDef) -> str:
    return ast.unparse(_Prefixed().visit(node.args))


def _annotation(node: ast.expr | None) -> str:
    return "_Any" if node is None else ast.unparse(_Prefixed().visit(node))


def _shown(node: ast.FunctionDef, indent: int) -> str:
    doc = (ast.get_docstring(node) or "").strip().splitlines()
    return body(docstring({"short": doc[0]} if doc else {}, indent))


# Names of the package ----------------------------------------------------------------------------


def functions(init: Path) -> Iterator[tuple[str, str]]:
    """The public functions that the package's own file defines, with their declarations."""
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            text = f"def {node.name}({_arguments(node)}) -> {_annotation(node.returns)}:"
            yield node.name, text + _shown(node, 4)


def reexports(init: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """``from .module import names`` of the package, and what modules bring on first touch."""
    for node in ast.parse(init.read_text(encoding="utf-8")).body:
        match node:
            case ast.ImportFrom(level=1, module=str(module), names=aliases):
                names = tuple(a.name for a in aliases if a.name != "Tensor")
                if names:
                    yield module, names
            case ast.Assign(targets=[ast.Name(id="_LATE")], value=ast.Dict() as value):
                yield from _late(value, init.parent)


def modules(init: Path) -> tuple[str, ...]:
    """The package's public modules that load on first touch."""
    return tuple(n for n in _constant(init, "_LAZY") if not n.startswith("_"))


def _late(table: ast.Dict, package: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """``name: module`` and ``**dict.fromkeys(names, module)``, as far as they are written out."""
    for key, value in zip(table.keys, table.values, strict=True):
        match key, value:
            case ast.Constant(value=str(name)), ast.Constant(value=str(module)):
                yield module, (name,)
            case None, ast.Call(args=[ast.Tuple() as names, ast.Constant(value=str(module))]):
                yield module, ast.literal_eval(names)
            case None, ast.Call(args=[ast.Attribute(attr=attr), ast.Constant(value=str(module))]):
                yield module, _constant(package / f"{module}.py", attr)


def _constant(path: Path, name: str) -> tuple[str, ...]:
    """A tuple of names that a module writes out."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return tuple(ast.literal_eval(value))
    return ()
