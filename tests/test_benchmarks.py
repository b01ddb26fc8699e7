"""How benchmarks are found, run in two processes, compared and printed; not what they measure."""

import json
import os

import pytest

from benchmarks import Benchmark
from benchmarks.__main__ import find, installed, middle, table_line
from benchmarks._naive_recurrent import naive_step
from benchmarks.recurrent import LR, MAX_NORM, data, ours_step
from tests.helpers import ROOT, python

FAKE = """
import os, time
from benchmarks import Benchmark

def ours():
    assert os.environ["OPENBLAS_NUM_THREADS"] == os.environ["BENCH_THREADS"] == "1"
    return lambda: time.sleep(0.01) or 30

def peer():
    return lambda: time.sleep(0.01) or 10

def broken():
    raise OSError("nothing works")

def report():
    return {"pid": os.getpid()}

short = {"unit": "naps", "against": "a sleeper", "turns": 3, "seconds": 0.02}
BENCHMARKS = [
    Benchmark("sleep", ours=ours, peer=peer, report=report, **short),
    Benchmark("sleep-broken", ours=ours, peer=broken, **short),
    Benchmark("sleep-lacking", ours=ours, peer=peer, needs=("no_such_package==1.0",), **short),
]
"""

PRETEND = """
import sys
import benchmarks.__main__ as program
import fake_benchmarks

def find(names):
    return [("fake_benchmarks", b) for name in names for b in fake_benchmarks.BENCHMARKS if b.name == name]

program.find = find
if "--record" in sys.argv:
    from pathlib import Path
    import common.book.results as results

    results.RESULTS = Path(__file__).parent
"""


def run(*arguments, fake=None, **environment):
    """The command line; with ``fake``, a folder, the benchmarks above take the place of the real ones."""
    code = "import sys; from benchmarks.__main__ import main; sys.exit(main())"
    if fake is not None:
        (fake / "fake_benchmarks.py").write_text(FAKE)
        (fake / "pretend.py").write_text(PRETEND)
        code = f"import pretend; {code}"
    path = os.pathsep.join([str(ROOT), *([str(fake)] if fake else [])])
    return python("-c", code, *arguments, path=path, **{"BENCH_THREADS": "1", **environment})


def test_every_benchmark_is_found_once_and_by_the_beginning_of_its_name():
    names = [benchmark.name for _, benchmark in find([])]
    assert "two-layer" in names and len(set(names)) == len(names)
    assert [b.name for _, b in find(["two"])] == [name for name in names if name.startswith("two")]


def test_benchmarks_are_listed_without_the_packages_they_need():
    code = "import sys; sys.modules.update(torch=None, gensim=None); import benchmarks.__main__ as program"
    done = python("-c", f"{code}; print([b.name for _, b in program.find([])])")
    assert "'two-layer'" in done.stdout, done.stderr


def test_an_unknown_name_gets_one_sentence():
    done = run("nonsense")
    assert done.returncode != 0 and len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("no benchmark's name begins with 'nonsense'; there are ")


@pytest.mark.parametrize("threads", ["0", "many", "-1"])
def test_a_nonsense_number_of_threads_gets_one_sentence(threads):
    done = run("--list", BENCH_THREADS=threads)
    assert done.returncode != 0
    assert done.stderr.strip() == f"BENCH_THREADS is {threads!r}; it should be a whole number, at least 1."


def test_a_nonsense_number_of_runs_gets_one_sentence():
    done = run("--runs", "0", "two")
    assert done.returncode == 1 and done.stderr.strip() == "--runs is 0; it should be at least 1."


@pytest.mark.parametrize("ratios, wanted", [([3.0], 3.0), ([2.0, 1.0], 1.0), ([0.5, 9.0, 1.0], 1.0)])
def test_of_several_runs_the_median_counts(ratios, wanted):
    assert middle([{"ratio": ratio} for ratio in ratios]) == {"ratio": wanted, "ratios": sorted(ratios)}


def test_both_sides_run_and_the_ratio_is_that_of_their_rates(tmp_path):
    done = run("--json", "sleep", fake=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    usual = {"name", "ours", "peer", "unit", "ratio", "ratios", "against", "threads", "instructions"}
    assert usual | {"pid"} == result.keys()
    assert result["name"] == "sleep" and result["unit"] == "naps/s" and result["threads"] == 1
    assert result["ours"] > 0 and result["peer"] > 0
    assert result["ratio"] == pytest.approx(result["ours"] / result["peer"], rel=0.01)


def test_a_missing_package_gets_one_sentence_and_the_rest_still_runs(tmp_path):
    done = run("sleep-lacking", "sleep", fake=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "sleep-lacking needs no_such_package==1.0: python -m pip install no_such_package==1.0"
    )
    assert "sleep  " in done.stdout and "ratio" in done.stdout


def test_a_side_that_fails_shows_its_error_and_ends_the_run(tmp_path):
    done = run("sleep-broken", fake=tmp_path)
    assert done.returncode != 0
    assert "nothing works" in done.stderr
    assert done.stderr.strip().splitlines()[-1] == "a benchmark failed; its error is above."


def test_installed_looks_at_the_name_before_the_version():
    assert installed("numpy==1.0") and installed("numpy>=2,<3") and not installed("no-such-package==1.0")


def test_a_line_of_the_table_names_both_sides():
    benchmark = Benchmark("name", "words", ours=dict, peer=dict, against="gensim")
    result = {"name": "name", "ours": 2000.0, "peer": 1000.0, "unit": "words/s", "ratio": 2.0, "quality": 0.5}
    line = table_line(benchmark, result)
    assert all(
        part in line for part in ("name", "2,000", "gensim", "1,000", "words/s", "ratio 2.00", "quality: 0.5")
    )


def test_the_naive_model_of_the_benchmarks_computes_the_same():
    ours, naive = ours_step("lstm", 4), naive_step(data("lstm", 4), LR, MAX_NORM)
    for _ in range(3):
        assert ours() == pytest.approx(naive(), rel=1e-5)


def test_results_of_one_row_are_kept_beside_those_of_others(tmp_path):
    other = {"ratio": 3.0}
    before = {"seed": 1, "machine": "", "date": "", "command": "", "runs": {"avx2": {"1": {"nap": other}}}}
    (tmp_path / "benchmarks.json").write_text(json.dumps(before))
    done = run("--record", "--runs", "3", "sleep", fake=tmp_path)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "benchmarks.json").read_text())["runs"]
    assert kept["avx2"] == {"1": {"nap": other}}
    row = kept["native"]["1"]["sleep"]
    assert len(row["ratios"]) == 3 and row["ratio"] == sorted(row["ratios"])[1]
    assert 2 < row["ratio"] < 4 and row["against"] == "a sleeper" and "OpenBLAS" in row["instructions"]
    assert row["date"] and row["machine"] and row["command"] == 'make bench ARGS="--record --runs 3"'
