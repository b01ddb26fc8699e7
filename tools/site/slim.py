"""Leave out of the built site what no page uses, so that pages load fast and the folder is small.

The theme ships two thousand icons and its source maps, MathJax every way of setting a formula. A page of
this book uses a dozen icons and one way. That makes 0.25 MB less for a first visit, and 28 MB less on disk.
"""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

# Sphinx shows what every logger says, and this one has something to say about every glyph.
logging.getLogger("fontTools").setLevel(logging.WARNING)

MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions/",
    "output/chtml.js",
    "output/chtml/fonts/",
    "a11y/assistive-mml.js",
)
ICON_RULE = re.compile(r'((?:\.fa-[\w-]+::?before,?)+)\{content:"(\\[0-9a-f]+ ?)"\}')


def prune_mathjax(static: Path) -> None:
    """Keep the parts of MathJax that ``mathjax3_config`` names."""
    root = static / "mathjax"
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif not path.relative_to(root).as_posix().startswith(MATHJAX):
            path.unlink()


def used_icons(site: Path) -> set[str]:
    """Names of the icons that a page, or a script of the theme, asks for."""
    sources = [*site.rglob("*.html"), *site.glob("_static/scripts/*-theme.js")]
    return {name for path in sources for name in re.findall(r"\bfa-[a-z0-9-]+", path.read_text("utf-8"))}


def slim_icons(site: Path) -> None:
    """Keep the style rules and the shapes of the icons that are used."""
    styles = site / "_static" / "styles" / "pydata-sphinx-theme.css"
    fonts = site / "_static" / "vendor" / "fontawesome" / "webfonts"
    if not styles.exists() or not fonts.exists():
        return
    used = used_icons(site)

    def keep(rule: re.Match) -> str:
        names = re.findall(r"\.(fa-[\w-]+)", rule[1])
        return rule[0] if used & set(names) else ""

    text = ICON_RULE.sub(keep, styles.read_text("utf-8"))
    # The shapes are kept in one format, which every browser of the last ten years reads.
    text = re.sub(r"url\([^)]*webfonts/([\w-]+)\.woff2\) format\(\"woff2\"\),", "", text)
    styles.write_text(text, "utf-8")
    codes = {0x20}
    for path in (site / "_static").rglob("*.css"):
        style = path.read_text("utf-8")
        codes |= {int(code, 16) for code in re.findall(r'"\\([0-9a-f]{2,5})\b', style)}
        codes |= {ord(sign) for sign in style if "\ue000" <= sign <= "\uf8ff"}  # written as they are
    for font in fonts.glob("*.ttf"):
        with TTFont(font) as shapes:
            options = Options(layout_features=[], hinting=False, notdef_outline=True)
            subsetter = Subsetter(options)
            subsetter.populate(unicodes=codes)
            subsetter.subset(shapes)
            small = io.BytesIO()
            shapes.save(small)
        font.write_bytes(small.getvalue())
    for font in fonts.glob("*.woff2"):
        font.unlink()


def slim(site: Path) -> None:
    """Do all of it to the pages in the folder `site`."""
    prune_mathjax(site / "_static")
    slim_icons(site)
    for pattern in ("_static/scripts/*.map", "_static/styles/*.map", "_static/scripts/fontawesome.js*"):
        for path in site.glob(pattern):
            path.unlink()
