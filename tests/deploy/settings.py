"""The variables that programs read, as their sources name them."""

import pathlib
import re

SOURCES = pathlib.Path(__file__).parents[2] / "examples/src"


def known():
    found = (re.findall(r'env = "(LSV_[A-Z_]+)"', path.read_text(encoding="utf-8")) for path in SOURCES.rglob("*.rs"))
    return set().union(*found)
