"""The compiler's own command: ``python -m opsmithc VERB``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import paths
from .errors import RegistryErrors


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and run a verb; errors are printed one a line, status 1."""
    parser = argparse.ArgumentParser(prog="opsmithc", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="generate and compile a registry")
    build.add_argument("registry", nargs="*", type=Path, default=[paths.OPS_YAML])
    build.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    build.add_argument("--quiet", action="store_true")
    args = parser.parse_args(argv)
    try:
        return build_verb(args)
    except RegistryErrors as e:
        print(e, file=sys.stderr)
        return 1


def build_verb(args: argparse.Namespace) -> int:
    """Generate and compile."""
    from . import pipeline

    report = pipeline.build(args.registry, jobs=args.jobs, progress=not args.quiet)
    times = ", ".join(f"{k} {v:.2f} s" for k, v in report.seconds.items())
    print(f"{report.ops} ops in {report.shards} shards, {report.steps} files compiled ({times})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
