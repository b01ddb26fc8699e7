"""From text to numbers: tokens, a vocabulary, rows of ids.

A neural network takes numbers. Three steps lead from a text to numbers, the same three in every chapter:

* ``tokenize`` cuts a text into tokens (words, numbers and the marks that end or join phrases);
* a ``Vocabulary`` gives each different word, each *type*, a number, its id;
* ``contexts`` puts beside each word the words around it.

From chapter 7 on, texts come in batches, as rows of ids of one length: ``encode`` and ``decode``. In chapter
10, ``Subwords`` takes the place of all three steps: its tokens are pieces of words, which any text can be
written in.
"""

from common.text.rare import RARE, UNKNOWN, cut_words, decode_words, encode_words, name_rare
from common.text.rows import END, PAD, SPECIALS, START, characters_of, decode, encode, padding_mask
from common.text.spans import Span, allowed_moves, spans, tags_of, to_bio
from common.text.subwords import (
    END_OF_TEXT,
    GPT2_BYTES,
    Subwords,
    count_pieces,
    cut_pieces,
    learn_merges,
    learn_merges_plainly,
    merge,
)
from common.text.tokens import contexts, tokenize, tokenize_as_written
from common.text.vocabulary import Vocabulary

__all__ = [
    "END",
    "END_OF_TEXT",
    "GPT2_BYTES",
    "PAD",
    "RARE",
    "SPECIALS",
    "START",
    "UNKNOWN",
    "Span",
    "Subwords",
    "Vocabulary",
    "allowed_moves",
    "characters_of",
    "contexts",
    "count_pieces",
    "cut_pieces",
    "cut_words",
    "decode",
    "decode_words",
    "encode",
    "encode_words",
    "learn_merges",
    "learn_merges_plainly",
    "merge",
    "name_rare",
    "padding_mask",
    "spans",
    "tags_of",
    "to_bio",
    "tokenize",
    "tokenize_as_written",
]
