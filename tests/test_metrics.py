"""Numbers that say how well a model does."""

import math

import pytest

from common.metrics import half_right


def test_half_right_is_read_off_between_the_epochs():
    assert half_right([0.1, 0.3, 0.7]) == pytest.approx(2.5)
    assert half_right([1.0]) == pytest.approx(0.5)
    assert half_right([0.2, 0.5, 0.4]) == 2
    assert math.isnan(half_right([0.1, 0.4]))
