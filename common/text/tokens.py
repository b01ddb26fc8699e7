"""From a text to tokens, words, numbers and marks; and from a token to the tokens around it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from common.support.require import require_count, require_string

ASCII_TOKEN = re.compile(r"[a-z]+|[0-9]+|[.,!?;']")
ASCII_AS_WRITTEN = re.compile(r"[A-Za-z]+|[0-9]+|[.,!?;']")

MARKS = "。、،؛؟।"
"""What stands for a full stop, a comma, a semicolon or a question mark in other scripts."""

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
)
"""Letters of scripts that put no space between words."""

_ALIKE = str.maketrans(
    dict.fromkeys("’‘‛ʼ´′", "'")  # what keyboards and typesetters put for an apostrophe
    | dict.fromkeys("‐‑", "-")
    | dict.fromkeys("\u00ad\u200c\u200d\u2060\ufeff")  # nobody sees these inside a word
)


def tokenize(text: str) -> list[str]:
    """Cut a text into lower-case tokens.

    A token is a run of letters, a run of digits, or a mark such as ``. , ! ? ; '``. Anything else separates
    two tokens and is dropped: "don't" gives ``don ' t``, three tokens, each of them frequent.

    Letters are those of every script, with their accents. What only looks different is made the same first
    (see ``plain``): ``’`` is ``'``, and é is one letter, however it was typed. Chinese, Japanese, Thai,
    Lao, Khmer and Burmese put no space between words, so there each letter is a token of its own. Whoever
    wants words has to know the language: a function of one's own takes the place of this one in
    ``Reviews(..., tokenizer=...)`` and in ``Vocabulary.from_tokens(my_function(text))``, and ``list`` is the
    simplest of them: every character is a token.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of str
        The tokens in reading order; empty when the text holds none.

    Examples
    --------
    >>> tokenize("You say goodbye and I say hello.")
    ['you', 'say', 'goodbye', 'and', 'i', 'say', 'hello', '.']
    >>> tokenize("Café? 你好!")
    ['café', '?', '你', '好', '!']
    """
    require_string("text", text)
    if text.isascii():
        return tokenize_ascii(text)  # the same, faster
    text = plain(text)
    word, sign = letters(text)
    return re.findall(rf"{word}|{sign}|\d+|[.,!?;'{MARKS}]", text)


def tokenize_ascii(text: str) -> list[str]:
    """Cut a text into lower-case tokens, of which the letters are a to z and nothing else.

    The film reviews of the book are cut in this way. In their files many accents are damaged, so that one
    word stands there in several spellings; and the models that were trained on them know these tokens. For a
    text in plain English it is what ``tokenize`` does.
    """
    require_string("text", text)
    return ASCII_TOKEN.findall(text.lower())


def tokenize_as_written(text: str) -> list[str]:
    """Cut a text into the tokens of ``tokenize``, and leave capitals as they are: names are told by them.

    Examples
    --------
    >>> tokenize_as_written("Don't miss Timothy Dalton!")
    ['Don', "'", 't', 'miss', 'Timothy', 'Dalton', '!']
    """
    require_string("text", text)
    if text.isascii():
        return ASCII_AS_WRITTEN.findall(text)  # the same, faster
    text = unicodedata.normalize("NFKC", text.translate(_ALIKE))
    word, sign = letters(text)
    return re.findall(rf"{word}|{sign}|\d+|[.,!?;'{MARKS}]", text)


def plain(text: str) -> str:
    """The text in small letters, with one spelling for what looks the same.

    Unicode's normal form NFKC makes é one sign, where it may be an e and an accent, and takes ﬁ apart. One
    kind of apostrophe and of hyphen is left, and signs that nobody sees are taken out.
    """
    text = unicodedata.normalize("NFKC", text.translate(_ALIKE)).lower()
    # Again, for what that has made: İ becomes two signs, and ŉ has an apostrophe inside.
    return unicodedata.normalize("NFKC", text.translate(_ALIKE))


def letters(text: str) -> tuple[str, str]:
    """Two regular expressions for a text that ``plain`` made: a word, and a letter that is one by itself.

    To the ``re`` module the vowel signs of Hindi, and accents for which there is no letter with the accent,
    are no part of a word. So the expressions name those that occur in the text.
    """
    accents = "".join(sorted(sign for sign in set(text) if unicodedata.category(sign).startswith("M")))
    letter = rf"[^\W\d_][{accents}]*" if accents else r"[^\W\d_]"
    return rf"(?:(?![{UNSPACED}]){letter})+", rf"(?=[{UNSPACED}]){letter}"


def contexts(ids: Sequence[int] | np.ndarray, window: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Put beside each word the ``window`` words before it and the ``window`` words after it.

    The first and the last ``window`` words have no full context and are no targets.

    Parameters
    ----------
    ids : sequence of int
        A text as word ids, L of them.
    window : int
        How many words to take on each side.

    Returns
    -------
    context : numpy.ndarray
        Shape (L - 2 window, 2 window): the words around each target, in reading order.
    target : numpy.ndarray
        Shape (L - 2 window,): the words in the middle.

    Examples
    --------
    >>> contexts([0, 1, 2, 3], window=1)
    (array([[0, 2],
           [1, 3]]), array([1, 2]))
    """
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise ValueError(f"ids has shape {ids.shape}; it should be one row of word ids.")
    require_count("window", window)
    width = 2 * window + 1
    if len(ids) < width:
        raise ValueError(f"ids has {len(ids)} words; with window={window} it should have at least {width}.")
    spans = np.lib.stride_tricks.sliding_window_view(ids, width)  # (L - 2 window, 2 window + 1), a view
    return np.delete(spans, window, axis=1), spans[:, window].copy()
