"""The long runs: stopped, they record nothing; given again, they go on."""

import os
import signal
import sys

import numpy as np
import pytest

from common.text import Vocabulary
from runs import gated_models, language_models


def test_a_long_run_stopped_by_ctrl_c_records_nothing_and_goes_on(monkeypatch, tmp_path):
    text = np.random.default_rng(0).integers(5, size=1000)
    vocabulary = Vocabulary.from_tokens(list("abcde"))
    settings = {"layer": "LSTM", "H": 4, "N": 2, "epochs": 2, "lr": 1.0, "constant": 0.5}
    recorded = {}
    monkeypatch.setattr(language_models, "penn_treebank", lambda: (vocabulary, [text, text[:50], text[:50]]))
    monkeypatch.setattr(language_models, "RUNS", {"short": settings})
    monkeypatch.setattr(language_models, "KEPT", tmp_path)
    monkeypatch.setattr(language_models, "record_run", lambda *names, **what: recorded.update(what["result"]))
    monkeypatch.setattr(sys, "argv", ["language_models", "short"])
    build = language_models.build

    def build_one_that_stops(*arguments):
        """A model that somebody stops while it learns the second half of the text for the second time."""
        model = build(*arguments)
        forward, steps = model.forward, 0

        def interrupted(*batch):
            nonlocal steps
            steps += model.training
            if steps == 25:  # of 2 times 15
                os.kill(os.getpid(), signal.SIGINT)
            return forward(*batch)

        model.forward = interrupted
        return model

    with monkeypatch.context() as once, pytest.raises(SystemExit):
        once.setattr(language_models, "build", build_one_that_stops)
        language_models.main()
    assert not recorded
    language_models.main()
    assert len(recorded["train_perplexity"]) == 2


def test_each_model_of_the_small_comparisons_can_be_built_and_trained():
    text = np.random.default_rng(0).integers(5, size=300)
    for models in gated_models.COMPARISONS.values():
        for settings in models.values():
            small = settings | {"H": 4, "epochs": 1}
            values = gated_models.train(small, 5, [text, text[:50], text[50:100]], seed=1)
            assert all(np.isfinite(value) for value in values.values())
