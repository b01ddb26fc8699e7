"""Sentences in which names are marked."""

from __future__ import annotations

from common.datasets.files import path


def load_wikigold() -> list[list[tuple[str, str]]]:
    """Load the Wikigold sentences, each a list of (word, tag) with tags such as ``"I-PER"`` and ``"O"``."""
    blocks = path("wikigold", "wikigold.conll.txt").read_text(encoding="utf-8").split("\n\n")
    return [[tuple(line.split()) for line in block.splitlines()] for block in blocks if block.strip()]
