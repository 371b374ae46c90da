"""The compiler's own command: ``opsmithc check | show | explain | new | fmt | build | gen | docs``."""  # noqa: E501

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import paths
from .errors import RegistryErrors


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and run a verb; mistakes are printed one a line, status 1."""
    parser = _parser()
    args = parser.parse_args(argv)
    from .compile import CompileError
    from .inspect import UnknownOp

    try:
        return int(args.run(args))
    except (RegistryErrors, CompileError, UnknownOp) as e:
        print(e, file=sys.stderr)
        return 1


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
            type=Path,
            help="a registry of your own (default: the bundled one)",
        )
        p.add_argument("--registry", dest="registry_option", type=Path, help=argparse.SUPPRESS)
        p.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
        p.add_argument("--force", action="store_true", help="start from nothing")
        p.add_argument("--quiet", action="store_true")
        p.add_argument("--isa", help="native (default), portable, or a name that -march knows")
        p.add_argument("--cuda", action="store_true", help="the CUDA library too, GPU or not")
    p = verb("check", _check, "verify gradients and print errors (ULP) per op and dtype")
    p.add_argument("ops", nargs="*", help="only these ops")
    p.add_argument("--registry", type=Path, default=paths.OPS_YAML)
    p = verb("show", _show, "print an op at a stage of the compiler")
    p.add_argument("op")
    p.add_argument("--stage", default="c", help="ast, ir, c (default), python, grad or a backend")
    p.add_argument("--dtype", help="compute dtype, e.g. f32")
    p.add_argument("--registry", type=Path, default=paths.OPS_YAML)
    p = verb("explain", _explain, "how the compiler derives an op, step by step")
    p.add_argument("op")
    p.add_argument("--registry", type=Path, default=paths.OPS_YAML)
    p = verb("new", _new, "print a skeleton entry for a schema line or a name")
    p.add_argument("schema")
    p = verb("fmt", _fmt, "rewrite a registry in canonical order and layout")
    p.add_argument("registry", nargs="?", type=Path, default=paths.OPS_YAML)
    p.add_argument("--check", action="store_true", help="only say whether it would change")
    p = verb("schema", _schema, "print the JSON schema of registries (for editors)")
    p = verb("docs", _docs, "write a page for every op and the support matrix")
    p.add_argument("--out", type=Path, default=paths.BUILD / "docs")
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

        for folder in ("c", "o", "verify"):
            shutil.rmtree(paths.BUILD / folder, ignore_errors=True)
    if own is not None:
        from .user import build_user

        report = build_user(own, f"registry_{own.stem}", own.parent / f"{own.stem}_build")
    else:
        report = pipeline.build(jobs=args.jobs, progress=not args.quiet, link=link, cuda=args.cuda)
    print(report)
    return 0


def _gen(args: argparse.Namespace) -> int:
    return _build(args, link=False)


def _ops(registry: Path) -> tuple[object, ...]:
    from . import pipeline
    from . import registry as reg

    base = () if registry == paths.OPS_YAML else reg.load(paths.OPS_YAML)
    return pipeline.parse([registry], base)


def _check(args: argparse.Namespace) -> int:
    from .accuracy import report

    return report(args.registry, tuple(args.ops))


def _show(args: argparse.Namespace) -> int:
    from .inspect import find, show

    print(show(find(_ops(args.registry), args.op), args.stage, args.dtype))  # type: ignore[arg-type]
    return 0


def _explain(args: argparse.Namespace) -> int:
    from .inspect import explain, find

    print(explain(find(_ops(args.registry), args.op)))  # type: ignore[arg-type]
    return 0


def _new(args: argparse.Namespace) -> int:
    from .errors import FormulaError
    from .schema import parse_schema

    text = args.schema if "(" in args.schema else f"{args.schema}(Tensor input) -> Tensor"
    try:
        schema = parse_schema(text)
    except FormulaError as e:
        print(f"column {e.offset + 1}: {e.message}", file=sys.stderr)
        return 1
    tensors = ", ".join(f"{p.name}: [3, 4]" for p in schema.tensors)
    first = schema.tensors[0].name if schema.tensors else "1"
    print(
        f"- op: {schema}\n  out: {first}\n  dtype: int_to_float\n  variants: [method, out]\n"
        f'  doc: {{short: "What it computes.", example: "{schema.name}(tensor(1.))  # 1."}}\n'
        f"  samples: [{{{tensors}}}]"
    )
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
    from .docs import write_docs

    count = write_docs(args.out)
    print(f"{count} pages in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
