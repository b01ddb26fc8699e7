"""Results that say how they came about."""

import json

import pytest

from common.book import recorded
from common.book import results as module
from common.book.results import record, record_run


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_what_is_recorded_is_read_again(results):
    path = record(
        "ptb_lstm", seed=1984, command="make full NB=x", machine="a big one", perplexity=[131.5, 120.0]
    )
    assert path == results / "ptb_lstm.json"
    found = recorded("ptb_lstm")
    assert found["perplexity"] == [131.5, 120.0] and found["seed"] == 1984 and found["machine"] == "a big one"
    assert len(found["date"]) == 10
    assert [file.name for file in results.iterdir()] == ["ptb_lstm.json"]


def test_a_missing_result_names_those_that_exist(results):
    with pytest.raises(FileNotFoundError, match="recorded results: none yet"):
        recorded("ptb_lstm")
    record("ptb_gru", seed=1, command="x")
    with pytest.raises(FileNotFoundError, match="ptb_gru"):
        recorded("ptb_lstm")


def test_a_result_without_its_origin_is_refused(results):
    results.mkdir()
    (results / "bare.json").write_text(json.dumps({"perplexity": 1.0, "seed": 3}))
    with pytest.raises(ValueError, match=r"bare\.json lacks machine, date, command"):
        recorded("bare")
    (results / "cut.json").write_text('{"seed": 1')
    with pytest.raises(ValueError, match=r"cut\.json is not valid JSON"):
        recorded("cut")


def test_a_value_that_json_cannot_hold_leaves_the_old_file(results):
    record("loss", seed=1, command="x", value=0.5)
    with pytest.raises(ValueError):
        record("loss", seed=1, command="x", value=float("nan"))
    assert recorded("loss")["value"] == 0.5


def test_runs_are_added_to_those_that_are_there_each_with_its_own_origin(results):
    record_run(
        "sums", "plain", "1", result={"accuracy": 0.1234567, "curve": [float("nan")]}, seed=1, command="a"
    )
    record_run("sums", "plain", "2", result={"accuracy": 1.0}, seed=2, command="b")
    record_run("sums", "peeky", "1", result={"accuracy": 0.5}, seed=1, command="c", passes=3)
    record_run("sums", "plain", "2", result={"accuracy": 0.25}, seed=2, command="d")
    found = recorded("sums")
    assert list(found["runs"]) == ["peeky", "plain"] and found["command"] == "d"
    first, second = found["runs"]["plain"]["1"], found["runs"]["plain"]["2"]
    assert first["accuracy"] == 0.12346 and first["curve"] == [None] and first["command"] == "a"
    assert second["accuracy"] == 0.25 and (second["seed"], second["command"]) == (2, "d")


@pytest.mark.parametrize("name", ["", "../x", "A B", None])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ValueError, match="name is"):
        recorded(name)
