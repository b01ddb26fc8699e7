"""Quick and full."""

import pytest

from common.book import scale
from common.book.scale import current_scale


def test_quick_is_the_default(monkeypatch):
    monkeypatch.delenv("BOOK_SCALE", raising=False)
    assert scale(quick=3, full=40) == 3
    monkeypatch.setenv("BOOK_SCALE", "")
    assert current_scale() == "quick"


def test_full_is_asked_for(monkeypatch):
    monkeypatch.setenv("BOOK_SCALE", "full")
    assert scale(quick=3, full=40) == 40


def test_another_word_is_refused(monkeypatch):
    monkeypatch.setenv("BOOK_SCALE", "fast")
    with pytest.raises(ValueError, match="BOOK_SCALE is 'fast'; it should be 'quick' or 'full'"):
        scale(quick=3, full=40)
