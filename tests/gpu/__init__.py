"""Does a GPU compute what the processor computes? ``make test-gpu``, or ``python -m tests.gpu``.

It needs Python with NumPy and CuPy, and nothing else of what the book needs.
"""

from benchmarks._card import book_without_figures

book_without_figures()
