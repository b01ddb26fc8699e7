"""The figure of the front page: a small network learns to separate three spirals, as chapter 1 does.

It is computed when the site is built, with the book's own layers and its own player, so it cannot show what
the code does not do. Its frames are small SVG; their colours are in ``book.css``.
"""

from __future__ import annotations

import itertools

import numpy as np
from contourpy import contour_generator

from common.book import play
from common.book.player import Player
from common.layers import Affine, Sigmoid, SoftmaxWithLoss

SIZE = 360  # side of the picture, in its own units
REACH = 1.12  # the plane is shown from -REACH to REACH
EPOCHS = range(0, 301, 10)


def spiral(rng: np.random.Generator, n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Draw three arms of `n` points: positions ``(3n, 2)`` and the arm of each ``(3n,)``."""
    arm = np.repeat(np.arange(3), n)
    radius = np.tile(np.arange(n) / n, 3)
    angle = 4 * arm + 4 * radius + 0.2 * rng.standard_normal(3 * n)
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), arm


def train() -> tuple[np.ndarray, np.ndarray, dict[int, list[np.ndarray]]]:
    """Train 2-10-3 with SGD for 300 epochs, and keep the weights of the epochs that are shown."""
    rng = np.random.default_rng(1984)
    x, t = spiral(rng)
    hidden = Affine(0.01 * rng.standard_normal((2, 10)), np.zeros(10))
    bend = Sigmoid()
    output = Affine(0.01 * rng.standard_normal((10, 3)), np.zeros(3))
    loss = SoftmaxWithLoss()
    kept = {}
    for epoch in range(max(EPOCHS) + 1):
        if epoch in EPOCHS:
            kept[epoch] = [param.copy() for layer in (hidden, output) for param in layer.params]
        for rows in rng.permutation(len(x)).reshape(-1, 30):
            loss.forward(output.forward(bend.forward(hidden.forward(x[rows]))), t[rows])
            hidden.backward(bend.backward(output.backward(loss.backward())))
            for layer in (hidden, output):
                for param, grad in zip(layer.params, layer.grads):
                    param -= 1.0 * grad
    return x, t, kept


def scores(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Compute the three scores of each point, ``(N, 2) -> (N, 3)``."""
    W1, b1, W2, b2 = weights
    return Affine(W2, b2).forward(Sigmoid().forward(Affine(W1, b1).forward(x)))


def regions(weights: list[np.ndarray], steps: int = 57) -> str:
    """Draw, for each class, the part of the plane that the network gives to it."""
    axis = np.linspace(-REACH, REACH, steps)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)  # (steps * steps, 2)
    y = scores(points, weights).reshape(steps, steps, 3)
    scale = SIZE / (steps - 1)
    paths = []
    for c in range(3):
        lead = y[..., c] - np.delete(y, c, axis=2).max(axis=2)  # above 0 where class c wins
        shapes = contour_generator(z=lead).filled(0.0, float("inf"))
        d = ""
        for polygon, offsets in zip(*shapes):
            for start, stop in itertools.pairwise(offsets):
                corners = np.rint(polygon[start:stop] * scale).astype(int)
                corners = corners[np.r_[True, np.any(np.diff(corners, axis=0), axis=1)]]
                if len(corners) > 2:
                    d += "M" + "L".join(f"{a} {SIZE - b}" for a, b in corners) + "Z"
        paths.append(f'<path class="r{c}" fill-rule="evenodd" d="{d}"/>')
    return "".join(paths)


def dots(x: np.ndarray, t: np.ndarray) -> str:
    """Draw the points: circles, squares and triangles, so that colour is not the only sign."""
    place = np.rint((x + REACH) / (2 * REACH) * SIZE).astype(int)
    mark = ["M{} {}h0", "M{} {}h0", "M{} {}m-4 3h8l-4 -7z"]
    return "".join(
        f'<path class="p p{c}" d="{"".join(mark[c].format(a, SIZE - b) for a, b in place[t == c])}"/>'
        for c in range(3)
    )


def living_figure() -> Player:
    """Return the figure, ready to be put on a page (its ``html``)."""
    x, t, kept = train()
    points = dots(x, t)

    def share(epoch: int) -> int:
        return round(100 * float((scores(x, kept[epoch]).argmax(axis=1) == t).mean()))

    def draw(epoch: int) -> str:
        return (
            f'<svg class="spiral" viewBox="0 0 {SIZE} {SIZE}" aria-hidden="true" focusable="false">'
            f"{regions(kept[epoch])}{points}</svg>"
        )

    def words(epoch: int) -> str:
        shape = {
            0: "three straight wedges",
            1: "wedges that begin to bend",
            2: "arms that follow the spirals",
        }
        stage = 0 if share(epoch) < 60 else 1 if share(epoch) < 90 else 2
        return (
            f"Three spirals of points. After {epoch} epochs the network divides the plane into "
            f"{shape[stage]}: "
            f"{share(epoch)} % of the points lie in the region of their own class."
        )

    return play(
        draw,
        epoch=EPOCHS,
        start={"epoch": 300},
        alt=words,
        seconds=0.2,
        name="spiral-learning",
        note=lambda epoch: f"After {epoch} epochs, {share(epoch)} % of the points lie on their own colour.",
        caption="A network with 63 numbers to learn finds out how to separate three spirals. "
        "Move the slider, or press play, and watch it learn. You build it in chapter 1.",
    )
