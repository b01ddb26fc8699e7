"""A sentence that the reader types, and how much each of its words speaks for a good review.

::

    score_sentence(load_word_scores().packed(), caption="Type a sentence.")     # the last line of the cell

The figure needs no kernel: the page holds one number for each word, a byte each, which is all that is left of
a mean of word vectors and a line between two classes; ``static/sentence.js`` adds up what Python adds up.
Whoever trains another such classifier hands in ``word_scores(model, vocabulary).packed()``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from common.book.figures import figure_html, publish, read_css, read_static
from common.support.require import require_several

OFF = "Here one can type a sentence. It needs a program in the page: in JupyterLab, run this cell."
"""What is seen where no script runs."""

EXAMPLES = (
    "A moving film, with a wonderful cast and not a dull moment.",
    "The plot is thin, the jokes are tired, and the ending is a mess.",
    "The acting is not bad, and the music is good.",
    "The acting is not good, and the music is bad.",
)
"""Sentences to begin with. The last two have the same words."""

SENTENCE_CSS = read_css("sentence.css")


def score_sentence(
    scores: Mapping[str, Any],
    examples: Sequence[str] = EXAMPLES,
    *,
    classes: tuple[str, str] = ("negative", "positive"),
    caption: str | None = None,
    name: str = "score-a-sentence",
) -> None:
    """Show the figure in which the reader types a sentence and sees the score of each word.

    Parameters
    ----------
    scores : mapping
        ``packed()`` of a ``WordScores``: words, numbers, scale, bias.
    examples : sequence of str
        The first one stands there at first; all of them can be chosen.
    classes : two str
        What a score below 0 says, and what one above 0 says.
    caption : str, optional
        Shown below. May hold ``\\`code\\```, ``*emphasis*`` and ``$math$``.
    name : str
        The HTML id of the figure.

    Raises
    ------
    ValueError
        These are not the scores of words, or there is no example.
    """
    markup = sentence_html(scores, examples, classes=classes, caption=caption, name=name)
    publish(markup, "type a sentence, and see the score of each word")


def sentence_html(
    scores: Mapping[str, Any],
    examples: Sequence[str] = EXAMPLES,
    *,
    classes: tuple[str, str] = ("negative", "positive"),
    caption: str | None = None,
    name: str = "score-a-sentence",
) -> str:
    """The markup that ``score_sentence`` shows."""
    require_several("examples", examples)
    wanted = ("words", "numbers", "scale", "bias")
    if set(scores) != set(wanted):
        raise ValueError(f"scores hold {', '.join(scores)}; they should hold {', '.join(wanted)}.")
    words, numbers = scores["words"].split(" "), base64.b64decode(scores["numbers"])
    if len(words) != len(numbers):
        raise ValueError(
            f"scores hold {len(words)} words and {len(numbers)} numbers; there should be as many."
        )
    if not examples or len(classes) != 2:
        raise ValueError(
            f"examples are {len(examples)} and classes {len(classes)}; there should be an example or more, "
            "and two classes."
        )
    data = {"scores": dict(scores), "examples": list(examples), "classes": list(classes)}
    packed = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    body = f'<p class="bk-note">{OFF}</p>\n<script type="application/json">{packed}</script>'
    markup = figure_html(body, caption=caption, name=name, classes="book-sentence", css=SENTENCE_CSS)
    return f"{markup}\n<script>\n{read_static('sentence.js')}</script>"
