"""Put the sources of the site together and let Sphinx make it: `build.py docs` runs this.

    build/docs/source   ops/ by the compiler; the pages of this folder; api/ from the docstrings
    build/docs/site     what to open: index.html

Sphinx reads again only the pages that changed.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import coverage  # this folder's
from api import write_api
from sphinx.application import Sphinx
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "docs"
OWN = ("search", "genindex", "py-modindex")  # Sphinx's own pages


def write(path: Path, text: str) -> bool:
    """Write a text if it changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def gather(source: Path) -> None:
    """Bring the pages and pictures of this folder, and those of the API, to the ops'."""
    made = set()

    def put(path: Path, text: str) -> bool:
        made.add(path)
        return write(path, text)

    for path in sorted(HERE.rglob("*")):
        if path.suffix in (".md", ".svg", ".css"):
            put(source / path.relative_to(HERE), path.read_text(encoding="utf-8"))
    put(source / "coverage.md", coverage.page())
    write_api(source, put)
    for path in source.rglob("*.*"):  # what is no more; the ops' pages are the compiler's
        if path.is_file() and path not in made and path.relative_to(source).parts[0] != "ops":
            path.unlink()


def make(source: Path, site: Path) -> list[str]:
    """Run Sphinx; return its warnings."""
    warnings = io.StringIO()
    fresh = not (site / "searchindex.js").exists()  # written last: without it, all pages go in anew
    app = Sphinx(
        source, HERE, site, site.parent / "doctrees", "html",
        status=None, warning=warnings, freshenv=fresh,
    )  # fmt: skip
    with tqdm(total=len(app.project.discover()), desc="pages", leave=False) as bar:
        written = {"reading": 0}

        def read(app: Any, name: str, text: list[str]) -> None:
            written["reading"] += 1
            bar.set_postfix_str(f"{written['reading']} read")
            bar.update(0)

        def wrote(app: Any, name: str, *rest: Any) -> None:
            bar.update()

        app.connect("source-read", read)
        app.connect("html-page-context", wrote)
        app.build(force_all=fresh)
    for page in site.rglob("*.html"):  # Sphinx leaves pages whose source is gone
        name = page.relative_to(site).with_suffix("").as_posix()
        if name not in app.env.found_docs and name not in OWN:
            page.unlink()
    return [line for line in warnings.getvalue().splitlines() if line.strip()]


def main() -> int:
    """Gather, make, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=BUILD, help="default build/docs")
    args = parser.parse_args()

    gather(args.out / "source")
    warnings = make(args.out / "source", args.out / "site")
    for line in warnings:
        print(line, file=sys.stderr)
    print(f"{args.out / 'site' / 'index.html'}: {len(warnings)} warnings")
    return 1 if warnings else 0


if __name__ == "__main__":
    sys.exit(main())
