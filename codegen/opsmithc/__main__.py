"""The compiler's own command: ``opsmithc check | show | explain | new | fmt | build | gen | docs``."""  # noqa: E501

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import paths
from .errors import Mistake, UnknownName

if TYPE_CHECKING:
    from .opdef import OpDef


def main(argv: list[str] | None = None) -> int:
    """Run a verb. Mistakes are printed one a line: status 1, or 2 for a name that there is not."""
    parser = _parser()
    args = parser.parse_args(argv)
    from .compile import CompileError

    try:
        status = int(args.run(args))
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # the reader, say `head`, has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is said at exit
        return 1
    except (Mistake, CompileError) as e:
        print(e, file=sys.stderr)
        return 2 if isinstance(e, UnknownName) else 1


def _file(text: str) -> Path:
    """The path of a registry, which must exist."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no registry file '{text}'")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="opsmithc", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, run: object, text: str) -> argparse.ArgumentParser:
        p = verbs.add_parser(name, help=text, description=text)
        p.set_defaults(run=run)
        return p

    for name, run, text in (
        ("build", _build, "generate and compile a registry"),
        ("gen", _gen, "generate the sources without compiling"),
    ):
        p = verb(name, run, text)
        p.add_argument(
            "registry",
            nargs="?",
            type=_file,
            help="a registry of your own (default: the bundled one)",
        )
        p.add_argument("--registry", dest="registry_option", type=_file, help=argparse.SUPPRESS)
        p.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
        p.add_argument("--force", action="store_true", help="start from nothing")
        p.add_argument("--quiet", action="store_true")
        p.add_argument("--isa", help="native (default), portable, or a name that -march knows")
        p.add_argument("--cuda", action="store_true", help="the CUDA library too, GPU or not")
    p = verb("check", _check, "verify gradients and print errors (ULP) per op and dtype")
    p.add_argument("ops", nargs="*", help="only these ops; first, perhaps, a registry's file")
    p.add_argument("--registry", type=_file, default=paths.OPS_YAML)
    p = verb("show", _show, "print an op at a stage of the compiler")
    p.add_argument("op")
    p.add_argument("--stage", default="c", help="ast, ir, c (default), python, grad or a backend")
    p.add_argument("--dtype", help="compute dtype, e.g. f32")
    p.add_argument("--registry", type=_file, default=paths.OPS_YAML)
    p = verb("explain", _explain, "how the compiler derives an op, step by step")
    p.add_argument("op")
    p.add_argument("--registry", type=_file, default=paths.OPS_YAML)
    p = verb("new", _new, "print a skeleton entry for a schema line or a name")
    p.add_argument("schema")
    p = verb("fmt", _fmt, "rewrite a registry in canonical order and layout")
    p.add_argument("registry", nargs="?", type=_file, default=paths.OPS_YAML)
    p.add_argument("--check", action="store_true", help="only say whether it would change")
    p = verb("schema", _schema, "print the JSON schema of registries (for editors)")
    p = verb("docs", _docs, "write a page for every op and the support matrix")
    p.add_argument("--out", type=Path, default=paths.BUILD / "docs" / "source")
    p.add_argument("--quiet", action="store_true")
    return parser


def _registry(args: argparse.Namespace) -> Path | None:
    chosen: Path | None = args.registry or args.registry_option
    return None if chosen is None or chosen == paths.OPS_YAML else chosen


def _build(args: argparse.Namespace, link: bool = True) -> int:
    from . import pipeline

    own = _registry(args)
    if args.isa:
        os.environ["OPSMITH_ISA"] = args.isa
    if args.force:
        import shutil

        work = paths.BUILD if own is None else _own_folder(own) / "build"
        for folder in ("c", "o", "verify"):
            shutil.rmtree(work / folder, ignore_errors=True)
    if own is not None:
        from .user import build_user

        report = build_user(
            own, f"registry_{own.stem}", _own_folder(own), args.jobs, not args.quiet, link
        )
    else:
        report = pipeline.build(jobs=args.jobs, progress=not args.quiet, link=link, cuda=args.cuda)
    print(report)
    return 0


def _own_folder(registry: Path) -> Path:
    """Where a registry of one's own is built by this command."""
    return registry.parent / f"{registry.stem}_build"


def _gen(args: argparse.Namespace) -> int:
    return _build(args, link=False)


def _ops(registry: Path) -> tuple[OpDef, ...]:
    from . import pipeline
    from . import registry as reg

    base = () if registry == paths.OPS_YAML else reg.load(paths.OPS_YAML)
    return pipeline.parse([registry], base)


def _check(args: argparse.Namespace) -> int:
    from .accuracy import report

    names: list[str] = args.ops
    if names and (names[0].endswith(".yaml") or "/" in names[0]):
        if not Path(names[0]).is_file():
            raise UnknownName(f"no registry file '{names[0]}'")
        args.registry = Path(names.pop(0))
    return report(args.registry, tuple(names))


def _show(args: argparse.Namespace) -> int:
    from .inspect import find, show

    print(show(find(_ops(args.registry), args.op), args.stage, args.dtype))
    return 0


def _explain(args: argparse.Namespace) -> int:
    from .inspect import explain, find

    print(explain(find(_ops(args.registry), args.op)))
    return 0


def _new(args: argparse.Namespace) -> int:
    from . import registry as reg
    from .errors import FormulaError
    from .sampled import skeleton
    from .schema import parse_schema

    if "(" not in args.schema and not args.schema.isidentifier():
        text = f"expected a name or a schema 'name(Tensor input) -> Tensor', found '{args.schema}'"
        raise UnknownName(text)
    text = args.schema if "(" in args.schema else f"{args.schema}(Tensor input) -> Tensor"
    try:
        schema = parse_schema(text)
    except FormulaError as e:
        print(f"column {e.offset + 1}: {e.message}", file=sys.stderr)
        return 1
    known = {n for op in _ops(paths.OPS_YAML) for n in (op.name, *op.alias)}
    if schema.name in known:
        print(f"# opsmith has an op '{schema.name}' already; this registry's would stand before it")
    entry = skeleton(schema)
    reg.parse(entry, "<new>", reg.load(paths.OPS_YAML))  # a name may be taken, or not be one
    print(entry, end="")
    return 0


def _fmt(args: argparse.Namespace) -> int:
    from .emit import write
    from .fmt import format_registry

    text = args.registry.read_text(encoding="utf-8")
    formatted = format_registry(text)
    if args.check:
        if text != formatted:
            print(f"{args.registry}: not in canonical form; run opsmithc fmt", file=sys.stderr)
        return int(text != formatted)
    print(f"{args.registry}: {'rewritten' if write(args.registry, formatted) else 'unchanged'}")
    return 0


def _schema(args: argparse.Namespace) -> int:
    import json

    from .jsonschema import schema

    print(json.dumps(schema(), indent=1))
    return 0


def _docs(args: argparse.Namespace) -> int:
    from . import accuracy, compile, paths, pipeline
    from .docs import public, write_docs
    from .docs.plots import univariate, write_plots
    from .opdef import by_name

    derived = pipeline.derive_all(pipeline.parse([paths.OPS_YAML]))
    shown = public(derived)
    known = by_name(d.op for d in derived)
    pictures = sum(univariate(d, known) for d in shown)
    figures = accuracy.figures(args.out.parent / "accuracy.json")
    with compile.bar("pages of operations", len(shown) + pictures, not args.quiet) as step:
        for name in write_plots(args.out / "ops" / "plots", shown, derived):
            step(name)
        count = write_docs(args.out, figures=figures, progress=step)
    print(f"{count} pages and {pictures} pictures in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
