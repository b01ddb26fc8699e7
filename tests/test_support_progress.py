"""The bar of training keeps silent where it is told to."""

import pytest

from common.support.progress import progress_bar


@pytest.mark.parametrize(("setting", "silent"), [("0", True), (" 0 ", True), ("1", False), ("", False)])
def test_a_setting_silences_the_bar(monkeypatch, setting, silent):
    monkeypatch.setenv("BOOK_PROGRESS", setting)
    with progress_bar(3) as bar:
        assert bar.disable == silent
