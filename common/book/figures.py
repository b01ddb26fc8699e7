r"""Pictures: one matplotlib style for the whole book, and one way to show a picture.

Importing this module applies the style (``use_style``). A plotting cell draws as usual and ends with
``show``::

    fig, ax = plt.subplots()
    ax.plot(losses)
    ax.set(xlabel="epoch", ylabel="loss")
    show(fig, alt="The loss falls from 1.1 to 0.1 in 300 epochs, steeply at first.",
         caption="The loss, mean over each epoch. It *falls* most between epochs 50 and 100.")

What an author should know:

- ``alt`` says what there is to see to somebody who cannot see it. It is required.
- ``caption`` says what to look for. It may hold ``\`code\```, ``*emphasis*`` and ``$math$``.
- ``show`` closes the figure, so the notebook stores it once, as text/html with the picture inside.
- A picture is about 40 kB. Pass a smaller ``figsize`` if it is much more.
- Colours: the cycle is that of Okabe and Ito, told apart with any kind of colour vision. ``FORWARD`` and
  ``BACKWARD`` are the book's two colours for values and for gradients; ``CLASSES`` has a colour and a marker
  for each class of points, so that no plot depends on colour alone.

**Dark mode.** A plot stands on a white card in both modes. A transparent picture would need axes, text and
seven colours that are legible on white and on near-black at once, and no colour-blind safe palette is. On its
card the picture keeps the contrast it was made with. Diagrams and controls (SVG and HTML) follow the page.
"""

from __future__ import annotations

import base64
import html
import io
import re
from importlib import resources
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure
from PIL import Image

# Okabe and Ito's colours, without the yellow, which is too pale for a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FORWARD = COLOURS[0]
BACKWARD = COLOURS[1]
CLASSES = tuple(zip(COLOURS, "o^sDvPX", strict=True))

STYLE: dict[str, Any] = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.dpi": 110,
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 11,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#57606a",
    "axes.labelcolor": "#1f2328",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#dfe3e8",
    "grid.linewidth": 0.8,
    "xtick.color": "#3d444d",
    "ytick.color": "#3d444d",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "lines.linewidth": 2.0,
    "lines.markersize": 5.5,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
}


def read_static(name: str) -> str:
    """The text of a file in ``common/book/static``."""
    return resources.files("common.book").joinpath("static", name).read_text(encoding="utf-8")


def read_css(name: str) -> str:
    """A style sheet of ``common/book/static``, packed, without comments: each output carries a copy."""
    text = re.sub(r"/\*.*?\*/", "", read_static(name), flags=re.DOTALL)
    return re.sub(r"\s*([{};,])\s*|(?<=:)\s+", r"\1", text).replace(";}", "}").strip()


BASE_CSS = read_css("base.css")
TABLES_CSS = read_css("tables.css")


def use_style() -> None:
    """Make the book's matplotlib style the current one (importing this module has done it already)."""
    mpl.rcParams.update(STYLE)


def show(figure: Any, alt: str | None = None, caption: str | None = None) -> None:
    """Show a matplotlib figure, or a piece of HTML such as a table, as one output of the cell.

    A matplotlib figure is closed, so that the notebook does not store it a second time.

    Parameters
    ----------
    figure : matplotlib Figure or Axes, or str
        What to show. A string is taken as HTML (see ``common.book.tables.table``).
    alt : str
        What a reader who cannot see the picture should know. Required, except for HTML, which reads itself.
    caption : str, optional
        Shown below. May hold ``\\`code\\```, ``*emphasis*`` and ``$math$``.
    """
    if isinstance(figure, str):
        label = attribute(require_alt(alt)) if alt is not None else "scrolls sideways where it is too wide"
        body = f'<div class="bk-scroll" tabindex="0" role="group" aria-label="{label}">{figure}</div>'
        css = TABLES_CSS
    else:
        fig, css = as_figure(figure), ""
        body = image_tag(png_uri(fig), require_alt(alt))
        plt.close(fig)
    publish(figure_html(body, caption=caption, css=css), alt or "a table")


def publish(markup: str, text: str) -> None:
    """Send HTML to the notebook as one output, with ``text`` for a front end that shows no HTML."""
    from IPython.display import display

    display({"text/html": markup, "text/plain": f"[figure] {text}"}, raw=True)


def figure_html(
    body: str, *, caption: str | None = None, name: str | None = None, classes: str = "", css: str = ""
) -> str:
    """``<figure>`` with the shared style sheet, the body and the caption."""
    identifier = "" if name is None else f' id="{require_name(name)}"'
    below = "" if caption is None else f"<figcaption>{inline_markup(caption)}</figcaption>"
    kind = f"book-figure {classes}".strip()
    return f'<style>{BASE_CSS}{css}</style>\n<figure class="{kind}"{identifier}>\n{body}\n{below}</figure>'


def image_tag(uri: str, alt: str) -> str:
    """An ``<img>``; the class keeps the site's theme from recolouring it in dark mode."""
    return f'<img class="dark-light" alt="{attribute(alt)}" src="{uri}">'


def as_figure(figure: Any) -> Figure:
    """The matplotlib Figure that ``figure`` is or belongs to."""
    found = figure if isinstance(figure, Figure) else getattr(figure, "figure", None)
    if not isinstance(found, Figure):
        raise TypeError(
            f"figure is a {type(figure).__name__}; it should be a matplotlib Figure or a string of HTML."
        )
    return found


def png_uri(fig: Figure, *, dpi: float | None = None) -> str:
    """The figure as a ``data:`` address of a PNG."""
    return "data:image/png;base64," + base64.b64encode(png_bytes(fig, dpi=dpi)).decode("ascii")


def png_bytes(fig: Figure, *, dpi: float | None = None) -> bytes:
    """The figure as PNG, with a palette of 256 colours when that is smaller.

    The bytes depend on the drawing alone: no date and no version is stored in them.
    """
    buffer = io.BytesIO()
    fig.savefig(
        buffer,
        format="png",
        dpi=dpi or mpl.rcParams["savefig.dpi"],
        metadata={"Software": None},
        pil_kwargs={"compress_level": 1},  # packed well below
    )
    picture = Image.open(buffer).convert("RGB")
    # Dithering would cost bytes and turn flat areas into noise.
    palette = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    packed = []
    for candidate, level in ((palette, 9), (picture, 6)):
        out = io.BytesIO()
        candidate.save(out, format="PNG", compress_level=level)
        packed.append(out.getvalue())
    return min(packed, key=len)


def require_alt(alt: object, where: str = "alt") -> str:
    """The text ``alt`` on one line; ValueError where there is nothing in it."""
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            f"{where} is {alt!r}; it should be a sentence that says what the picture shows, for those "
            "who cannot see it."
        )
    return " ".join(alt.split())


def require_name(name: object) -> str:
    """The ``name``, if it can be an HTML id and part of a link; else ValueError."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ValueError(f"name is {name!r}; it should be a letter, then letters, digits, '-' and '_'.")
    return name


def attribute(text: str) -> str:
    """Escape text for use inside a double-quoted HTML attribute."""
    return html.escape(text, quote=True)


_MARKUP = re.compile(r"`([^`]+)`|\$([^$]+)\$|\*([^*\s](?:[^*]*[^*\s])?)\*")


def inline_markup(text: str) -> str:
    r"""HTML for a caption: escaped text with ``\`code\```, ``$math$`` and ``*emphasis*``.

    Math is left to the page's MathJax, which typesets it in the site and in JupyterLab alike.

    >>> inline_markup("`x @ W` is *not* <slow>")
    '<code>x @ W</code> is <em>not</em> &lt;slow&gt;'
    """
    parts, at = [], 0
    for match in _MARKUP.finditer(text):
        parts.append(html.escape(text[at : match.start()], quote=False))
        code, math, emphasis = match.groups()
        if code is not None:
            parts.append(f"<code>{html.escape(code, quote=False)}</code>")
        elif math is not None:
            formula = html.escape(math, quote=False)
            parts.append(f'<span class="math notranslate nohighlight">\\({formula}\\)</span>')
        else:
            parts.append(f"<em>{html.escape(emphasis, quote=False)}</em>")
        at = match.end()
    parts.append(html.escape(text[at:], quote=False))
    return "".join(parts)


use_style()
