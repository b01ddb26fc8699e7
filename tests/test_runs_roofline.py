"""The roofline's formulas count what the layers do, and its record is whole."""

import numpy as np
import pytest

from common.book.results import recorded
from common.layers import LSTM, Make
from runs import roofline


def test_an_affine_layer_by_hand():
    operations, moved = roofline.affine(2, 3, 4)
    assert operations == 2 * (2 * 3 * 4) + 2 * 4  # multiply and add; then the bias
    assert moved == 4 * (2 * 3 + 3 * 4 + 4 + 2 * 4)


def test_bytes_are_those_of_the_arrays():
    N, C, F, k, size = 2, 3, 4, 5, 9
    layer = Make(np.random.default_rng(0)).convolution(C, F, k)
    x = np.ones((N, C, size, size), np.float32)
    moved = x.nbytes + layer.params[0].nbytes + layer.forward(x).nbytes
    assert roofline.convolution(N, C, F, k, size)[1] == moved
    assert roofline.elementwise(10, 3, 2) == (30, 80)


def test_a_recurrent_layer_asks_for_its_weights_at_each_step():
    N, T, D, H = 2, 5, 3, 4
    layer = Make(np.random.default_rng(0)).recurrent(LSTM, D, H)
    Wx, Wh = layer.params[:2]
    operations, moved = roofline.recurrent(N, T, D, H, 4)
    assert operations == 2 * N * T * (Wx.size + Wh.size) + 8 * N * T * 4 * H
    assert moved == 4 * (N * T * (D + H + 4 * H) + Wx.size + T * Wh.size)


def test_seconds_is_a_time_for_one_call():
    calls = []
    found = roofline.seconds(lambda: calls.append(1), rounds=2)
    assert 0 < found < 1e-3 and len(calls) > 100
    assert roofline.least(lambda: calls.clear(), rounds=2) > 0


def test_a_worker_answers_with_a_gradient_for_each_weight():
    weights = [np.array(p) for p in roofline.dense(np.random.default_rng(0)).params]
    found = roofline.gradient(weights, 4)
    assert [g.shape for g in found] == [w.shape for w in weights] and np.abs(found[0]).max() > 0
    doubled = roofline.gradient([2 * w for w in weights], 4)
    assert not np.allclose(found[0], doubled[0])  # it read what was sent


def test_unknown_parts_are_refused(monkeypatch):
    for words in ([], ["moon"]):
        monkeypatch.setattr("sys.argv", ["roofline", *words])
        with pytest.raises(SystemExit, match="they should be among machine, layers"):
            roofline.main()


def test_the_record_is_whole_and_nothing_is_faster_than_the_roof():
    runs = recorded("roofline")["runs"]
    assert set(roofline.PARTS) <= set(runs)
    peak = runs["machine"]["operations"]
    for part in ("layers", "batch"):
        for name, work in runs[part].items():
            if isinstance(work, dict):
                assert work["operations"] / work["seconds"] < 1.1 * peak, name
    assert runs["messages"]["steps"].keys() == {str(rows) for rows in roofline.STEP_ROWS}
