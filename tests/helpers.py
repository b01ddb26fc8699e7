"""What several files of tests share."""

from __future__ import annotations

import json
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


def write_safetensors(path: Path, arrays: dict[str, np.ndarray], **changed: Any) -> None:
    """Write a ``.safetensors`` file; ``changed`` replaces entries of its header, to make a bad one."""
    types = {"float64": "F64", "float32": "F32", "float16": "F16", "uint16": "BF16", "int64": "I64"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, array in arrays.items():
        first, end = end, end + array.nbytes
        about = {"dtype": types[array.dtype.name], "shape": list(array.shape), "data_offsets": [first, end]}
        header[name] = about | changed.get(name, {})
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(a.tobytes() for a in arrays.values()))


def write_gpt2_vocabulary(folder: Path, subwords: Any) -> None:
    """Write ``vocab.json`` and ``merges.txt`` as GPT-2 has them; the alphabet is GPT-2's."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]  # as they are; the others from 256 on
    hidden = [byte for byte in range(256) if byte not in shown]
    sign = dict(zip(shown, map(chr, shown))) | dict(zip(hidden, map(chr, range(256, 324))))
    names = ["".join(sign[byte] for byte in token) for token in subwords.tokens]
    names[256 + len(subwords.merges) :] = list(subwords.special)
    vocabulary = {name: i for i, name in enumerate(names)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n", encoding="utf-8")
    merges = [f"{names[left]} {names[right]}" for left, right in subwords.merges.tolist()]
    text = "\n".join(["#version: 0.2", *merges]) + "\n"
    (folder / "merges.txt").write_text(text, encoding="utf-8")


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
