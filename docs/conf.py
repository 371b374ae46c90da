"""Sphinx's settings; `site.py` runs it on a folder that it puts together."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

project = "opsmith"
author = copyright = "opsmith contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "formulas", "docstrings"]
html_math_renderer = "mathml"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
default_role = "code"  # docstrings write `name`
autodoc_typehints = "none"  # signatures show them
autodoc_default_options = {"members": True, "exclude-members": "extra_repr, reset_parameters"}
html_theme = "furo"
html_title = "opsmith"
html_static_path = ["_static"]
html_css_files = ["opsmith.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
templates_path = []
exclude_patterns = ["README.md"]
