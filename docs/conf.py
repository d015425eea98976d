"""Settings of the documentation: python -m sphinx -W --keep-going -b html docs docs/_build."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import autofi  # noqa: E402

project = "AutoFI"
author = "The AutoFI authors"
release = autofi.__version__
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "autofi_docs",
]
exclude_patterns = ["_build"]
smartquotes = False  # options begin with two hyphens
default_role = "code"  # docstrings mark code with single backticks

html_theme = "furo"
html_title = f"AutoFI {release}"
html_static_path = ["_static"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
napoleon_numpy_docstring = False
copybutton_exclude = ".linenos, .gp, .go"
