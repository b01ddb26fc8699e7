"""The Transformer: its blocks are PyTorch's, its gradients right, and writing word by word gives the same."""

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.gradient_check import layer_errors
from common.layers import LayerNorm, unique_parameters
from common.layers.make import Make
from common.models.decoding import answer, beam_search
from common.models.transformer import Blocks, Residual, transformer
from common.optimizers import Adam
from common.schedules import warm_up
from common.text import START
from tests.golden.reference import GOLDEN, run
from tests.helpers import bad_input, dense, normal, questions


def random_block(kind, norm_first, dtype=np.float64):
    rng = np.random.default_rng(1984)
    blocks = Blocks(Make(rng, dtype), 4, 6, heads=2, dropout=0.0, norm_first=norm_first)
    block = blocks.encoder() if kind == "encoder" else blocks.decoder()
    for i, param in enumerate(block.params):
        param[...] = 0.5 * normal(*param.shape, seed=i) + (param == 1)
    return block


KINDS = [(kind, norm_first) for kind in ("encoder", "decoder") for norm_first in (True, False)]


@pytest.mark.parametrize(("kind", "norm_first"), KINDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_blocks_are_those_of_pytorch(kind, norm_first, dtype, tolerance):
    name = f"{kind}, norm {'first' if norm_first else 'last'}/"
    with np.load(GOLDEN / "transformer.npz") as file:
        mine = {key.removeprefix(name): value for key, value in file.items() if key.startswith(name)}
    block = random_block(kind, norm_first, dtype)
    for i, param in enumerate(block.params):
        param[...] = xp.asarray(mine[f"param {i}"].astype(dtype))
    inputs = [mine[f"input {i}"] for i in range(3 if kind == "decoder" else 2)]
    inputs = [xp.asarray(x if x.dtype == bool else x.astype(dtype)) for x in inputs]
    found = run(block, inputs, mine)
    assert {"output 0", "dinput 0", *(f"dparam {i}" for i in range(len(block.params)))} <= found.keys()
    for key, value in found.items():
        assert value.dtype == dtype
        size = max(1, np.abs(mine[key]).max())
        assert np.abs(value - mine[key]).max() / size < tolerance, key


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_the_whole_model_is_that_of_pytorch(dtype, tolerance):
    with np.load(GOLDEN / "transformer.npz") as file:
        theirs = {key.removeprefix("whole/"): value for key, value in file.items() if "whole/" in key}
    rng = np.random.default_rng(0)
    model = transformer(7, 4, 6, rng, dtype=dtype, depth=2, heads=2, tied=True, smoothing=0.1)
    params, _ = unique_parameters(model)
    ends = np.cumsum([param.size for param in params])
    assert ends[-1] == theirs["weights"].size == theirs["gradients"].size
    for param, numbers in zip(params, np.split(theirs["weights"], ends[:-1])):
        param[...] = xp.asarray(numbers.reshape(param.shape).astype(dtype))
    loss = model.forward(xp.asarray(theirs["questions"]), xp.asarray(theirs["answers"]))
    model.backward()
    assert loss.dtype == dtype and abs(float(loss) - theirs["loss"]) < tolerance
    _, grads = unique_parameters(model)
    for i, (grad, numbers) in enumerate(zip(grads, np.split(theirs["gradients"], ends[:-1]))):
        assert np.abs(numbers).max() > 1e-4, i  # every weight has its part in the loss
        assert np.abs(to_numpy(dense(grad)).ravel() - numbers).max() < tolerance, i


@pytest.mark.parametrize(("kind", "norm_first"), KINDS)
@pytest.mark.parametrize("T", [1, 3])
def test_gradients_of_the_blocks(kind, norm_first, T):
    mask = xp.ones((2, 5 if kind == "decoder" else T), dtype=bool)
    mask[1, 1:] = False
    inputs = [normal(2, T, 4)] + ([normal(2, 5, 4, seed=1)] if kind == "decoder" else []) + [mask]
    errors = layer_errors(random_block(kind, norm_first), *inputs, rng=np.random.default_rng(0))
    assert len(errors) > 10 and max(errors.values()) < 1e-7, errors


def small(dtype=np.float64, **options):
    return transformer(7, 8, 12, np.random.default_rng(1), dtype=dtype, **options)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("options", [{}, {"smoothing": 0.1}, {"dropout": 0.3}], ids=str)
def test_gradients_of_the_whole_model(norm_first, tied, options):
    model = small(norm_first=norm_first, tied=tied, **options)
    errors = layer_errors(model, *questions(), rng=np.random.default_rng(0))
    assert max(errors.values()) < 1e-7, errors
    assert len(unique_parameters(model)[0]) == len(model.params) - (2 if tied else 0)


def test_padding_changes_nothing():
    xs, ts = questions()
    model = small()
    scores = to_numpy(model.decoder.forward(ts[1:2, :3], *model.encoder.forward(xs[1:2, :3])))
    padded = to_numpy(model.decoder.forward(ts, *model.encoder.forward(xs)))
    np.testing.assert_allclose(padded[1:2, :3], scores, atol=1e-12)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_text_written_word_by_word_gets_the_same_scores(norm_first):
    xs, ts = questions()
    model = small(norm_first=norm_first)
    memory = model.encoder.forward(xs)
    whole = to_numpy(model.decoder.forward(ts, *memory)).copy()
    state = model.decoder.start(*memory)
    for t in range(4):
        scores, state = model.decoder.step(ts[:, t], state)
        np.testing.assert_allclose(to_numpy(scores), whole[:, t], atol=1e-12)


def test_answers_do_not_depend_on_the_neighbours():
    model, (xs, _) = small(), questions()
    together = to_numpy(answer(model, xs, 6))
    alone = np.concatenate([to_numpy(answer(model, row, 6)) for row in (xs[:1], xs[1:2, :3], xs[2:])])
    assert np.array_equal(together, alone)
    best, _ = beam_search(model, xs, 6, width=1)
    assert np.array_equal(to_numpy(best)[:, 0], together)


def test_an_input_longer_than_any_before_gets_an_answer():
    model = small()
    xs = xp.asarray(np.random.default_rng(0).integers(3, 7, (2, 300)))
    assert answer(model, xs, 5).shape == (2, 5)


def test_an_empty_question_gives_finite_numbers():
    xs, ts = questions()
    xs[0] = 0
    model = small()
    assert np.isfinite(float(model.forward(xs, ts)))
    model.backward()
    assert all(np.isfinite(to_numpy(dense(grad))).all() for grad in unique_parameters(model)[1])


@pytest.mark.parametrize("norm_first", [True, False])
def test_it_learns_to_reverse(norm_first):
    rng = np.random.default_rng(0)
    xs = rng.integers(3, 7, (200, 4))
    ts = np.concatenate([np.full((200, 1), START), xs[:, ::-1]], axis=1)
    xs, ts = xp.asarray(xs), xp.asarray(ts)
    model, optimizer = small(norm_first=norm_first, dtype=np.float32), Adam(0.01)
    schedule, losses = warm_up(0.01, 20), []
    for step in range(150):
        optimizer.lr = schedule(step)
        rows = xp.asarray(rng.integers(0, 200, 64))
        losses.append(float(model.forward(xs[rows], ts[rows])))
        model.backward()
        optimizer.update(*unique_parameters(model))
    assert losses[-1] < 0.3 * losses[0]


def test_warm_up_rises_and_falls():
    schedule = warm_up(0.1, 10)
    rates = [schedule(step) for step in range(40)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == rates[9] == pytest.approx(0.1)
    assert rates[39] == pytest.approx(0.05)
    paper = [64**-0.5 * min((s + 1) ** -0.5, (s + 1) * 10**-1.5) for s in range(40)]
    np.testing.assert_allclose([warm_up((64 * 10) ** -0.5, 10)(s) for s in range(40)], paper)


def test_a_residual_gives_back_the_gradients_of_all_inputs():
    make = Make(np.random.default_rng(0), np.float64)
    layer = Residual(make.attention(4, heads=2), LayerNorm(normal(4), normal(4, seed=1)), norm_first=True)
    layer.forward(normal(2, 3, 4), normal(2, 5, 4), None)
    assert [a.shape for a in layer.backward(normal(2, 3, 4))] == [(2, 3, 4), (2, 5, 4)]


BAD = {
    "V": (lambda: transformer(0, 8, 8, np.random.default_rng(0)), "V is 0; it should be a whole number"),
    "D": (lambda: transformer(7, 9, 8, np.random.default_rng(0), heads=3), "D is 9; it should be an even"),
    "heads": (
        lambda: transformer(7, 8, 8, np.random.default_rng(0), heads=3),
        "heads is 3; it should be a whole number that divides 8",
    ),
    "ids": (lambda: small().forward(xp.full((2, 3), 7), xp.ones((2, 3), dtype=int)), "between 0 and 6"),
    "empty": (
        lambda: small().encoder.forward(xp.zeros((2, 0), dtype=int)),
        r"xs has shape \(2, 0, 8\); it should be \(N, T, 8\), with N and T at least 1",
    ),
    "lr": (lambda: warm_up(-1, 10), "lr is -1; it should be a positive number"),
    "steps": (lambda: warm_up(0.1, 0), "steps is 0; it should be a whole number"),
}


test_bad_input_gets_one_clear_sentence = bad_input(BAD)
