"""Encoder, decoder, and the search for an answer."""

import numpy as np
import pytest

from common.batches import Shuffled
from common.datasets import Task, additions
from common.gradient_check import layer_errors
from common.models.decoding import accuracy, answer, beam_search, length_penalty
from common.models.seq2seq import Decoder, PeekyDecoder, peeky, plain
from common.optimizers import Adam
from common.text import END, PAD, START
from common.training import Trainer
from tests.helpers import bad_input, dense

V, D, H = 9, 3, 5
QUESTIONS = np.array([[3, 4, 5, 6], [6, PAD, PAD, PAD], [PAD] * 4, [7, 8, PAD, PAD]])
ANSWERS = np.array([[START, 4, 5, END], [START, END, PAD, PAD], [START, 3, END, PAD], [START, 5, 6, END]])
MODELS = {"plain": plain, "peeky": peeky}


def build(name="plain", seed=0, dtype=np.float64, scale=1.0):
    model = MODELS[name](V, D, H, np.random.default_rng(seed), dtype=dtype)
    for param in model.params:
        param *= scale
    return model


@pytest.mark.parametrize("name", MODELS)
def test_all_gradients_are_right_also_where_there_is_padding(name):
    model = build(name)
    draw = np.random.default_rng(7)
    for param in model.params:  # biases that are not zero, weights that are not small
        param += 0.3 * draw.standard_normal(param.shape)
    errors = layer_errors(model, QUESTIONS, ANSWERS, rng=np.random.default_rng(1))
    assert len(errors) == 10
    assert max(errors.values()) < 1e-8, errors


@pytest.mark.parametrize("name", MODELS)
def test_backward_gives_the_same_twice(name):
    model = build(name)
    model.forward(QUESTIONS, ANSWERS)
    model.backward()
    first = [dense(grad) for grad in model.grads]
    model.backward()
    for a, b in zip(first, model.grads):
        np.testing.assert_array_equal(a, dense(b))


@pytest.mark.parametrize("name", MODELS)
def test_padding_changes_nothing(name):
    model = build(name)
    loss = model.forward(QUESTIONS, ANSWERS)
    wider = np.pad(QUESTIONS, ((0, 0), (0, 3))), np.pad(ANSWERS, ((0, 0), (0, 2)))
    assert model.forward(*wider) == pytest.approx(float(loss), rel=1e-12)
    np.testing.assert_array_equal(answer(model, QUESTIONS, 6), answer(model, wider[0], 6))


@pytest.mark.parametrize("name", MODELS)
def test_steps_give_the_scores_of_forward(name):
    """Reading the whole answer at once and reading it character by character is the same."""
    model = build(name, seed=3)
    memory = model.encoder.forward(QUESTIONS)
    at_once = model.decoder.forward(ANSWERS, *memory)
    state = model.decoder.start(*memory)
    for t in range(ANSWERS.shape[1]):
        scores, state = model.decoder.step(ANSWERS[:, t], state)
        np.testing.assert_allclose(scores, at_once[:, t], rtol=1e-12, atol=1e-14)


@pytest.fixture(scope="module", params=MODELS)
def trained(request):
    """A model that has learned a little, so that its answers have different lengths."""
    task = Task.split(additions(np.random.default_rng(0), 700, digits=2), 50, 50)
    model = MODELS[request.param](len(task.characters), 8, 32, np.random.default_rng(1))
    trainer = Trainer(model, Adam(0.005), np.random.default_rng(2), 5.0)
    trainer.fit(Shuffled(*task.arrays(task.train, reverse=True), 32), epochs=12)
    assert trainer.epoch_losses[-1] < 0.7 * trainer.epoch_losses[0]
    return model, *task.arrays(task.test, reverse=True)


def test_answers_side_by_side_are_those_one_by_one(trained):
    model, questions, _ = trained
    together = answer(model, questions, 4)
    alone = np.concatenate([answer(model, questions[i : i + 1], 4) for i in range(len(questions))])
    np.testing.assert_array_equal(together, alone)
    lengths = (together != PAD).sum(axis=1)
    assert len(set(lengths.tolist())) > 1
    for row in together.tolist():
        after = row[row.index(END) + 1 :] if END in row else []
        assert START not in row and all(i == PAD for i in after)
        assert PAD not in (row[: row.index(END)] if END in row else row)


def test_a_beam_of_width_one_is_greedy(trained):
    model, questions, _ = trained
    found, log_p = beam_search(model, questions, 4, 1)
    np.testing.assert_array_equal(found[:, 0], answer(model, questions, 4))
    assert found.shape == (50, 1, 4) and log_p.shape == (50, 1)


def test_a_wide_beam_finds_answers_at_least_as_probable_best_first(trained):
    model, questions, _ = trained
    _, greedy = beam_search(model, questions, 4, 1)
    found, log_p = beam_search(model, questions, 4, 6)
    assert (np.diff(log_p, axis=1) <= 0).all() and (log_p <= 0).all()
    assert (log_p[:, 0] >= greedy[:, 0] - 1e-5).mean() > 0.95
    for row in found.tolist():
        assert len({tuple(text) for text in row}) == 6


def test_the_beam_knows_the_probability_of_each_answer(trained):
    """The sum over the characters, computed from the scores of forward."""
    model, questions, _ = trained
    found, log_p = beam_search(model, questions, 4, 3)
    for k in range(3):
        ids = found[:, k]
        read = np.concatenate([np.full((len(ids), 1), START), ids[:, :-1]], axis=1)
        scores = model.decoder.forward(read, *model.encoder.forward(questions)).astype(np.float64)
        scores[:, :, [PAD, START]] = -np.inf
        p = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
        each = np.take_along_axis(p, ids[:, :, None], axis=2)[:, :, 0]
        np.testing.assert_allclose(np.where(ids != PAD, each, 0).sum(axis=1), log_p[:, k], atol=1e-4)


def test_a_beam_as_wide_as_all_answers_finds_the_best_of_all(trained):
    model, questions, _ = trained
    words = model.decoder.affine.params[1].shape[0] - 2
    found, log_p = beam_search(model, questions[:3], 2, words + 5)  # more than there are after one step
    exact = np.isfinite(log_p)
    assert np.exp(log_p).sum(axis=1).max() <= 1 + 1e-9 and exact[:, 0].all()
    assert not np.isnan(log_p).any() and found.shape == (3, words + 5, 2)


def test_the_length_penalty_is_that_of_gnmt():
    assert length_penalty(np.array([1, 7, 13]), 1) == pytest.approx([1, 2, 3])
    assert length_penalty(np.array([1, 7, 13]), 0.5) == pytest.approx([1, 2**0.5, 3**0.5])
    assert length_penalty(40, 0) == 1


def test_without_a_penalty_beams_are_in_the_order_of_their_probability(trained):
    model, questions, _ = trained
    for a, b in zip(beam_search(model, questions, 4, 5), beam_search(model, questions, 4, 5, alpha=0)):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("alpha", [0.6, 1, 3])
def test_beams_are_in_the_order_of_the_penalized_score(trained, alpha):
    model, questions, _ = trained
    found, log_p = beam_search(model, questions, 4, 5, alpha)
    lengths = (found != PAD).sum(axis=2)
    assert (np.diff(log_p / length_penalty(lengths, alpha), axis=1) <= 1e-12).all()
    if alpha == 3:
        assert (np.diff(log_p, axis=1) > 0).any()  # a longer one is ahead of a likelier one


def test_a_larger_penalty_gives_longer_answers_in_a_search_over_all(trained):
    """So wide that nothing is lost: the best of all answers of up to two characters, by either measure."""
    model, questions, _ = trained
    words = model.decoder.affine.params[1].shape[0] - 2
    mean = []
    for alpha in (0, 1, 10):
        found, _ = beam_search(model, questions, 2, words * words, alpha)
        mean.append((found[:, 0] != PAD).sum(axis=1))
    assert (mean[0] <= mean[1]).all() and (mean[1] <= mean[2]).all() and (mean[2] == 2).all()


def test_accuracy_counts_whole_answers(trained):
    model, questions, answers = trained
    written = answer(model, questions, answers.shape[1] - 1)
    assert accuracy(model, questions, np.pad(written, ((0, 0), (1, 0)), constant_values=START)) == 1
    expected = (written == answers[:, 1:]).all(axis=1).mean()
    assert accuracy(model, questions, answers) == pytest.approx(expected)
    assert accuracy(model, questions, answers, batch_size=7) == pytest.approx(expected)
    wrong = answers.copy()
    wrong[:, 1] = np.where(written[:, 0] == 5, 6, 5)
    assert accuracy(model, questions, wrong) == 0


def test_an_empty_question_and_one_longer_than_any_have_answers(trained):
    model, _, _ = trained
    strange = np.zeros((2, 40), dtype=np.int32)
    strange[1] = 5
    written = answer(model, strange, 6)
    assert written.shape == (2, 6)
    loss = model.forward(strange, np.array([[START, END], [START, END]]))
    model.backward()
    assert np.isfinite(loss)
    assert all(np.isfinite(dense(grad)).all() for grad in model.grads)


def test_training_and_evaluating_are_put_back():
    model = build()
    for training in (True, False):
        model.training = training
        answer(model, QUESTIONS, 3)
        assert model.training is training


def test_training_stays_as_it_was_after_answering_in_between():
    """What is written between two steps must not change what is learned."""
    task = Task.split(additions(np.random.default_rng(0), 100, digits=2), 10, 10)
    questions, answers = task.arrays(task.train)
    losses = []
    for watch in (None, lambda t: answer(t.model, questions[:3], 4)):
        model = plain(len(task.characters), D, H, np.random.default_rng(0))
        trainer = Trainer(model, Adam(), np.random.default_rng(0))
        losses.append(trainer.fit(Shuffled(questions, answers, 16), 3, on_epoch=watch))
    assert losses[0] == losses[1]


BAD = {
    "questions": (
        lambda: answer(build(), QUESTIONS[0], 3),
        r"questions has shape \(4,\); it should be \(N, T\)",
    ),
    "no questions": (lambda: answer(build(), QUESTIONS[:0], 3), r"questions has shape \(0, 4\)"),
    "answers": (
        lambda: build().forward(QUESTIONS, ANSWERS[:2]),
        "answers has 2 rows; it should have 4, as questions",
    ),
    "no START": (
        lambda: build().forward(QUESTIONS, ANSWERS[:, 1:]),
        "answers should each begin with START, 1",
    ),
    "unknown id": (
        lambda: build().forward(QUESTIONS + V, ANSWERS),
        "ids holds numbers from 9 to 17; they should lie between 0 and 8",
    ),
    "V": (lambda: plain(0, D, H, np.random.default_rng(0)), "V is 0; it should be a whole number"),
    "H": (lambda: plain(V, D, -1, np.random.default_rng(0)), "H is -1; it should be a whole number"),
    "D": (lambda: peeky(V, 0, H, np.random.default_rng(0)), "D is 0; it should be a whole number"),
    "decoder": (lambda: Decoder(V, D, 0, np.random.default_rng(0)), "H is 0; it should be a whole number"),
    "decoder that is shown": (
        lambda: PeekyDecoder(V, D, 2.5, np.random.default_rng(0)),
        "H is 2.5; it should be a whole number",
    ),
    "length": (lambda: answer(build(), QUESTIONS, 0), "max_length is 0; it should be a whole number"),
    "width": (lambda: beam_search(build(), QUESTIONS, 3, 0), "width is 0; it should be a whole number"),
    "alpha": (
        lambda: beam_search(build(), QUESTIONS, 3, 2, alpha=-1),
        "alpha is -1; it should be a finite number, at least 0",
    ),
}


test_bad_input_gets_one_clear_sentence = bad_input(BAD)
