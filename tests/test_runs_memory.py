"""The runs with a memory: chosen, trained, stopped and resumed; a seed that fails is told, too."""

import sys

import numpy as np
import pytest

from common.optimizers import Adam
from runs import memory


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Runs of 200 steps, which write into a folder of their own; what they record."""
    found = {}

    def record_run(name, *keys, result, **about):
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = result

    def recorded(name):
        return {"runs": found}

    for name, value in {"record_run": record_run, "recorded": recorded, "KEPT": tmp_path, "EVERY": 5}.items():
        monkeypatch.setattr(memory, name, value)
    monkeypatch.setattr(memory, "STEPS", {"small": {"copy": 20, "repeat": 20, "recall": 20}})
    monkeypatch.setattr(memory, "TESTED", 5)
    return found


def run(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["memory", *words.split()])
    memory.main()


def test_a_rate_is_chosen_and_trained_with(monkeypatch, kept, capsys):
    run(monkeypatch, "choose small copy machine lstm")
    chosen = kept["choose small copy"]
    assert set(chosen) == {"machine", "lstm"} and set(chosen["lstm"]["costs"]) == {
        "0.003",
        "0.01",
        "0.03",
        "0.1",
    }
    assert min(chosen["lstm"]["costs"], key=lambda lr: sum(chosen["lstm"]["costs"][lr])) == str(
        chosen["lstm"]["lr"]
    )
    run(monkeypatch, "small copy machine lstm 1 2")
    for model in ("machine", "lstm"):
        for seed in ("1", "2"):
            result = kept["small copy"][model][seed]
            assert result["lr"] == chosen[model]["lr"] and len(result["cost"]) == 4
            assert set(result["tests"]) == {"5", "10", "15"} and result["tests"]["10"]["bits"] == 40
            assert 0 < result["tests"]["5"]["cost"] < 40 and result["failed"] is None
    assert "seed 2: wrong bits {'5': '" in capsys.readouterr().out


@pytest.mark.parametrize(("task", "first", "bits"), [("repeat", "3 x 3", 50), ("recall", "4", 6)])
def test_the_other_tasks(kept, task, first, bits):
    result = memory.train("small", task, "machine-lstm", 0.01, 10, 1)
    assert result["tests"][first]["bits"] == bits and len(result["wrong"]) == 2


def test_a_run_that_was_stopped_goes_on(monkeypatch, kept):
    whole = memory.train("small", "copy", "machine", 0.01, 20, 1)
    for file in memory.KEPT.iterdir():
        file.unlink()
    judge, seen = memory.judge, []

    def judge_once(*given):
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt  # before its checkpoint is written
        return judge(*given)

    with monkeypatch.context() as once, pytest.raises(KeyboardInterrupt):
        once.setattr(memory, "judge", judge_once)
        memory.train("small", "copy", "machine", 0.01, 20, 1)
    again = memory.train("small", "copy", "machine", 0.01, 20, 1)
    assert again["cost"] == whole["cost"] and again["tests"] == whole["tests"]


def test_a_seed_that_fails_is_recorded(monkeypatch, kept):
    update = Adam.update

    def explode(self, params, grads):
        update(self, params, grads)
        params[0][...] = np.nan

    monkeypatch.setattr(Adam, "update", explode)
    result = memory.train("small", "copy", "machine", 0.01, 20, 1)
    assert "gave numbers that are not finite" in result["failed"] and result["cost"] == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "the words are missing; they should be a scale (small, full), a task (copy, repeat, recall)"),
        ("small sort machine 1", "the words are small sort machine; they should be a scale"),
        ("choose small copy", "the words are choose small copy; they should be a scale"),
        ("small copy machine", "seeds should be given for a test, as in: small copy machine 1 2 3"),
        ("choose small copy lstm 1", "seeds should be given for a test"),
        (
            "small copy lstm 1",
            "no learning rate was chosen; python -m runs.memory choose small copy lstm comes",
        ),
    ],
)
def test_wrong_words_get_one_sentence(monkeypatch, kept, words, sentence):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, words)
    assert sentence in str(caught.value)


def test_the_full_scale_is_that_of_the_paper():
    model = memory.build("full", "copy", "machine", np.random.default_rng(0))
    assert (model.body.rows, model.body.width, model.body.heads) == (128, 20, 1)
    sizes = {len(memory.drawing("full", "copy")(np.random.default_rng(i))[0][0]) for i in range(200)}
    assert sizes == {2 * length + 2 for length in range(1, 21)}
