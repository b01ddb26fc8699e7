"""What several files of tests share."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.backend import Array, xp
from common.text import PAD, START

ROOT = Path(__file__).resolve().parent.parent


def normal(*shape: int, seed: int = 0, dtype: type = np.float64) -> Array:
    """Normal numbers, the same for the same seed."""
    return xp.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def dense(grad: Any) -> Array:
    """A gradient as an ordinary array."""
    return grad.dense() if hasattr(grad, "dense") else grad


def questions(N: int = 3) -> tuple[Array, Array]:
    """Questions (N, 5) and answers (N, 4) of the ids 0 to 6, some of them padded."""
    rng = np.random.default_rng(0)
    xs, ts = rng.integers(3, 7, (N, 5)), rng.integers(2, 7, (N, 4))
    ts[:, 0] = START
    xs[1, 3:] = ts[1, 3:] = PAD
    return xp.asarray(xs), xp.asarray(ts)


def masked(text: str, masks: list[tuple[str, str]]) -> str:
    """A text as the comparison of notebooks sees it."""
    for regex, mask in masks:
        text = re.sub(regex, mask, text)
    return text


def bad_input(
    cases: dict[str, tuple[Callable[[], object], str]],
    errors: tuple[type[Exception], ...] = (ValueError, TypeError),
) -> Callable[[str], None]:
    """A test that every call is refused in one line, in which the pattern that stands beside it is found."""

    @pytest.mark.parametrize("name", cases)
    def test(name: str) -> None:
        call, sentence = cases[name]
        with pytest.raises(errors, match=sentence) as caught:
            call()
        assert "\n" not in str(caught.value)

    return test


def python(*arguments: str, path: str | Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, in the project's folder and on the processor."""
    # What coverage tools and editors put into the environment stays; what chooses the device is ours, so that
    # the tests say the same on a machine that has a GPU.
    ours = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(path), "BOOK_PROGRESS": "0"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **ours, **environment},
        capture_output=True,
        text=True,
    )
