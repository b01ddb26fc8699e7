"""The choice between NumPy and CuPy, and the layers on a stand-in for CuPy."""

import os

import numpy as np
import pytest

from common.backend import choose_array_module, to_numpy
from tests.helpers import ROOT, python

STANDIN = ROOT / "tests" / "standin"


def test_numpy_is_the_default():
    assert choose_array_module("cpu") is np
    done = python("-c", "from common.backend import xp; print(xp.__name__)")
    assert done.stdout.strip() == "numpy", done.stderr


@pytest.mark.parametrize("device", ["", " ", "cpu ", " auto"])
def test_blanks_around_the_device_do_not_count(device):
    # On Windows, "set BOOK_DEVICE=cpu && ..." sets it with a blank at its end.
    done = python("-c", "from common.backend import xp; print(xp.__name__)", BOOK_DEVICE=device)
    assert done.stdout.strip() == "numpy", done.stderr


@pytest.mark.parametrize("device", ["tpu", "GPU", "0"])
def test_a_nonsense_device_gets_one_sentence(device):
    done = python("-c", "import common.backend", BOOK_DEVICE=device)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"ValueError: BOOK_DEVICE is {device!r}; it should be 'cpu', 'gpu' or 'auto'."


def test_gpu_without_a_gpu_gets_one_sentence():
    done = python("-c", "import common.backend", BOOK_DEVICE="gpu")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: BOOK_DEVICE is 'gpu', but no GPU can be used (")
    assert "BOOK_DEVICE=cpu" in last


def test_auto_without_a_gpu_is_numpy():
    done = python("-c", "from common.backend import xp; print(xp.__name__)", BOOK_DEVICE="auto")
    assert done.stdout.strip() == "numpy", done.stderr


def test_the_stand_in_refuses_what_cupy_refuses():
    code = """
import numpy as np, cupy
x, y, s = cupy.ones((2, 3)), np.ones((2, 3)), cupy.ones((2, 2))
attempts = [
    lambda: np.asarray(x), lambda: x + y, lambda: y * x, lambda: cupy.exp(y), lambda: np.add(y, x),
    lambda: x.__setitem__(0, y[0]), lambda: x[np.array([0])], lambda: cupy.concatenate([x, y]),
    lambda: x.__iadd__(y), lambda: cupy.errstate, lambda: np.sum(y, out=x),
    # what lies across an input, numbers that are none, and what CuPy's functions lack
    lambda: cupy.exp(x[0], out=x[0:2, 0:1]), lambda: x[:, 1:].__iadd__(x[:, :2]), lambda: float(x[:1, :1]),
    lambda: x.__setitem__((slice(None), slice(1, 3)), x[:, :2]), lambda: cupy.matmul(s, s, out=s),
    lambda: cupy.exp(x, where=x > 0), lambda: x.max(initial=0), lambda: cupy.maximum.reduce(x),
    lambda: cupy.scatter_add,
]
refused = 0
for attempt in attempts:
    try:
        attempt()
    except (TypeError, IndexError, AttributeError, ValueError, NotImplementedError):
        refused += 1
x[:, 1:] += x[:, 1:]  # number on number is well
assert float(x[0, 0]) == 1 and float(x[0, 1]) == 2
assert isinstance(x[0, 0], cupy.ndarray) and isinstance(x.sum(), cupy.ndarray)
assert isinstance(np.exp(x), cupy.ndarray) and isinstance(x.get(), np.ndarray)
print(refused, "of", len(attempts))
"""
    done = python("-c", code, path=STANDIN)
    assert done.stdout.strip() == "20 of 20", done.stderr


COPIES = """
import cupy
import numpy as np
from common.backend import as_floats, xp
from common.models.classifiers import Classifier
from common.models.gpt import gpt
from common.models.language_model import LanguageModel
from common.layers import Flatten, MaxPooling
from common.layers.make import Make
from common.optimizers import Adam
from common.training import train_step

rng = np.random.default_rng(1984)

def copies(model, *batch):
    optimizer, batch = Adam(0.01), [xp.asarray(array) for array in batch]
    train_step(model, optimizer, *batch, max_norm=1.0)
    before = cupy.copies
    train_step(model, optimizer, *batch, max_norm=1.0)
    return cupy.copies - before

def words(T):
    return rng.integers(9, size=(2, 3, T))

def convolutions(depth):
    make = Make(rng)
    layers = [layer for _ in range(depth) for layer in (make.convolution(1, 1, 3, padding=1), MaxPooling(1))]
    model = Classifier(*layers, Flatten(), make.affine(64, 3))
    return copies(model, rng.random((2, 1, 8, 8), dtype=np.float32), rng.integers(3, size=2))

print(copies(LanguageModel(9, 4, 6, rng), *words(3)), copies(LanguageModel(9, 4, 6, rng), *words(30)))
print(*(copies(gpt(9, 8, 5, rng, depth=depth, heads=2), *words(5)) for depth in (1, 3)))
print(convolutions(1), convolutions(4))
before = cupy.copies
assert as_floats([]) == [] and as_floats([xp.asarray(1.5), xp.asarray(2.0)]) == [1.5, 2.0]
assert cupy.copies == before + 1
"""


def test_a_step_fetches_as_few_numbers_however_long_the_text_and_however_deep_the_model():
    # On a GPU, each number that is fetched waits for all that is under way.
    done = python("-c", COPIES, path=f"{STANDIN}{os.pathsep}{ROOT}", BOOK_DEVICE="gpu")
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        few, many = map(int, line.split())
        assert 0 < few == many < 20


LARGE = """
import numpy as np
from common.backend import to_numpy, xp
from common.support.row_gradient import RowGradient

dout = np.ones((6, 2), dtype=np.float32)
dout[1] = 1e9
grad = RowGradient.from_lookups(xp.asarray(np.array([3, 1, 4, 3, 3, 5])), xp.asarray(dout), (6, 2))
print(to_numpy(grad.rows).tolist(), to_numpy(grad.values)[:, 0].tolist(), grad.values.dtype)
"""


def test_a_large_gradient_of_one_word_takes_no_digits_from_those_of_others():
    # CuPy's reduceat takes differences of a running sum, which would have no digits left for the ones.
    for place in ({}, {"path": f"{STANDIN}{os.pathsep}{ROOT}", "BOOK_DEVICE": "gpu"}):
        done = python("-c", LARGE, **place)
        assert done.stdout.strip() == "[1, 3, 4, 5] [1000000000.0, 3.0, 1.0, 1.0] float32", done.stderr


def test_layers_functions_and_optimizers_run_on_the_stand_in():
    # --noconftest: tests/conftest.py clears BOOK_DEVICE, which is what this run is about. The profile "ci" of
    # hypothesis itself has no deadline either: a busy machine is not a bug.
    names = (
        "layers",
        "recurrent",
        "attention",
        "protocol",
        "normalization",
        "convolution",
        "crf",
        "memory",
        "functions",
        "row_gradient",
        "optimizers",
    )
    files = [f"tests/test_{name}.py" for name in names]
    done = python(
        *("-m", "pytest", "-q", "--noconftest", "--hypothesis-profile=ci", *files),
        path=f"{STANDIN}{os.pathsep}{ROOT}",
        BOOK_DEVICE="gpu",
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


TRAINING = """
import sys
import numpy as np
from common.backend import xp
from common.batches import InOrder, Shuffled
from common.checkpoints import keep_best
from common.gradient_check import check_layer
from common.initializers import gaussian, xavier, zeros
from common.layers import Affine, Dropout, Embedding, Model, SoftmaxWithLoss
from common.models.language_model import LanguageModel
from common.metrics import perplexity
from common.optimizers import SGD, Adam
from common.training import Trainer
from common.weights import Averaged, load_weights, save_weights

assert xp.__name__ == "cupy"

class Net(Model):
    def __init__(self, rng):
        self.layers = [Embedding(gaussian(rng, 6, 4)), Dropout(0.1, rng), Affine(xavier(rng, 4, 3), zeros(3))]
        self.loss = SoftmaxWithLoss()

    def forward(self, x, t):
        for layer in self.layers:
            x = layer.forward(x)
        return self.loss.forward(x, t)

    def backward(self, dout=1):
        dout = self.loss.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)

def train(epochs, checkpoint=None):
    rng = np.random.default_rng(1984)
    trainer = Trainer(Net(rng), Adam(0.05), rng, max_grad_norm=1.0)
    trainer.fit(Shuffled(x, x % 3, 8), epochs, checkpoint, checkpoint_every=3)
    return trainer

x = xp.asarray(np.arange(60) % 6)
folder = sys.argv[1]
whole = train(6)
train(4, folder + "/run.npz")
resumed = train(6, folder + "/run.npz")
assert whole.history == resumed.history and whole.history[-1] < 0.5 * whole.history[0]
save_weights(folder + "/weights.npz", whole.model)
load_weights(folder + "/weights.npz", resumed.model)
resumed.model.layers[2].params[0][0, 0] = float("nan")
try:
    resumed.fit(Shuffled(x, x % 3, 8), 1)
except FloatingPointError as error:
    print(error)
text = np.arange(60) % 6

def read(epochs, checkpoint=None):
    rng = np.random.default_rng(1984)
    model = LanguageModel(6, 5, 5, rng, dropout=0.1)
    trainer = Trainer(model, SGD(1.0), rng, 1.0, after_step=Averaged(model, 0.9))
    measure = keep_best(lambda: perplexity(model, text, 2), weights=folder + "/best.npz")
    trainer.fit(InOrder(text, 2, 5), epochs, checkpoint, 4, measure)
    return trainer

whole = read(5)
read(2, folder + "/text.npz")
resumed = read(5, folder + "/text.npz")
assert whole.history == resumed.history and whole.notes == resumed.notes
both = zip(whole.after_step.arrays.values(), resumed.after_step.arrays.values())
assert all((a == b).all() for a, b in both)
rng = np.random.default_rng(0)
W, b, v = (xp.asarray(rng.standard_normal(shape)) for shape in ((4, 3), 3, (2, 4)))
check_layer(Affine(W, b), v, rng=rng)
"""


def test_training_checkpoints_and_weights_run_on_the_stand_in(tmp_path):
    path = f"{STANDIN}{os.pathsep}{ROOT}"
    done = python("-c", TRAINING, str(tmp_path), path=path, BOOK_DEVICE="gpu")
    assert done.returncode == 0, done.stderr
    assert "layers.2 (Affine), forward" in done.stdout and "all 3 gradients of Affine agree" in done.stdout


MODELS = """
import numpy as np
from common.models.attention import attentive, gnmt, looking_first
from common.backend import to_numpy, xp
from common.metrics import perplexity
from common.models.cache import cache_perplexity
from common.models.generation import continue_text
from common.models.language_model import LanguageModel
from common.layers import GRU, unique_parameters
from common.optimizers import Adam
from common.text import SPECIALS, START
from common.models.decoding import accuracy, alignment, answer, beam_search
from common.models.seq2seq import peeky, plain
from common.text import Vocabulary
from common.training import clip_gradients
from common.models.text_classifiers import lstm_classifier, mean_classifier, predict_rows, text_cnn
from common.models.text_classifiers import transformer_classifier
from common.models.transformer import transformer

def step(name, model, *batch):
    losses = []
    optimizer = Adam(0.01)
    for _ in range(2):
        losses.append(model.forward(*(xp.asarray(ids) for ids in batch)))
        assert xp is np or isinstance(losses[-1], xp.ndarray)  # nothing has left the device
        model.backward()
        params, grads = unique_parameters(model)
        clip_gradients(grads, 1.0)
        optimizer.update(params, grads)
    print(name, *(f"{float(loss):.5f}" for loss in losses))

def rng():
    return np.random.default_rng(1984)

V, D, H = 9, 4, 6
text = rng().integers(V, size=60)
makers = {"LSTM": {"depth": 2, "dropout": 0.3, "variational": True, "tied": True}, "GRU": {"layer": GRU}}
for name, options in makers.items():
    model = LanguageModel(V, H, H, rng(), **options)
    step(name, model, text[:40].reshape(4, 10), text[1:41].reshape(4, 10))
    print(f"{perplexity(model, text, batch_size=2, T=5):.4f}", continue_text(model, [1, 2], 4, rng()))
    print(f"{cache_perplexity(model, text, 20, 0.3, 0.1):.4f}")

questions, answers = rng().integers(3, V, (5, 6)), rng().integers(3, V, (5, 4))
questions[1, 3:] = answers[2, 3:] = 0
answers[:, 0] = START
for name, make in {
    "plain": plain,
    "peeky": peeky,
    "attentive": lambda *sizes: attentive(*sizes, depth=2, residual=True, bidirectional=True),
    "looking first": looking_first,
    "GNMT": lambda *sizes: gnmt(*sizes, depth=2),
    "transformer": lambda V, D, H, rng: transformer(V, D, H, rng, depth=2, heads=2, smoothing=0.1),
}.items():
    model = make(V, D, H, rng())
    step(name, model, questions, answers)
    print(to_numpy(answer(model, xp.asarray(questions), 3)).tolist())
    print(accuracy(model, xp.asarray(questions), xp.asarray(answers)))
    if name in ("attentive", "looking first", "GNMT"):
        characters = Vocabulary([*SPECIALS, *"abcdef"])
        text, weights = alignment(model, "abba", characters, 3)
        print(text, weights.round(4).tolist())
    print([to_numpy(found).round(4).tolist() for found in beam_search(model, xp.asarray(questions), 3, 2)])

for name, make in {
    "mean": lambda: mean_classifier(V, D, rng(), dropout=0.2),
    "filters": lambda: text_cnn(V, D, rng(), filters=3),
    "fixed": lambda: text_cnn(V, D, rng(), filters=3, vectors=xp.ones((V, D)), fixed=True),
    "lstm": lambda: lstm_classifier(V, D, H, rng()),
    "encoder": lambda: transformer_classifier(V, D, H, rng(), heads=2),
}.items():
    model = make()
    step(name, model, questions, rng().integers(2, size=5))
    texts = [xp.asarray(row[row != 0]) for row in questions]
    print(predict_rows(model, texts, batch_size=2).round(4).tolist())
"""


def test_models_learn_and_answer_the_same_on_the_stand_in():
    cpu = python("-c", MODELS)
    assert cpu.returncode == 0, cpu.stderr
    device = python("-c", MODELS, path=f"{STANDIN}{os.pathsep}{ROOT}", BOOK_DEVICE="gpu")
    assert device.returncode == 0, device.stderr
    assert device.stdout == cpu.stdout


def test_to_numpy_gives_numpy():
    class OnDevice:
        def get(self):
            return np.arange(3)

    assert to_numpy(OnDevice()).tolist() == [0, 1, 2]
    x = np.ones(3)
    assert to_numpy(x) is x
