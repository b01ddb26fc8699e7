"""Draw the two pictures that other sites show: the README's and the one of a shared link.

    python tools/site/pictures.py

Both show the front page's figure: a network that learns to separate three spirals. ``readme.svg`` follows the
reader's theme. ``static/og.png`` is 1200 by 630 pixels, the size that Open Graph asks for. Both are
committed; run this again when the figure changes.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from living_figure import REACH, SIZE, dots, regions, scores, train

HERE = Path(__file__).parent
SHOWN = (30, 100, 300)
LIGHT = ("#0072b2", "#b97800", "#b3508a")
DARK = ("#5fb3ea", "#f2b53c", "#e59cc6")


def style(colours: tuple[str, ...], text: str, line: str) -> str:
    """The style sheet of the picture for one theme."""
    c0, c1, c2 = colours
    return (
        f".r0{{fill:{c0};fill-opacity:.18}}.r1{{fill:{c1};fill-opacity:.2}}.r2{{fill:{c2};fill-opacity:.2}}"
        f".p{{fill:none}}.p0{{stroke:{c0};stroke-width:6.5;stroke-linecap:round}}"
        f".p1{{stroke:{c1};stroke-width:5.5;stroke-linecap:square}}.p2{{fill:{c2}}}"
        f"text{{fill:{text}}}.frame{{fill:none;stroke:{line};stroke-width:1.5}}"
    )


def readme_picture() -> str:
    """Three moments of learning, side by side."""
    x, t, kept = train()
    points, parts = dots(x, t), []
    for i, epoch in enumerate(SHOWN):
        right = round(100 * float((scores(x, kept[epoch]).argmax(axis=1) == t).mean()))
        parts.append(
            f'<g transform="translate({10 + i * (SIZE + 20)} 10)">{regions(kept[epoch])}{points}'
            f'<rect class="frame" width="{SIZE}" height="{SIZE}" rx="4"/>'
            f'<text x="{SIZE / 2:g}" y="{SIZE + 32}" text-anchor="middle">'
            f"after {epoch} epochs: {right} % right</text></g>"
        )
    width, height = 10 + 3 * (SIZE + 20) - 10, SIZE + 62
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui,sans-serif" font-size="22">'
        f"<title>Three spirals of points, and the regions that a "
        f"small network gives them after {SHOWN[0]}, {SHOWN[1]} and {SHOWN[2]} epochs: "
        f"straight wedges that bend "
        f"into spirals.</title><style>{style(LIGHT, '#1f2933', '#c5ced8')}"
        f"@media (prefers-color-scheme:dark){{"
        f"{style(DARK, '#dde4eb', '#4a5560')}}}</style>{''.join(parts)}</svg>\n"
    )


def link_picture(path: Path) -> None:
    """The title beside the finished figure."""
    x, t, kept = train()
    fig = plt.figure(figsize=(12, 6.3), dpi=100, facecolor="#13171c", layout="none")
    ax = fig.add_axes((0.5, 0.06, 0.462, 0.88), facecolor="#13171c")
    axis = np.linspace(-REACH, REACH, 400)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    winner = scores(grid, kept[max(SHOWN)]).argmax(axis=1).reshape(400, 400)
    ax.contourf(axis, axis, winner, levels=[-0.5, 0.5, 1.5, 2.5], colors=DARK, alpha=0.22)
    for c, marker in enumerate("os^"):
        ax.plot(*x[t == c].T, marker, color=DARK[c], ms=6)
    ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_color("#4a5560")
    fig.text(
        0.05,
        0.54,
        "Deep Learning\nfor Language,\nfrom Scratch",
        color="#f0f4f8",
        fontsize=44,
        weight="bold",
        va="center",
        linespacing=1.15,
    )
    fig.text(
        0.05,
        0.2,
        "From a matrix product\nto a small GPT",
        color="#a4b0bd",
        fontsize=20,
        va="center",
        linespacing=1.4,
    )
    fig.savefig(path, dpi=100, facecolor=fig.get_facecolor(), pil_kwargs={"optimize": True})
    plt.close(fig)


if __name__ == "__main__":
    HERE.joinpath("readme.svg").write_text(readme_picture(), encoding="utf-8")
    link_picture(HERE / "static" / "og.png")
