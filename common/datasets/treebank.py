"""The Penn Treebank as prepared for language models."""

from __future__ import annotations

from common.datasets.files import path


def load_ptb(split: str = "train") -> list[str]:
    """Load a part of the Penn Treebank as words, with ``<eos>`` after each line.

    The articles of [Marcus1993]_ as prepared for language models by [Mikolov2011]_: 10,000 word types,
    ``<unk>`` and ``<eos>`` among them, and 929,589 (train), 73,760 (valid) and 82,430 (test) tokens.
    ``Vocabulary.from_tokens(load_ptb(), unknown="<unk>")`` numbers them.

    Parameters
    ----------
    split : str
        ``"train"``, ``"valid"`` or ``"test"``.
    """
    if split not in ("train", "valid", "test"):
        raise ValueError(f"split is {split!r}; it should be 'train', 'valid' or 'test'.")
    text = path("ptb", f"ptb.{split}.txt").read_text(encoding="utf-8")
    return text.replace("\n", " <eos> ").split()
