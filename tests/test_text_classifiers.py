"""Classifiers of texts: counting, and networks over rows of ids, in which padding counts for nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.backend import to_numpy, xp
from common.batches import ByLength, fill_up
from common.datasets import reviews as datasets
from common.datasets.reviews import Reviews, load_reviews, split_reviews
from common.gradient_check import layer_errors
from common.layers import Embedding, GlobalAveragePooling, GlobalMaxPooling, Make, evaluating
from common.models.classifiers import NaiveBayes, pair_code
from common.models.text_classifiers import (
    LastState,
    MaxOverTime,
    lstm_classifier,
    mean_classifier,
    predict_rows,
    share_of_rows_right,
    text_cnn,
    text_vocabulary,
    transformer_classifier,
    vocabulary_with_vectors,
    with_pairs,
)
from common.optimizers import Adam, AdamW
from common.text import PAD
from common.training import Trainer, train_step
from runs import classifiers as runs
from tests.helpers import bad_input, dense, normal

V, D = 12, 4
NETS = {
    "mean": lambda rng, **more: mean_classifier(V, D, rng, **more),
    "cnn": lambda rng, **more: text_cnn(V, D, rng, widths=(2, 3), filters=3, **{"dropout": 0.0} | more),
    "lstm": lambda rng, **more: lstm_classifier(V, D, 5, rng, **more),
    "last": lambda rng, **more: lstm_classifier(V, D, 5, rng, over_time=LastState, **more),
    "transformer": lambda rng, **more: transformer_classifier(
        V, D, 6, rng, depth=2, heads=2, **{"dropout": 0.0} | more
    ),
}


def net(name, dtype=np.float64, **more):
    model = NETS[name](np.random.default_rng(3), dtype=dtype, **more)
    for param in model.params:
        if param.ndim == 1:  # biases of 0 would hide mistakes
            param += xp.asarray(np.random.default_rng(4).standard_normal(len(param)).astype(dtype)) / 3
    return model


def rows(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(2, V, length).astype(np.int32) for length in lengths]


# ---- the networks


@pytest.mark.parametrize("name", NETS)
def test_gradients_of_each_network(name):
    errors = layer_errors(
        net(name), fill_up(rows(1, 5, 3)), xp.asarray([0, 1, 1]), rng=np.random.default_rng(0)
    )
    assert all(error < 1e-6 for error in errors.values()), errors


@pytest.mark.parametrize("name", NETS)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 3), st.integers(0, 99))
def test_the_company_of_a_text_changes_none_of_its_scores(name, lengths, more, seed):
    model, texts = net(name), rows(*lengths, seed=seed)
    wide = np.pad(to_numpy(fill_up(texts)), ((0, 0), (0, more)), constant_values=PAD)
    alone = [to_numpy(model.scores(fill_up([text])))[0] for text in texts]
    np.testing.assert_allclose(to_numpy(model.scores(xp.asarray(wide))), alone, rtol=0, atol=1e-12)
    np.testing.assert_allclose(predict_rows(model, texts, batch_size=2), alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_padding_gets_exactly_no_gradient_and_gives_none(name):
    texts, t = rows(2, 6, 3), xp.asarray([0, 1, 1])
    gradients = []
    for more in (0, 4):
        model = net(name)
        wide = np.pad(to_numpy(fill_up(texts)), ((0, 0), (0, more)), constant_values=PAD)
        model.forward(xp.asarray(wide), t)
        model.backward()
        gradients.append([to_numpy(dense(grad)) for grad in model.grads])
        assert not gradients[-1][0][PAD].any(), "the vector of <pad>"
        assert gradients[-1][0][2:].any()
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_what_stands_in_the_vector_of_padding_does_not_matter(name):
    model, x = net(name), fill_up(rows(2, 6))
    before = to_numpy(model.scores(x)).copy()
    model.params[0][PAD] += 100
    assert np.array_equal(to_numpy(model.scores(x)), before)


@pytest.mark.parametrize("name", NETS)
def test_a_text_without_words_has_finite_scores_and_adds_nothing_that_is_not_finite(name):
    model = net(name, np.float32)
    with np.errstate(all="raise", under="ignore"):
        loss = model.forward(fill_up([np.empty(0, np.int32), *rows(3)]), xp.asarray([0, 1]))
        model.backward()
    assert np.isfinite(float(loss)) and all(np.isfinite(to_numpy(dense(grad))).all() for grad in model.grads)


@pytest.mark.parametrize("name", NETS)
def test_each_network_learns_a_word_that_decides(name):
    rng = np.random.default_rng(0)
    texts = [rng.integers(3, V, rng.integers(1, 8)).astype(np.int32) for _ in range(200)]
    labels = rng.integers(0, 2, 200)
    texts = [rng.permutation(np.append(text, 2)) if t else text for text, t in zip(texts, labels)]
    model = NETS[name](rng)
    Trainer(model, Adam(0.02), rng).fit(ByLength(texts, labels, 20), 12)
    assert share_of_rows_right(model, texts, labels) > 0.95


def test_a_mean_does_not_see_the_order_and_filters_do():
    (text,) = rows(7)
    turned = text[::-1].copy()
    assert not np.array_equal(text, turned)
    mean, cnn = net("mean"), net("cnn")
    np.testing.assert_allclose(predict_rows(mean, [text]), predict_rows(mean, [turned]), atol=1e-12)
    assert np.abs(predict_rows(cnn, [text]) - predict_rows(cnn, [turned])).max() > 1e-3


def test_filters_follow_the_definition():
    model, texts = net("cnn"), rows(1, 4, 6)
    W = to_numpy(model.params[0])
    with evaluating(model):
        x = fill_up(texts)
        found = to_numpy(model.reader.forward(model.embedding.forward(x), x != PAD))
    for text, row in zip(texts, found):
        words = np.concatenate([W[text], np.zeros((2, D))])  # zeros behind the last word
        expected = []
        for layer in model.reader.convolutions:
            F, b = map(to_numpy, layer.params)  # (3, D, k)
            windows = [words[i : i + F.shape[2]] for i in range(len(text))]
            expected += [max(0, *((f.T * w).sum() + c for w in windows)) for f, c in zip(F, b)]
        np.testing.assert_allclose(row, expected, atol=1e-12)


def test_the_last_state_is_that_after_the_last_word():
    model, texts = net("last"), rows(2, 5)
    x = fill_up(texts)
    found = to_numpy(model.reader.forward(model.embedding.forward(x), x != PAD))
    for text, row in zip(texts, found):
        alone = model.reader.layer.forward(model.embedding.forward(xp.asarray(text)[None]))
        np.testing.assert_allclose(row, to_numpy(alone)[0, -1], atol=1e-12)


@pytest.mark.parametrize("name", ["mean", "cnn", "lstm"])
@pytest.mark.parametrize("optimizer", [Adam, AdamW])
def test_fixed_vectors_stay_and_the_rest_learns(name, optimizer):
    vectors = normal(V, D)
    model = net(name, vectors=vectors, fixed=True)
    before = [param.copy() for param in model.params]
    assert before[0] is not vectors and np.array_equal(to_numpy(before[0]), to_numpy(vectors))
    rule = optimizer(0.1)
    for _ in range(3):
        train_step(model, rule, fill_up(rows(3, 5)), xp.asarray([0, 1]), max_norm=1.0)
    assert np.array_equal(to_numpy(model.params[0]), to_numpy(vectors))
    assert not any(np.array_equal(to_numpy(a), to_numpy(b)) for a, b in zip(model.params[1:], before[1:]))
    assert "fixed=True" in repr(model.embedding) and "fixed" not in repr(Embedding(vectors))


def test_the_same_seed_gives_the_same_bits():
    def weights():
        rng = np.random.default_rng(5)
        model = text_cnn(V, D, rng, filters=3)
        Trainer(model, Adam(0.01), rng).fit(ByLength(rows(*range(1, 12)), np.arange(11) % 2, 4), 2)
        return [to_numpy(param).copy() for param in model.params]

    assert all(map(np.array_equal, weights(), weights()))


def plain_backward(layer, x, dout):
    """The gradients of a convolution over lines, window by window."""
    W = to_numpy(layer.params[0])
    dW, dx = np.zeros_like(W), np.zeros_like(to_numpy(x))
    for n, f, i in np.argwhere(to_numpy(dout)):
        dW[f] += dout[n, f, i] * to_numpy(x)[n, :, i : i + W.shape[2]]
        dx[n, :, i : i + W.shape[2]] += to_numpy(dout)[n, f, i] * W[f]
    return dW, dx


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 1.0])
def test_a_convolution_leaves_out_windows_without_gradient_and_nothing_else(share):
    rng = np.random.default_rng(0)
    layer, x = Make(rng, np.float64).convolution(3, 4, (3,)), normal(5, 3, 40)
    layer.forward(x)
    dout = normal(5, 4, 38, seed=1) * (rng.random((5, 1, 38)) < share)
    dx = layer.backward(dout)
    expected = plain_backward(layer, x, dout)
    np.testing.assert_allclose(to_numpy(layer.grads[0]), expected[0], atol=1e-12)
    np.testing.assert_allclose(to_numpy(dx), expected[1], atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([GlobalMaxPooling, GlobalAveragePooling]))
def test_pooling_with_a_mask_is_pooling_of_what_it_keeps(seed, kind):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, (3, 2, 6)).astype(float)  # with numbers that are equally large
    mask = rng.random((3, 6)) < 0.5
    dout = rng.standard_normal((3, 2))
    layer = kind()
    y = to_numpy(layer.forward(xp.asarray(x), xp.asarray(mask)))
    dx = to_numpy(layer.backward(xp.asarray(dout)))
    assert not dx[np.repeat(~mask[:, None], 2, axis=1)].any()
    for n in range(3):
        if mask[n].any():
            plain = kind()
            np.testing.assert_allclose(
                y[n], to_numpy(plain.forward(xp.asarray(x[n : n + 1][:, :, mask[n]])))[0]
            )
            kept = to_numpy(plain.backward(xp.asarray(dout[n : n + 1])))
            np.testing.assert_allclose(dx[n][:, mask[n]], kept[0])
        else:
            assert not y[n].any() and not dx[n].any()


def test_pairs_stand_behind_the_words_and_the_same_pair_has_the_same_id():
    found = with_pairs([np.array([3, 4, 3, 4]), np.array([5]), np.empty(0, int), np.array([4, 3])], V, 1000)
    assert [len(row) for row in found] == [7, 1, 0, 3]
    assert found[0][:4].tolist() == [3, 4, 3, 4] and found[1].tolist() == [5]
    assert found[0][4] == found[0][6] != found[0][5] == found[3][2]
    assert all(V <= code < V + 1000 for row in found for code in row[(len(row) + 1) // 2 :])


# ---- batches of texts of about one length


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 7), st.integers(1, 4))
def test_each_text_is_read_once_in_an_epoch_with_its_label(lengths, batch_size, group):
    texts = [np.full(length, i + 1, np.int32) for i, length in enumerate(lengths)]
    batch_size = min(batch_size, len(texts))
    batches = ByLength(texts, np.arange(len(texts)), batch_size, group=group)
    batches.begin_epoch(None, np.random.default_rng(0))
    seen = []
    for i in range(len(batches)):
        x, t = map(to_numpy, batches[i])
        assert len(x) == len(t) <= batch_size
        for row, number in zip(x, t):
            assert np.array_equal(row[: lengths[number]], texts[number]) and not row[lengths[number] :].any()
            seen.append(number)
    assert sorted(seen) == list(range(len(texts)))


def test_texts_are_beside_others_that_are_about_as_long_and_in_another_order_each_epoch():
    rng = np.random.default_rng(0)
    texts = [np.ones(length, np.int32) for length in rng.integers(1, 200, 1000)]
    batches, rng = ByLength(texts, np.zeros(1000, int), 20), np.random.default_rng(1)
    orders = []
    for _ in range(2):
        batches.begin_epoch(None, rng)
        orders.append(np.concatenate(batches.order))
        sizes = [to_numpy(batches[i][0]) for i in range(50)]
        assert sum(size.size for size in sizes) < 1.1 * sum(size.sum() for size in sizes)
        lengths = [size.shape[1] for size in sizes]
        assert lengths != sorted(lengths)
    assert not np.array_equal(*orders)
    assert batches.about() != ByLength(texts[::-1], np.zeros(1000, int), 20).about()


test_bad_input_of_batches = bad_input(
    {
        "no rows": (lambda: ByLength([], np.empty(0, int), 1), "rows is empty; it should hold at least one"),
        "words": (lambda: fill_up([["a", "b"]]), r"rows\[0\] is of list; it should be one row of ids"),
        "floats": (lambda: fill_up([np.ones(3)]), r"rows\[0\] is of shape \(3,\) and float64"),
        "a matrix": (lambda: fill_up([np.ones((2, 2), int)]), r"rows\[0\] is of shape \(2, 2\)"),
        "labels": (lambda: ByLength(rows(2, 3), np.zeros(3, int), 1), "x has 2 examples and t has 3"),
        "batch": (lambda: ByLength(rows(2, 3), np.zeros(2, int), 3), "batch_size is 3; it should be"),
        "group": (lambda: ByLength(rows(2), np.zeros(1, int), 1, group=0), "group is 0"),
    }
)

test_bad_input_of_networks = bad_input(
    {
        "unknown class": (
            lambda: net("mean").forward(fill_up(rows(2, 3)), xp.asarray([0, 2])),
            "t holds numbers from 0 to 2; they should lie between 0 and 1",
        ),
        "unknown id": (
            lambda: net("cnn").scores(xp.asarray([[V]])),
            f"ids holds numbers from {V} to {V}; they should lie between 0 and {V - 1}",
        ),
        "shape of vectors": (
            lambda: net("mean", vectors=normal(V, D + 1)),
            rf"vectors has shape \({V}, {D + 1}\); it should be \({V}, {D}\)",
        ),
        "no filters": (lambda: MaxOverTime(), "convolutions is empty; there should be at least one"),
        "pictures": (
            lambda: MaxOverTime(Make(np.random.default_rng(0)).convolution(2, 3, 3)),
            r"convolutions\[0\] is Convolution\(C=2, F=3, size=3\); it should be over lines",
        ),
        "labels": (
            lambda: share_of_rows_right(net("mean"), rows(2, 3), np.zeros(3, int)),
            r"t has shape \(3,\); it should be \(2,\)",
        ),
        "no texts": (lambda: predict_rows(net("mean"), []), "rows is empty"),
        "words and vectors": (
            lambda: vocabulary_with_vectors(["a", "b"], np.ones((3, 2))),
            r"vectors has shape \(3, 2\); it should be \(2, 2\)",
        ),
    }
)


# ---- counting


def texts_of(*words):
    known = text_vocabulary({word: 1 for text in words for word in text.split()})
    return known, [known.encode(text.split()) for text in words]


def test_votes_by_hand():
    known, (good, bad, both) = texts_of("good good film", "bad film", "good bad")
    bayes = NaiveBayes([good, bad], np.array([1, 0]), once=False)
    # Class 1: good 2, film 1, bad 0; class 0: bad 1, film 1, good 0; one more of each: 6 and 5 in all.
    expected = {"good": (3 / 6) / (1 / 5), "bad": (1 / 6) / (2 / 5), "film": (2 / 6) / (2 / 5)}
    for word, ratio in expected.items():
        np.testing.assert_allclose(bayes.word_votes(known.encode([word])), [np.log(ratio)])
    np.testing.assert_allclose(bayes.scores([both]), [np.log(expected["good"] * expected["bad"])])
    once = NaiveBayes([good, bad], np.array([1, 0]), once=True)
    np.testing.assert_allclose(once.word_votes(known.encode(["good"])), [np.log((2 / 5) / (1 / 5))])
    np.testing.assert_allclose(once.scores([good]), [once.word_votes(good[1:]).sum()])


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_a_score_is_the_bias_and_the_votes_of_what_the_text_holds(seed, pairs, once):
    rng = np.random.default_rng(seed)
    texts = [rng.integers(0, 5, rng.integers(1, 9)) for _ in range(6)]
    labels = np.array([0, 1, 1, 0, 1, 1])
    bayes = NaiveBayes(texts[:5], labels[:5], pairs, once)
    codes = [list(text) + ([*map(pair_code, text[:-1], text[1:])] if pairs else []) for text in texts]
    found = [{*some} if once else some for some in codes]
    count = {code: 0 for some in codes[:5] for code in some}
    totals = []
    for c in (0, 1):
        tally = {
            code: 1 + sum([*some].count(code) for some, t in zip(found, labels[:5]) if t == c)
            for code in count
        }
        totals.append({code: np.log(n / sum(tally.values())) for code, n in tally.items()})
    votes = {code: totals[1][code] - totals[0][code] for code in count}
    expected = [np.log(3 / 2) + sum(votes.get(code, 0) for code in some) for some in found]
    np.testing.assert_allclose(bayes.scores(texts), expected, atol=1e-9)
    if pairs:
        np.testing.assert_allclose(
            bayes.pair_votes(texts[5]),
            [votes.get(code, 0) for code in map(pair_code, texts[5][:-1], texts[5][1:])],
        )


def test_the_last_word_of_a_text_and_the_first_of_the_next_are_no_pair():
    bayes = NaiveBayes([np.array([1, 2]), np.array([3, 4])], np.array([0, 1]), pairs=True)
    assert pair_code(2, 3) not in bayes.codes and pair_code(1, 2) in bayes.codes


def test_what_was_never_seen_has_no_vote_and_an_empty_text_only_the_bias():
    bayes = NaiveBayes([np.array([1]), np.array([2]), np.array([1])], np.array([0, 1, 0]), pairs=True)
    assert bayes.word_votes(np.array([7])) == 0
    np.testing.assert_allclose(bayes.scores([np.array([7, 9]), np.empty(0, int)]), [-np.log(2)] * 2)
    assert repr(bayes) == "NaiveBayes(2 votes, pairs=True, once=True)"


test_bad_input_of_naive_bayes = bad_input(
    {
        "one class": (
            lambda: NaiveBayes(rows(2, 3), np.ones(2, int)),
            r"labels has shape \(2,\); it should be \(2,\), with 0 for some and 1 for others",
        ),
        "unknown class": (
            lambda: NaiveBayes(rows(2, 3), np.array([0, 2])),
            "with 0 for some and 1 for others",
        ),
        "shape": (lambda: NaiveBayes(rows(2, 3), np.array([0, 1, 1])), r"labels has shape \(3,\)"),
        "no word": (
            lambda: NaiveBayes([np.empty(0, int)] * 2, np.array([0, 1])),
            "rows holds no word; at least one text should have one",
        ),
        "smoothing": (
            lambda: NaiveBayes(rows(2, 3), np.array([0, 1]), smoothing=0),
            "smoothing is 0; it should be a positive number",
        ),
        "no rows": (lambda: NaiveBayes([], np.empty(0, int)), "rows is empty"),
    }
)


# ---- splits


def some_reviews(count, source="imdb"):
    texts = [f"film {i % (count - 3)}{'!' * (i >= count - 3)}".replace("!", " ~") for i in range(count)]
    return Reviews(texts, np.arange(count, dtype=np.int8) % 2, np.array([source] * count))


def test_no_text_stands_in_two_parts(monkeypatch):
    monkeypatch.setattr(datasets, "SIZES", {"imdb": (5, 7)})
    found = split_reviews(some_reviews(40), "imdb")
    assert [len(part) for part in found] == [25, 5, 7]  # 37 of 40: three differ in what is no word
    words = [" ".join(part.tokenizer(text)) for part in found for text in part.texts]
    assert len(set(words)) == 37
    again = split_reviews(some_reviews(40), "imdb")
    assert all(one.texts == other.texts for one, other in zip(found, again))


def test_the_splits_of_the_book_share_no_text_and_hold_both_classes():
    reviews = load_reviews()
    for source, (valid, test) in datasets.SIZES.items():
        parts = split_reviews(reviews, source)
        assert (len(parts.valid), len(parts.test)) == (valid, test)
        texts = [" ".join(part.tokenizer(text)) for part in parts for text in part.texts]
        assert len(set(texts)) == len(texts) > 8500
        for part in parts:
            assert set(part.sources) == {source} and 0.45 < part.labels.mean() < 0.55


test_bad_input_of_splits = bad_input(
    {
        "source": (
            lambda: split_reviews(some_reviews(9), "amazon"),
            "source is 'amazon'; it should be one of imdb, rotten_tomatoes",
        ),
        "too few": (
            lambda: split_reviews(some_reviews(9), "imdb"),
            "reviews has 6 distinct texts of imdb; it should have more than 7000",
        ),
    }
)


def test_rows_are_the_texts_and_longest_cuts_them():
    reviews = some_reviews(9)
    known = text_vocabulary(reviews.counts)
    assert known.words[:2] == ("<pad>", "<unk>") and known["nobody"] == 1
    texts = reviews.rows(known)
    assert known.decode(texts[2]) == ["film", "2"] and known.decode(reviews.rows(known, 1)[2]) == ["film"]


# ---- the long runs


def test_a_long_run_chooses_its_pass_on_the_validation_part_and_is_not_run_twice(monkeypatch):
    kept = {}
    small = datasets.Split(some_reviews(60), some_reviews(30), some_reviews(20))
    monkeypatch.setattr(runs, "split", lambda source: small)
    monkeypatch.setattr(runs, "PASSES", {"rotten_tomatoes": {"mean": 3, "cnn": 2}})

    def keep(name, *keys, result, seed, command):
        place = kept
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        assert keys[-1] not in place, "run twice"
        place[keys[-1]] = result

    monkeypatch.setattr(runs, "record_run", keep)
    monkeypatch.setattr(runs, "recorded", lambda name: {"runs": kept})
    for _ in range(2):
        for kind in ("choose", "test", "shuffled", "labels"):
            command = [
                "classifiers",
                kind,
                "rotten_tomatoes",
                "mean-random",
                *(["1"] if kind != "choose" else []),
            ]
            monkeypatch.setattr(runs.sys, "argv", command)
            runs.main()
    assert set(kept) == {f"rotten_tomatoes{kind}" for kind in ("", ", choose", ", shuffled", ", labels")}
    found = kept["rotten_tomatoes"]["mean-random"]["1"]
    assert found["pass"] == 1 + int(np.argmax(found["valid"])) and len(found["valid"]) == 3
    assert found["test_shuffled"] == found["test"] == 1 - len(found["wrong"]) / 20  # a mean knows no order


def test_a_command_of_the_long_runs_that_is_wrong_gets_one_sentence(monkeypatch):
    monkeypatch.setattr(runs.sys, "argv", ["classifiers", "test", "rotten_potatoes"])
    with pytest.raises(SystemExit, match="should be scores, or counts, choose, test, shuffled, labels"):
        runs.main()
