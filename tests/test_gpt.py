"""The small GPT: gradients, what it may see, writing with and without a cache, weights, runs that stop."""

import os
import signal
import sys

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.batches import InOrder, windows
from common.functions import log_softmax
from common.gradient_check import layer_errors
from common.layers import GELU, count_parameters, unique_parameters
from common.layers.base import evaluating
from common.metrics import bits_per_character, perplexity, total_loss
from common.models.generation import choose, continue_text
from common.models.gpt import gpt
from common.models.language_model import LanguageModel
from common.models.pretrained import GPT_WEIGHTS, load_gpt_reviews
from common.optimizers import AdamW
from common.schedules import cosine
from common.training import Trainer, train_step
from common.weights import load_weights, named_weights, save_weights
from runs import gpt as runs
from tests.helpers import bad_input, dense, normal

V, D, LENGTH = 11, 8, 9


def small(dtype=np.float64, seed=0, **options):
    """A GPT whose weights are large enough for its words to matter."""
    model = gpt(V, D, LENGTH, np.random.default_rng(seed), **{"depth": 2, "heads": 2} | options, dtype=dtype)
    for i, param in enumerate(unique_parameters(model)[0]):
        param += 0.3 * normal(*param.shape, seed=i, dtype=dtype)
    return model


def texts(N=3, T=6, seed=1):
    ids = np.random.default_rng(seed).integers(0, V, (N, T + 1))
    return xp.asarray(ids[:, :-1]), xp.asarray(ids[:, 1:])


@pytest.mark.parametrize(
    "options", [{}, {"dropout": 0.3}, {"depth": 1, "heads": 1}, {"alibi": True}], ids=str
)
@pytest.mark.parametrize("T", [1, 6])
def test_gradients(options, T):
    model, rng = small(**options), np.random.default_rng(0)
    mask = xp.asarray(rng.random((3, T)) < 0.8)
    mask[0, 0] = True
    errors = layer_errors(model, *texts(T=T), mask, rng=rng)
    assert len(errors) > 15 and max(errors.values()) < 1e-7, errors


def test_shapes_and_float_type():
    model, (xs, ts) = small(np.float32), texts()
    assert model.hidden(xs).shape == (3, 6, D) and model.predict(xs).shape == (3, 6, V)
    assert model.predict(xs).dtype == np.float32
    assert model.forward(xs, ts).dtype == np.float32
    model.backward()
    assert all(dense(grad).dtype == np.float32 for grad in unique_parameters(model)[1])


def test_words_in_and_out_are_one_matrix():
    model = small()
    words, out = model.embed.words.params[0], model.output.params[0]
    assert np.shares_memory(words, out)
    words[3, 2] = 7.5
    assert out[2, 3] == 7.5
    assert len(unique_parameters(model)[0]) == len(model.params) - 1
    block = 12 * D * D + (1 + 1 + 1 + 4 + 1) * D + 4 * D  # biases of all but the keys, and two norms
    assert count_parameters(model) == V * D + LENGTH * D + 2 * block + 2 * D + V


def test_what_writes_into_the_sum_begins_smaller_with_depth():
    flat, deep = (gpt(V, 64, LENGTH, np.random.default_rng(0), depth=depth) for depth in (1, 8))
    for part in ("attention.layer.out.W", "network.layer.affine2.W"):
        sizes = [float(dict(m.named_params())[f"blocks.0.{part}"].std()) for m in (flat, deep)]
        np.testing.assert_allclose(sizes[0] / sizes[1], 8**0.5, rtol=0.1)
    ids, both = xp.asarray(np.tile(np.arange(V), (9, 1)).T), []
    for model in (flat, deep):
        hs = words = model.embed.forward(ids)
        for block in model.blocks:
            hs = block.forward(hs)
        both.append(float((hs - words).std() / words.std()))
    assert all(0.3 < ratio < 2 for ratio in both) and 0.6 < both[0] / both[1] < 1.7
    sums = [float(m.embed.forward(xp.zeros((1, 9), dtype=int)).std()) for m in (flat, deep)]
    np.testing.assert_allclose(*sums, rtol=1e-6)  # and the embeddings do not


def test_no_position_sees_a_later_one_and_each_sees_all_before():
    model, (xs, _) = small(), texts(N=1)
    before = to_numpy(model.predict(xs))
    for t in range(6):
        other = xs.copy()
        other[0, t] = (other[0, t] + 1) % V
        moved = np.abs(to_numpy(model.predict(other)) - before).max(axis=(0, 2)) > 1e-9
        assert moved.tolist() == [i >= t for i in range(6)]


@pytest.mark.parametrize("alibi", [False, True])
@pytest.mark.parametrize("pieces", [[1] * 6, [4, 1, 1], [2, 3, 1], [6]], ids=str)
def test_reading_on_gives_the_scores_of_reading_all(pieces, alibi):
    # With two new words or more, a mask lost on the way would let the first see the second.
    model, (xs, _) = small(alibi=alibi), texts()
    whole, state, read = to_numpy(model.predict(xs)), model.start(3), 0
    for k in pieces:
        scores, state = model.step(xs[:, read : read + k], state)
        read += k
        np.testing.assert_allclose(to_numpy(scores), whole[:, read - 1], atol=1e-12)
    assert [keys.shape for keys, _ in state] == [(3, 6, D)] * 2


@pytest.mark.parametrize("settings", [{}, {"temperature": 0.7, "top_k": 5}, {"top_p": 0.8}], ids=str)
def test_with_and_without_the_cache_the_words_are_the_same(settings):
    model, (xs, _) = small(), texts(T=2)
    written = continue_text(model, xs, 8, np.random.default_rng(3), **settings)
    rng, read = np.random.default_rng(3), to_numpy(xs)
    for _ in range(8):
        scores = model.predict(xp.asarray(read[:, -LENGTH:]))[:, -1]
        read = np.concatenate([read, choose(scores, rng, **settings)[:, None]], axis=1)
    assert written.shape == (3, 8) and np.array_equal(written, read[:, 2:])


def test_writing_drops_nothing_and_leaves_the_model_as_it_was():
    model = small(dropout=0.5)
    xs, ts = texts()
    first = continue_text(model, [1, 2], 5, np.random.default_rng(0))
    assert first == continue_text(model, [1, 2], 5, np.random.default_rng(0))
    assert first == continue_text(small(), [1, 2], 5, np.random.default_rng(0))
    assert model.training
    losses = [float(model.forward(xs, ts)) for _ in range(2)]
    assert losses[0] != losses[1]  # and in training it drops again
    continue_text(model, [1, 2], 5, np.random.default_rng(0))
    model.backward()  # of the forward before


def test_it_learns_a_text_by_heart():
    rng = np.random.default_rng(0)
    model = gpt(V, 16, LENGTH, rng, depth=1, heads=2)
    xs, ts = texts(N=4, T=8)
    optimizer, schedule = AdamW(0.01, weight_decay=0.01), cosine(0.01, 120, rise=10)
    for step in range(120):
        optimizer.lr = schedule(step)
        loss = train_step(model, optimizer, xs, ts, max_norm=1.0)
    assert loss < 0.1
    written = continue_text(model, xs[:, :3], 6, rng, temperature=0)
    assert np.mean(written == to_numpy(ts)[:, 2:]) > 0.9


def test_weights_come_back_from_a_file_and_stay_one(tmp_path):
    model, other, (xs, _) = small(np.float32), small(np.float32, seed=5), texts()
    save_weights(tmp_path / "w.npz", model)
    load_weights(tmp_path / "w.npz", other)
    assert np.array_equal(to_numpy(model.predict(xs)), to_numpy(other.predict(xs)))
    assert np.shares_memory(other.embed.words.params[0], other.output.params[0])
    assert "output.W" not in named_weights(other)


def fit(tmp_path, name, epochs, model_seed=0):
    rng = np.random.default_rng(model_seed)
    model = gpt(V, D, LENGTH, rng, depth=2, heads=2, dropout=0.2)
    trainer = Trainer(model, AdamW(0.01), rng, max_grad_norm=1.0, schedule=cosine(0.01, 12, rise=2))
    text = np.random.default_rng(9).integers(0, V, 4 * 40 + 1)
    trainer.fit(InOrder(text, 4, 8), epochs, tmp_path / name, checkpoint_every=2)
    return model


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(tmp_path):
    whole = fit(tmp_path, "whole.checkpoint.npz", 2)
    fit(tmp_path, "part.checkpoint.npz", 1)
    part = fit(tmp_path, "part.checkpoint.npz", 2)
    for (name, a), b in zip(named_weights(whole).items(), named_weights(part).values()):
        assert np.array_equal(to_numpy(a), to_numpy(b)), name


def test_gelu_on_any_finite_number():
    for dtype in (np.float16, np.float32, np.float64):
        large = float(np.finfo(dtype).max)
        x = xp.asarray(np.array([-large, -50, -11, 0, 11, 50, large], dtype=dtype))
        layer = GELU()
        assert np.array_equal(to_numpy(layer.forward(x)), np.array([0, 0, 0, 0, 11, 50, large], dtype=dtype))
        slopes = layer.backward(xp.ones(7, dtype=dtype))
        assert slopes.dtype == dtype and to_numpy(slopes).tolist() == [0, 0, 0, 0.5, 1, 1, 1]


test_bad_input_gets_one_clear_sentence = bad_input(
    {
        "too long": (
            lambda: small().predict(texts(T=10)[0]),
            "the text has 10 positions; it should have at most 9, for the model has learned no later ones",
        ),
        "too long to write": (
            lambda: continue_text(small(), [1, 2, 3], 8, np.random.default_rng(0)),
            "the text has 10 positions; it should have at most 9",
        ),
        "one axis": (
            lambda: small().predict(xp.zeros(3, dtype=int)),
            r"ids has shape \(3,\); it should be \(N, T\)",
        ),
        "no words": (
            lambda: small().predict(xp.zeros((2, 0), dtype=int)),
            r"ids has shape \(2, 0\); it should be \(N, T\), with N and T at least 1",
        ),
        "unknown word": (
            lambda: small().predict(xp.full((1, 2), V)),
            "ids holds numbers from 11 to 11; they should lie between 0 and 10",
        ),
        "heads": (lambda: small(heads=3), "heads is 3; it should be a whole number that divides 8"),
        "depth": (lambda: small(depth=0), "depth is 0; it should be a whole number, at least 1"),
        "seed": (lambda: gpt(V, D, LENGTH, 1), "rng is a int; it should be a numpy.random.Generator"),
        "type": (
            lambda: small().step(xp.zeros((1, 10), dtype=int), small().start(1)),
            "the text has 10 positions",
        ),
    }
)


# ---- judging, and the long runs


@pytest.mark.parametrize(
    ("words", "length", "stride"), [(30, 9, 4), (30, 9, 9), (5, 9, 3), (10, 9, 1), (2, 1, 1)]
)
def test_windows_hold_each_word_once_as_a_target_with_enough_before_it(words, length, stride):
    text = np.random.default_rng(0).integers(0, V, words)
    seen = np.zeros(words, dtype=int)
    where = 0
    for x, t, mask in windows(text, length, stride, batch_size=2):
        for row, targets, keep in zip(to_numpy(x), to_numpy(t), to_numpy(mask)):
            begin = where + 1 - int(keep.argmax())  # of the targets, in the text
            assert np.array_equal(row, text[begin - 1 : begin - 1 + len(row)])
            assert np.array_equal(targets, text[begin : begin + len(row)])
            assert keep.argmax() >= min(length - stride, where)
            seen[begin : begin + len(row)] += keep
            where += int(keep.sum())
    assert seen.tolist() == [0] + [1] * (words - 1)


def test_a_text_that_fits_into_one_window_costs_what_its_words_cost():
    model, text = small(), np.random.default_rng(0).integers(0, V, LENGTH + 1)
    xs, ts = xp.asarray(text[None, :-1]), xp.asarray(text[None, 1:])
    nats = LENGTH * float(model.forward(xs, ts))
    assert total_loss(model, text) == (pytest.approx(nats), LENGTH)
    assert perplexity(model, text) == pytest.approx(np.exp(nats / LENGTH))
    assert bits_per_character(model, text, characters=40) == pytest.approx(nats / np.log(2) / 40)


def test_bits_per_character_do_not_depend_on_how_a_text_is_cut():
    # Two models of one text that give it the same probability: one guesses 8 letters, 1 of 4 each time, the
    # other 4 pairs of letters, 1 of 16 each time. Their perplexities differ, and their bits do not.
    class Even(LanguageModel):
        """Each of its V words is as likely as the others."""

        def __init__(self, V):
            super().__init__(V, 2, 2, np.random.default_rng(0), dtype=np.float64)
            for param in self.params:
                param[...] = 0

    letters, pairs = np.zeros(9, dtype=int), np.zeros(5, dtype=int)
    assert perplexity(Even(4), letters) == pytest.approx(4) and perplexity(Even(16), pairs) == pytest.approx(
        16
    )
    assert bits_per_character(Even(4), letters, 8) == pytest.approx(2)
    assert bits_per_character(Even(16), pairs, 8) == pytest.approx(2)


REVIEWS = ["A good film, a very good one.", "A bad film!", "Good, bad or dull?", "A film."] * 30


@pytest.fixture
def short_runs(monkeypatch, tmp_path):
    """Runs of a minute's work on some sentences, which record into a dictionary."""
    recorded = {}
    short = {
        "text": "reviews",
        "D": 8,
        "depth": 1,
        "N": 2,
        "T": 8,
        "steps": 24,
        "every": 6,
        "rise": 2,
        "lr": 0.01,
    }
    short |= {"decay": 0.1}
    names = {"gpt-2m": short | {"model": "gpt", "heads": 2}, "lstm-2m": short | {"model": "LSTM"}}
    names["gpt-2m+"] = names["gpt-2m"] | {"from": "gpt-2m", "lr": 1e-6}
    texts = runs.subword_texts([REVIEWS, ["A dull film."] * 4, ["A good, good film, a very bad one."]])
    monkeypatch.setattr(runs, "RUNS", names)
    monkeypatch.setattr(runs, "texts", lambda name: texts)
    monkeypatch.setattr(runs, "KEPT", tmp_path)
    monkeypatch.setattr(runs, "GPT_WEIGHTS", tmp_path / "weights.npz")
    monkeypatch.setattr(
        runs, "record_run", lambda file, *keys, **what: recorded.update({keys: what["result"]})
    )
    return recorded


def go(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["gpt", *arguments])
    runs.main()


def test_a_long_run_that_is_stopped_records_nothing_and_goes_on_to_the_same_numbers(short_runs, monkeypatch):
    go(monkeypatch, "gpt-2m", "3")
    whole = short_runs.pop(("gpt-2m", "3"))
    for file in runs.KEPT.iterdir():
        file.unlink()
    step, steps = Trainer._step, []

    def interrupted(trainer, batches):
        steps.append(step(trainer, batches))
        if len(steps) == 13:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as once, pytest.raises(SystemExit):
        once.setattr(Trainer, "_step", interrupted)
        go(monkeypatch, "gpt-2m", "3")
    assert not short_runs
    with pytest.raises(
        SystemExit, match=r"gpt-2m.4.checkpoint.npz is missing: python -m runs.gpt gpt-2m 4 comes"
    ):
        runs.so_far("gpt-2m", 4)
    half = runs.so_far("gpt-2m", 3)
    assert half["steps"] == 13 and half["valid"] == whole["valid"][:2]
    assert half["train_loss"] == whole["train_loss"][:2]
    go(monkeypatch, "gpt-2m", "3")
    part = short_runs["gpt-2m", "3"]
    assert len(part["valid"]) == len(part["train_loss"]) == 4 and part["seconds"] > 0
    for name in ("train_loss", "valid", "test", "parameters"):
        assert part[name] == whole[name]


def test_the_lstm_reads_the_same_words_and_two_seeds_differ(short_runs, monkeypatch):
    go(monkeypatch, "lstm-2m", "1", "2")
    first, second = short_runs["lstm-2m", "1"], short_runs["lstm-2m", "2"]
    assert first["words"] == 24 * 16 and first["test"] != second["test"]


def test_a_run_reads_on_from_where_another_one_ended(short_runs, monkeypatch):
    with pytest.raises(SystemExit, match=r"gpt-2m.1.npz is missing: python -m runs.gpt gpt-2m 1 comes"):
        go(monkeypatch, "gpt-2m+", "1")
    go(monkeypatch, "gpt-2m", "1")
    go(monkeypatch, "gpt-2m+", "1")
    assert short_runs["gpt-2m+", "1"]["test"] == pytest.approx(short_runs["gpt-2m", "1"]["test"], rel=1e-3)


def test_weights_are_stored_with_the_subwords(short_runs, monkeypatch):
    go(monkeypatch, "gpt-2m", "1")
    go(monkeypatch, "weights")
    subwords = runs.Subwords.load(runs.GPT_WEIGHTS)
    assert subwords == runs.texts("reviews")[0]
    stored, trained = short_runs["weights", "1"], short_runs["gpt-2m", "1"]
    assert stored["test"] == pytest.approx(trained["test"], rel=1e-3)
    assert stored["best"] == trained["best"]


def test_what_a_token_costs_by_what_stands_before_it(short_runs, monkeypatch):
    _, parts, _ = runs.texts("reviews")
    parts[2] = parts[0][:50]  # several blocks of 8
    go(monkeypatch, "gpt-2m", "1")
    go(monkeypatch, "lstm-2m", "1")
    go(monkeypatch, "contexts", "1")
    found = short_runs["contexts", "1"]
    assert found["tokens_before"] == [0, 1, 2, 4]
    for label, row in found["bits"].items():
        name = "gpt-2m" if label == "GPT" else "lstm-2m"
        model = runs.build(len(runs.texts("reviews")[0]), runs.RUNS[name], np.random.default_rng(1))
        load_weights(runs.KEPT / f"{name}.1.npz", model)
        text = parts[2][:49]
        pieces = (
            [text] if label == "LSTM, all the text" else [text[i : i + 9] for i in range(0, len(text) - 1, 8)]
        )
        bits = []
        for piece in pieces:
            with evaluating(model):  # begins at state zero
                log_p = log_softmax(model.predict(piece[None, :-1])[0])
            bits += [-log_p[i, right] / np.log(2) for i, right in enumerate(piece[1:])]
        bits = np.array(bits).reshape(-1, 8)
        assert row["mean"] == pytest.approx(bits.mean(), rel=1e-5)
        assert row["by_tokens_before"][3] == pytest.approx(bits[:, 4:].mean(), rel=1e-5)
    assert found["bits"]["LSTM, its block"] != found["bits"]["LSTM, all the text"]


def test_what_is_held_out_is_not_learned():
    subwords, ids, characters = runs.subword_texts(
        [["Seen once.", "Held out.", "Seen once."], ["Held out."], ["New."]]
    )
    assert "Held" not in subwords.decode(ids[0]) and characters == [20, 9, 4]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            [],
            "name is missing; it should be one of weights, contexts, contexts-10m, gpt-10m-alibi-so-far",
        ),
        (["gpt3"], "name is gpt3; it should be one of weights"),
        (["gpt-2m", "one"], "the seeds are one; they should be whole numbers"),
    ],
)
def test_a_run_that_there_is_not(monkeypatch, arguments, sentence):
    with pytest.raises(SystemExit, match=sentence):
        go(monkeypatch, *arguments)


@pytest.mark.parametrize("pair", [("gpt-2m", "lstm-2m"), ("gpt-10m", "lstm-10m")])
def test_what_is_compared_has_as_many_weights(pair):
    rng = np.random.default_rng(0)
    ours, theirs = (count_parameters(runs.build(8257, runs.RUNS[name], rng)) for name in pair)
    assert abs(ours / theirs - 1) < 0.02, (ours, theirs)


def test_the_gpt_that_comes_with_the_book_knows_the_reviews():
    model, subwords = load_gpt_reviews()
    assert count_parameters(model) == 1_874_369 and not model.training
    assert GPT_WEIGHTS.stat().st_size < 6_000_000
    text = "This film is one of the best that I have ever seen, and the acting is superb."
    right = bits_per_character(model, subwords.encode(text), len(text))
    wrong = bits_per_character(model, subwords.encode(" ".join(text.split()[::-1])), len(text))
    assert right < 2.2 < wrong
    first, again = (
        continue_text(model, subwords.encode("The film"), 20, np.random.default_rng(0)) for _ in "ab"
    )
    assert first == again and subwords.decode(first).isprintable()
