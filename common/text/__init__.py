"""From text to numbers: tokens, a vocabulary, rows of ids.

A neural network takes numbers. Three steps lead from a text to numbers, the same three in every chapter:

* ``tokenize`` cuts a text into tokens (words, numbers and the marks that end or join phrases);
* a ``Vocabulary`` gives each different word, each *type*, a number, its id;
* ``contexts`` puts beside each word the words around it.

From chapter 7 on, texts come in batches, as rows of ids of one length: ``encode`` and ``decode``.
"""

from common.text.rare import RARE, UNKNOWN, cut_words, decode_words, encode_words, name_rare
from common.text.rows import END, PAD, SPECIALS, START, characters_of, decode, encode, padding_mask
from common.text.tokens import contexts, tokenize
from common.text.vocabulary import Vocabulary

__all__ = [
    "END",
    "PAD",
    "RARE",
    "SPECIALS",
    "START",
    "UNKNOWN",
    "Vocabulary",
    "characters_of",
    "contexts",
    "cut_words",
    "decode",
    "decode_words",
    "encode",
    "encode_words",
    "name_rare",
    "padding_mask",
    "tokenize",
]
