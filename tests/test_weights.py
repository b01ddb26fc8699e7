"""Weights files: what was saved comes back; damaged and foreign files are refused; nothing is lost."""

import os
import stat
import sys

import numpy as np
import pytest

from common.layers import Affine, Embedding, MatMul, Model
from common.support.files import read_npz, write_npz
from common.weights import load_vocabulary, load_weights, save_weights


def weights(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


class Net(Model):
    def __init__(self, seed=0, H=3, dtype=np.float32):
        self.affine1 = Affine(weights(4, H, seed=seed, dtype=dtype), weights(H, seed=seed, dtype=dtype))
        self.layers = [MatMul(weights(H, 2, seed=seed, dtype=dtype))]


class Tied(Model):
    def __init__(self, seed=0):
        W = weights(6, 4, seed=seed)
        self.embedding, self.out = Embedding(W), MatMul(W.T)


def equal(one, two):
    return all(np.array_equal(p, q) for p, q in zip(one.params, two.params))


def test_weights_come_back_into_the_same_arrays(tmp_path):
    path = tmp_path / "net.npz"
    saved, loaded = Net(seed=1), Net(seed=2)
    arrays = loaded.params
    save_weights(path, saved)
    load_weights(path, loaded)
    assert equal(saved, loaded)
    assert all(p is q for p, q in zip(arrays, loaded.params))
    assert sorted(read_npz(path)) == ["affine1.W", "affine1.b", "layers.0.W"]


def test_a_shared_weight_is_saved_once_and_stays_shared(tmp_path):
    path = tmp_path / "tied.npz"
    saved, loaded = Tied(1), Tied(2)
    save_weights(path, saved)
    load_weights(path, loaded)
    assert list(read_npz(path)) == ["embedding.W"]
    assert equal(saved, loaded) and np.shares_memory(*loaded.params)


def test_float16_takes_half_the_bytes_and_keeps_three_digits(tmp_path):
    saved, loaded = Net(1), Net(2)
    save_weights(tmp_path / "half.npz", saved, dtype="float16")
    load_weights(tmp_path / "half.npz", loaded)
    assert read_npz(tmp_path / "half.npz")["affine1.W"].dtype == np.float16
    for p, q in zip(saved.params, loaded.params):
        assert q.dtype == np.float32
        np.testing.assert_allclose(q, p, rtol=1e-3)


def test_a_number_too_large_for_float16_is_refused_and_the_old_file_stays(tmp_path):
    path, model = tmp_path / "half.npz", Net(1)
    save_weights(path, model, dtype="float16")
    before = path.read_bytes()
    model.params[0][0, 0] = 1e6
    with pytest.raises(
        ValueError, match=r"affine1\.W is 1e\+06; it should be at most 6\.55e\+04 to be stored"
    ):
        save_weights(path, model, dtype="float16")
    assert path.read_bytes() == before


def test_float64_weights_load_into_a_float32_model(tmp_path):
    save_weights(tmp_path / "net.npz", Net(1, dtype=np.float64))
    loaded = Net(2)
    load_weights(tmp_path / "net.npz", loaded)
    assert loaded.params[0].dtype == np.float32
    np.testing.assert_allclose(loaded.params[0], Net(1, dtype=np.float64).params[0], rtol=1e-6)


def test_weights_carry_their_vocabulary(tmp_path):
    path, words, loaded = tmp_path / "net.npz", ["<unk>", "naïve", "日本", " ", "don't"], Net(2)
    save_weights(path, Net(1), "float16", words)
    assert load_vocabulary(path) == words
    load_weights(path, loaded)
    np.testing.assert_allclose(loaded.params[0], Net(1).params[0], rtol=1e-3)
    with pytest.raises(ValueError, match="a word of vocabulary holds a line break; words should have none"):
        save_weights(path, Net(2), vocabulary=["a\nb"])
    assert load_vocabulary(path) == words
    save_weights(path, Net(1))
    with pytest.raises(ValueError, match=r"net\.npz holds no vocabulary; it should be saved with one"):
        load_vocabulary(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_vocabulary(tmp_path / "nothing.npz")


class Another(Model):
    def __init__(self):
        self.affine2 = Affine(weights(4, 3), weights(3))
        self.layers = [MatMul(weights(3, 2))]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Net(H=5), r"affine1\.W in .* has shape \(4, 3\), not \(4, 5\)"),
        (Another(), r"it lacks affine2\.W, affine2\.b, and has affine1\.W, affine1\.b that this model lacks"),
        (MatMul(weights(3, 2)), r"it lacks W, and has affine1\.W, affine1\.b, layers\.0\.W"),
    ],
)
def test_weights_of_another_model_are_refused_and_nothing_is_changed(tmp_path, model, sentence):
    path = tmp_path / "net.npz"
    save_weights(path, Net(1))
    before = [p.copy() for p in model.params]
    with pytest.raises(ValueError, match=sentence) as caught:
        load_weights(path, model)
    assert "\n" not in str(caught.value)
    assert all(np.array_equal(p, q) for p, q in zip(before, model.params))


def test_weights_that_are_no_floats_are_refused(tmp_path):
    write_npz(tmp_path / "net.npz", {"W": np.arange(6).reshape(3, 2)})
    with pytest.raises(ValueError, match=r"W in .* holds int64; it should hold floats"):
        load_weights(tmp_path / "net.npz", MatMul(weights(3, 2)))


def damaged(kind, whole):
    if kind == "truncated":
        return whole[: len(whole) // 2]
    if kind == "one byte short":
        return whole[:-1]
    if kind == "a number changed":
        at = whole.index(weights(4, 3, seed=1).tobytes())
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    return {"empty": b"", "text": b"these are not the weights", "a zip's first bytes": b"PK\x03\x04"}[kind]


KINDS = ["truncated", "one byte short", "a number changed", "empty", "text", "a zip's first bytes"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_gets_one_sentence_and_loads_nothing(tmp_path, kind):
    path = tmp_path / "net.npz"
    save_weights(path, Net(1))
    path.write_bytes(damaged(kind, path.read_bytes()))
    model = Net(2)
    with pytest.raises(ValueError, match=r"net\.npz is damaged, or not an \.npz file of plain arrays"):
        load_weights(path, model)
    assert equal(model, Net(2))


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, W=np.array([print, None], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="is damaged, or not an"):
        read_npz(path)


def test_a_missing_file_gets_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing\.npz"):
        load_weights(tmp_path / "nothing.npz", Net())


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    save_weights(path, Net(1))
    before = path.read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, Net(2))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["net.npz"]


def test_folders_are_made_and_the_file_can_be_read_by_others(tmp_path):
    path = tmp_path / "new" / "folder" / "net.npz"
    save_weights(path, Net(1))
    assert path.exists()
    if sys.platform != "win32":
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
