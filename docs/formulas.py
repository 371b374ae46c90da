"""A Sphinx extension: formulas become MathML when the site is built, with a font of their own.

Browsers render MathML by themselves; what many machines lack is a font with its tables. That of
STIX Two travels with the site, cut down to the characters that formulas use.
"""

from __future__ import annotations

import logging
import re
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

LETTER = '<mi mathvariant="normal">([^<]+)</mi>'  # of a word, which is one name to readers
SIGNS = "′∑∏√⌊⌋⌈⌉‖←≠≤≥∈∉∞∧∨¬⊕∼≪≫⋅·−×…∅Γψγπαβλσμδ⊤ℎ"
RANGES = ((0x20, 0x7F), (0x1D434, 0x1D468), (0x1D6FC, 0x1D716))  # ASCII, italic, italic Greek
CHARACTERS = SIGNS + "".join(chr(c) for first, end in RANGES for c in range(first, end))


def mathml(latex: str, display: str) -> str:
    """The formula, with what browsers have no attribute for said in CSS."""
    text = convert(latex.strip().replace(r"\operatorname{", r"\mathrm{"), display=display)
    text = re.sub(f"(?:{LETTER}){{2,}}", word, text)
    return re.sub(r'columnalign="(\w+)"', r'style="text-align: \1"', text)


def word(letters: re.Match[str]) -> str:
    """Upright letters as one name."""
    return f"<mi>{''.join(re.findall(LETTER, letters[0]))}</mi>"


def visit_inline(self: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """Write a formula on its own; one that is too wide scrolls within its box."""
    self.body.append(f'<div class="formula">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def write_font(app: Any) -> None:
    """Put the font into the site, unless it is there."""
    path = Path(app.outdir) / "_static" / "formulas.woff"
    if path.exists():
        return
    from fontTools import subset, ttLib

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # Sphinx shows what is logged

    with as_file(files("ziamath") / "fonts" / "STIXTwoMath-Regular.ttf") as source:
        font = ttLib.TTFont(source)
    options = subset.Options(layout_features=["ssty"], flavor="woff", notdef_outline=True)
    cut = subset.Subsetter(options)
    cut.populate(text=CHARACTERS)
    cut.subset(font)
    path.parent.mkdir(parents=True, exist_ok=True)
    font.flavor = "woff"
    font.save(path)


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("builder-inited", write_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
