"""Does a GPU compute what the processor computes? ``make test-gpu``, or ``python -m tests.gpu``.

It needs Python with NumPy and CuPy, and nothing else of what the book needs. So ``common.book``, which draws
figures when it is imported, is entered by way of an empty package here.
"""

import sys
import types
from pathlib import Path

_book = types.ModuleType("common.book")
_book.__path__ = [str(Path(__file__).resolve().parents[2] / "common" / "book")]
sys.modules.setdefault("common.book", _book)
