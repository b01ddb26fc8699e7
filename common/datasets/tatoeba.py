"""Sentence pairs in English and Chinese."""

from __future__ import annotations

from common.datasets.files import path


def load_tatoeba() -> list[tuple[str, str]]:
    """Load English and Chinese sentence pairs, the shortest first."""
    lines = path("tatoeba", "cmn.txt").read_text(encoding="utf-8").splitlines()
    return [(english, chinese) for english, chinese, *_ in (line.split("\t") for line in lines)]
