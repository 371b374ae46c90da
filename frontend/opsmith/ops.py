"""Registries of your own: ``define(text)`` and ``load(path)`` compile ops as the bundled ones are.

    my = opsmith.ops.define('''
    - op: swoosh(Tensor input, *, float beta=1.0) -> Tensor
      out: input * sigmoid(beta * input)
    ''')
    my.swoosh(x).sum().backward()

The same pipeline runs, gate included: a registry with a wrong gradient does not load. What was
compiled once is loaded from the cache (``OPSMITH_CACHE``, default ``~/.cache/opsmith``).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

from . import _core, _functions, _loading

_NAMESPACES: dict[str, Namespace] = {}
_ATTACHED: set[str] = set()  # attributes of Tensor that registries put there; the last one stays


class Namespace(types.SimpleNamespace):
    """The ops of a registry as attributes; unknown names fall back to opsmith's own ops."""

    def __init__(self, registry: str, public: tuple[str, ...] = (), source: Any = None) -> None:
        super().__init__()
        self._registry, self._public, self._source = registry, public, source

    @property
    def blocks(self) -> int:
        """What generated functions ask: blocks of modes and autocast that threads are in."""
        return _functions.blocks

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if _loading.home(name) is not None:
            return _loading.lookup(name)
        import difflib

        near = difflib.get_close_matches(name, self._public, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise AttributeError(f"registry '{self._registry}' has no op '{name}'{hint}")

    def __dir__(self) -> list[str]:
        return sorted(self._public)

    def __repr__(self) -> str:
        return f"<registry {self._registry}: {', '.join(self._public)}>"


def load(path: str | os.PathLike[str]) -> Namespace:
    """Compile (or take from the cache) the registry file and return its ops.

    The ops are also reachable as ``opsmith.ops.<file stem>``.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for mistakes in the registry, one line each with file, line and column.
        RuntimeError: when there is no C compiler or opsmithc is not installed.
    """
    file = Path(path)
    return _build(file.read_text(encoding="utf-8-sig"), file.stem, file.name)


def define(text: str, name: str = "defined") -> Namespace:
    """Compile (or take from the cache) registry text and return its ops.

    Raises:
        TypeError: when the text is no string.
        ValueError: for mistakes in the registry, one line each with line and column, and for a
            name that ``opsmith.ops.<name>`` cannot have.
        RuntimeError: when there is no C compiler or opsmithc is not installed.
    """
    import keyword
    import textwrap

    if not isinstance(text, str):
        raise TypeError(f"define(): expected the text of a registry, not {type(text).__name__}")
    if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        raise ValueError(f"define(): expected an identifier for the registry's name, not {name!r}")
    if name in _OWN:
        raise ValueError(f"define(): opsmith.ops.{name} is taken; call the registry otherwise")
    return _build(textwrap.dedent(text.removeprefix("\ufeff")).lstrip("\n"), name, f"{name}.yaml")


def show(op: Any, stage: str = "c", dtype: str | None = None) -> str:
    """What a stage of the compiler makes of an op: ast, ir, c, cuda, python or grad.

    Args:
        op: an op of a registry, as a function, or the name of a bundled one.
        stage: the stage to show.
        dtype: only this compute dtype, e.g. ``"f32"``.
    """
    name = op if isinstance(op, str) else op.__name__
    package = "" if isinstance(op, str) else op.__module__.partition(".")[0]
    source = _NAMESPACES[package]._source if package in _NAMESPACES else None
    return _compiler().show(source, name, stage, dtype)


def _build(text: str, name: str, file: str) -> Namespace:
    compiler = _compiler()
    key = hashlib.sha256("\0".join((text, file, compiler.identity())).encode()).hexdigest()[:16]
    package = f"opsmith_registry_{key}"
    if package in _NAMESPACES:
        return _publish(name, _NAMESPACES[package])
    folder = compiler.paths.cache() / package
    marker, source = folder / "complete", folder / file
    if not marker.exists():
        folder.mkdir(parents=True, exist_ok=True)
        source.write_text(text, encoding="utf-8")
        compiler.build_user(source, package, folder)
        marker.write_text("", encoding="utf-8")
    namespace = Namespace(name, source=source)
    _NAMESPACES[package] = namespace
    _import(package, folder, namespace)
    return _publish(name, namespace)


def _compiler() -> Any:
    tree = Path(__file__).resolve().parent.parent.parent / "codegen"
    if importlib.util.find_spec("opsmithc") is None and (tree / "opsmithc").is_dir():
        sys.path.append(str(tree))
    try:
        from opsmithc import user
    except ImportError as e:
        raise RuntimeError(
            f"loading new ops needs opsmith's compiler and its dependencies ({e}): "
            "pip install 'opsmith[build]'"
        ) from e
    return user


def _import(package: str, folder: Path, namespace: Namespace) -> None:
    module = types.ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module
    index = importlib.import_module(f"{package}.index")
    public = []
    for shard in index.SHARDS:
        part = importlib.import_module(f"{package}.{shard}")
        for op in part.PUBLIC:
            setattr(namespace, op, getattr(part, op))
            if hasattr(part, f"{op}_"):
                setattr(namespace, f"{op}_", getattr(part, f"{op}_"))
            if op not in index.HIDDEN:
                public.append(op)
    for alias, target in index.ALIASES:
        setattr(namespace, alias, getattr(namespace, target))
    _attach(index, namespace)
    namespace._public = tuple(public)
    _core.register_params(importlib.import_module(f"{package}.params").PARAMS)


def _attach(index: Any, namespace: Namespace) -> None:
    """Put methods and properties on Tensor, but for names that it has of its own."""
    names = [(name, target) for name, target, _ in index.METHODS]
    made = {name: getattr(namespace, target) for name, target in names}
    made |= {name: property(getattr(namespace, name)) for name in index.PROPERTIES}
    wanted = [*made, *(f"__{dunder}__" for dunder, *_ in index.OPERATORS)]
    taken = [n for n in wanted if n not in _ATTACHED and hasattr(_core.Tensor, n)]
    if taken:
        raise ValueError(
            f"registry '{namespace._registry}': Tensor has its own '{taken[0]}', which 'variants:' "
            "would replace for all tensors; leave that variant out, or call the op otherwise"
        )
    for name, value in made.items():
        setattr(_core.Tensor, name, value)
    _ATTACHED.update(made)


def _publish(name: str, namespace: Namespace) -> Namespace:
    if name.isidentifier() and name not in _OWN:
        setattr(sys.modules[__name__], name, namespace)
    return namespace


def namespace_of(package: str) -> Namespace:
    """What generated code of a user registry calls ops through."""
    return _NAMESPACES[package]


_OWN = frozenset(globals())
