"""The shared code of *Deep Learning for Language, from Scratch*.

Each module holds one concept and reads from top to bottom: what it is for, the simplest thing, then the rest.
A chapter first builds its new idea in the open, checks it against the version kept here, and from then on
imports it. NumPy is the only engine; with CuPy installed the same source runs on a GPU (see
:mod:`common.backend`).

What is where, in the order in which the chapters come to it:

======= ====================================================================================================
chapter
======= ====================================================================================================
1       ``functions``, ``layers`` (dense, activation, loss), ``initializers``, ``optimizers``, ``batches``,
        ``training``, ``gradient_check``
2       ``text`` (tokens, vocabulary), ``datasets``, ``vectors`` (counting, decomposition, nearest,
        evaluation)
3, 4    ``layers.embedding``, ``vectors`` (word2vec, huffman)
5       ``models.ngram``, ``layers`` (cells, recurrent), ``models.language_model``, ``metrics``, ``schedules``
6       ``layers.dropout``, ``models.cache``, ``weights``, ``checkpoints``
7       ``models`` (generation, seq2seq, decoding, pretrained), ``text.rows``, ``datasets.questions``
8       ``layers`` (attention, stack), ``models.attention``
9       ``layers`` (normalization, position), ``models.transformer``, ``text.rare``
======= ====================================================================================================

``support`` makes all this safe and fast, and ``book`` makes the pages: figures, tables, diagrams.

**Plain first.** A layer here is the one that its chapter builds. A faster version takes its place only where
a page measures that it is at least 1.3 times as fast; then the plain one stays beside it, as the cells in
``layers.cells`` stand beside the layers of ``layers.recurrent``.
"""
