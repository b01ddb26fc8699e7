"""GPT-2's files: equal to PyTorch, whatever is in the folder, and one sentence for each way to be wrong."""

import json
import shutil

import numpy as np
import pytest

from common.backend import to_numpy, xp
from common.models.generation import continue_text
from common.models.gpt import load_gpt2
from common.support.safetensors import SafeTensors
from tests.golden.reference import GOLDEN
from tests.helpers import write_safetensors

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path):
    """A copy of the tiny GPT-2, to be spoiled."""
    return shutil.copytree(GOLDEN / "gpt2", tmp_path / "gpt2")


def weights(folder):
    """All arrays of the tiny GPT-2."""
    file = SafeTensors(folder / WEIGHTS)
    return {name: file.read(name, shape) for name, (_, shape, _) in file.entries.items()}


def gap(folder, dtype=np.float32):
    """How far our scores are from PyTorch's."""
    with np.load(GOLDEN / "gpt2.npz") as file:
        ids, scores = file["ids"], file["scores"]
    model, _ = load_gpt2(folder, dtype=dtype)
    ours = to_numpy(model.predict(xp.asarray(ids)))
    assert ours.dtype == dtype and ours.shape == scores.shape and np.abs(scores).max() > 1
    return float(np.abs(ours - scores).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_scores_are_those_of_pytorch(dtype):
    assert gap(GOLDEN / "gpt2", dtype) < 1e-5


def test_names_with_the_prefix_of_the_whole_model_and_arrays_that_are_not_weights(folder):
    arrays = {f"transformer.{name}": array for name, array in weights(folder).items()}
    arrays["lm_head.weight"] = arrays["transformer.wte.weight"]
    arrays["transformer.h.0.attn.bias"] = np.ones((1, 1, 16, 16), dtype=np.int64)
    write_safetensors(folder / WEIGHTS, arrays)
    assert gap(folder) < 1e-5


@pytest.mark.parametrize(("stored", "near"), [(np.float16, 0.01), (np.uint16, 0.1), (np.float64, 1e-5)])
def test_other_float_types(folder, stored, near):
    def bfloat16(array):
        return (array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)

    change = bfloat16 if stored is np.uint16 else lambda array: array.astype(stored)
    write_safetensors(folder / WEIGHTS, {name: change(array) for name, array in weights(folder).items()})
    assert gap(folder) < near


def test_the_epsilon_of_its_normalization_is_taken_over(folder):
    set_config(folder, layer_norm_epsilon=0.5)
    assert gap(folder) > 1e-2


def test_it_reads_and_writes_text():
    model, subwords = load_gpt2(GOLDEN / "gpt2")
    ids = subwords.encode("You say hello.")
    assert len(ids) < 14 and not model.training
    written = continue_text(model, ids, 4, np.random.default_rng(0))
    assert subwords.decode([*ids, *written]).startswith("You say hello.")


def set_config(folder, **values):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in config.items() if value != "left out"}))


def spoil(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


def header(folder, **changed):
    write_safetensors(folder / WEIGHTS, weights(folder), **changed)


BAD = {
    "no folder": (lambda f: shutil.rmtree(f), "there is no file .*config.json; it should say how large"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), r"there is no file .*model.safetensors\.$"),
    "no vocabulary": (lambda f: (f / "vocab.json").unlink(), "there is no file .*vocab.json"),
    "no merges": (lambda f: (f / "merges.txt").unlink(), "there is no file .*merges.txt"),
    "a pickle beside": (
        lambda f: (f / WEIGHTS).rename(f / "pytorch_model.bin"),
        "there is no file .*safetensors; pytorch_model.bin beside it is a pickle, may run any code",
    ),
    "a pickle by that name": (
        lambda f: spoil(f, WEIGHTS, lambda data: b"\x80\x02" + data),
        "model.safetensors is a pickle, as PyTorch saves it, and may run any code",
    ),
    "a zip by that name": (
        lambda f: spoil(f, WEIGHTS, lambda data: b"PK\x03\x04" + data),
        "is a pickle, as PyTorch",
    ),
    "empty": (lambda f: spoil(f, WEIGHTS, lambda data: b""), "has 0 bytes and is damaged or cut off"),
    "cut in the header": (
        lambda f: spoil(f, WEIGHTS, lambda data: data[:100]),
        "has 100 bytes and is damaged or cut off: its header should have",
    ),
    "cut in an array": (
        lambda f: spoil(f, WEIGHTS, lambda data: data[:-1]),
        "has 31527 bytes and is damaged or cut off: it should have 31528 bytes",
    ),
    "more at the end": (lambda f: spoil(f, WEIGHTS, lambda data: data + b"0"), "it should have 31528 bytes"),
    "no JSON": (
        lambda f: spoil(f, WEIGHTS, lambda data: data[:8] + b"[" + data[9:]),
        "its header is not that of a safetensors file",
    ),
    "a list": (lambda f: (f / WEIGHTS).write_bytes(b"\x02" + bytes(7) + b"[]"), "its header is not that"),
    "no type": (lambda f: header(f, **{"wte.weight": {"dtype": None}}), "wte.weight in .* holds None"),
    "negative shape": (lambda f: header(f, **{"wte.weight": {"shape": [-1, 12]}}), "its header is not that"),
    "whole numbers": (
        lambda f: header(f, **{"wte.weight": {"dtype": "I32"}}),
        "wte.weight in .* holds I32; it should hold F64, F32, F16, BF16",
    ),
    "wrong type": (
        lambda f: header(f, **{"ln_f.bias": {"dtype": "F16"}}),
        "ln_f.bias lies in bytes [0-9]+ to [0-9]+, which does not fit its shape",
    ),
    "overlapping": (
        lambda f: header(f, **{"wpe.weight": {"data_offsets": [0, 768]}}),
        "which does not fit its shape",
    ),
    "a missing array": (
        lambda f: write_safetensors(
            f / WEIGHTS, {n: a for n, a in weights(f).items() if n != "h.1.ln_2.bias"}
        ),
        r"model.safetensors lacks h.1.ln_2.bias\.$",
    ),
    "transposed": (
        lambda f: write_safetensors(f / WEIGHTS, {n: a.T.copy() for n, a in weights(f).items()}),
        r"wte.weight in .* has shape \(12, 273\); it should be \(273, 12\)",
    ),
    "fewer blocks": (lambda f: set_config(f, n_layer=3), "lacks h.2.attn.c_attn.weight"),
    "another size": (lambda f: set_config(f, n_embd=24), r"has shape \(273, 12\); it should be \(273, 24\)"),
    "another vocabulary": (
        lambda f: set_config(f, vocab_size=300),
        "vocab.json has 273 tokens; it should have 300",
    ),
    "no size": (
        lambda f: set_config(f, n_head="left out"),
        "n_head in .*config.json is None; it should be a whole number, at least 1",
    ),
    "heads": (lambda f: set_config(f, n_head=5), "heads is 5; it should be a whole number that divides 12"),
    "no JSON in the config": (
        lambda f: spoil(f, "config.json", lambda data: data[:-9]),
        "config.json is damaged",
    ),
    "a list for config": (lambda f: (f / "config.json").write_text("[1]"), "config.json is damaged"),
    "another bend": (
        lambda f: set_config(f, activation_function="relu"),
        "activation_function in .* is 'relu'; it should be 'gelu_new', as in GPT-2",
    ),
    "another scale": (
        lambda f: set_config(f, scale_attn_by_inverse_layer_idx=True),
        "scale_attn_by_inverse_layer_idx in .* is True; it should be False",
    ),
    "epsilon": (
        lambda f: set_config(f, layer_norm_epsilon=0),
        "layer_norm_epsilon is 0; it should be a positive",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_gets_one_clear_sentence(name, folder):
    change, sentence = BAD[name]
    change(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as caught:
        load_gpt2(folder)
    assert "\n" not in str(caught.value)
