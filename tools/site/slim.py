"""Leave out of the built site what no page uses, so that pages load fast and the folder is small.

The theme ships its source maps, and its icons in a format that no browser asks for any more; MathJax ships
every way of setting a formula, and a page of this book uses one.
"""

from __future__ import annotations

import re
from pathlib import Path

ICON_RULE = re.compile(r'(?:\.fa-[\w-]+::?before,?)+\{content:"\\[0-9a-f]+ ?"\}')
UNUSED = ("scripts/*.map", "styles/*.map", "scripts/fontawesome.js*", "vendor/fontawesome/webfonts/*.ttf")
UNUSED += ("searchtools.js", "language_data.js", "sphinx_highlight.js")  # the book has a search of its own
MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions/",
    "output/chtml.js",
    "output/chtml/fonts/",
    "a11y/assistive-mml.js",
)


def slim(site: Path) -> None:
    """Remove them from the built site; of MathJax, keep the parts that ``mathjax3_config`` names."""
    static = site / "_static"
    for pattern in UNUSED:
        for path in static.glob(pattern):
            path.unlink()
    styles = static / "styles" / "pydata-sphinx-theme.css"
    if styles.exists():  # it names two thousand icons, a fifth of the file
        sources = [*site.rglob("*.html"), *static.glob("scripts/*-theme.js")]
        used = {name for path in sources for name in re.findall(r"\bfa-[a-z0-9-]+", path.read_text("utf-8"))}
        text = ICON_RULE.sub(
            lambda rule: rule[0] if used & set(re.findall(r"fa-[\w-]+", rule[0])) else "",
            styles.read_text("utf-8"),
        )
        styles.write_text(text, "utf-8")
    root = static / "mathjax"
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not path.relative_to(root).as_posix().startswith(MATHJAX):
            path.unlink()
