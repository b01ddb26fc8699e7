"""Which instructions ``make bench`` computes with: what is said, what is refused, what is looked at."""

import json

import pytest

from benchmarks import _instructions
from benchmarks._instructions import (
    STATUS,
    chosen,
    hold,
    in_words,
    milliseconds_since_avx512,
    read,
    require_held,
    require_isa,
    require_no_avx512,
    too_new,
)
from tests.helpers import python
from tests.test_benchmarks import run

# What PyTorch's libraries print, on two machines, between other lines.
NEW = """MKL_VERBOSE oneMKL 2024.0 Update 2 for Intel(R) 64 architecture Intel(R) Advanced Vector \
Extensions 512 (Intel(R) AVX-512) enabled processors, Lnx 2.60GHz lp64 gnu_thread
MKL_VERBOSE SGEMM(N,N,64,64,64,0x7ffc,0x55cb,64,0x55cb,64,0x7ffc,0x55cb,64) 76.08us CNR:OFF Dyn:1 FastMM:1
onednn_verbose,v1,info,cpu,runtime:OpenMP,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with Intel DL Boost
FOUND {"OpenBLAS": "SkylakeX", "NumPy": "X86_V3 X86_V4", "ATen": "AVX512"}
"""
OLD = """MKL_VERBOSE oneMKL 2024.0 for Intel(R) 64 architecture Intel(R) Architecture processors, Lnx 2.60GHz
onednn_verbose,v1,info,cpu,isa:Intel AVX2
FOUND {"OpenBLAS": "Haswell", "NumPy": "X86_V3", "ATen": "AVX2"}
"""


def test_what_the_libraries_print_is_read():
    assert read(NEW) == {
        "OpenBLAS": "SkylakeX",
        "NumPy": "X86_V3 X86_V4",
        "ATen": "AVX512",
        "MKL": "Intel(R) Advanced Vector Extensions 512 (Intel(R) AVX-512)",
        "oneDNN": "Intel AVX-512 with Intel DL Boost",
    }
    assert in_words(read(OLD)) == (
        "OpenBLAS Haswell, NumPy X86_V3, ATen AVX2, MKL Intel(R) Architecture, oneDNN Intel AVX2"
    )
    assert read("nothing of note") == {}


def test_whatever_is_held_to_avx2_has_no_more():
    require_held("avx2", read(OLD))
    require_held("", read(NEW))  # nobody was told anything
    for library in ("OpenBLAS", "NumPy", "ATen", "MKL", "oneDNN"):
        with pytest.raises(SystemExit) as caught:
            require_held("avx2", read(OLD) | {library: read(NEW)[library]})
        said = read(NEW)[library]
        assert str(caught.value) == f"BENCH_ISA is 'avx2', but {library} still computes with {said}."
    with pytest.raises(SystemExit, match="BENCH_ISA is 'avx2', but this processor lacks AVX2"):
        require_held("avx2", read(OLD) | {"NumPy": "its baseline"})
    assert too_new("AVX512_SPR") and not too_new("Zen") and not too_new("X86_V3")


@pytest.mark.parametrize("isa", ["avx512", "AVX2", "2"])
def test_a_nonsense_isa_gets_one_sentence(isa):
    done = run("--list", BENCH_ISA=isa)
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr.strip() == f"BENCH_ISA is {isa!r}; it should be 'avx2', or not be set."
    assert require_isa("avx2 ") == "avx2" and require_isa(" ") == ""


def has_avx2():
    return "X86_V3" in chosen()["NumPy"].split()


def test_both_sides_are_told_and_the_first_lines_say_so(tmp_path):
    # Settings of one side alone count for nothing.
    alone = {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "", "ATEN_CPU_CAPABILITY": "default"}
    done = run("sleep", fake=tmp_path, **alone)
    assert done.returncode == 0, done.stderr
    first, second, _ = done.stdout.splitlines()
    assert first.startswith("1 threads on each side")
    assert second.startswith("instructions: OpenBLAS ") and "Nehalem" not in second
    if not has_avx2():
        pytest.skip("this processor lacks AVX2")
    done = run("--json", "sleep", fake=tmp_path, BENCH_ISA="avx2", **alone)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["instructions"]
    assert found["NumPy"] == "X86_V3" and found["OpenBLAS"] in ("Haswell", "none")
    done = run("sleep", fake=tmp_path, BENCH_ISA="avx2")
    assert done.stdout.splitlines()[1].startswith("instructions, held to AVX2: OpenBLAS ")


def test_a_library_that_does_not_obey_ends_the_run(tmp_path, monkeypatch):
    for name in (*_instructions.VARIABLES, "NPY_DISABLE_CPU_FEATURES", "BENCH_ISA"):
        monkeypatch.setenv(name, "")  # put back afterwards
    monkeypatch.setattr(_instructions, "VARIABLES", {"ATEN_CPU_CAPABILITY": "avx2"})
    hold("avx2")
    found = chosen()
    if not too_new(found["OpenBLAS"]):
        pytest.skip("this processor has no more than AVX2")
    with pytest.raises(SystemExit, match=f"but OpenBLAS still computes with {found['OpenBLAS']}"):
        require_held("avx2", found)


# ---- what Linux notes


@pytest.mark.parametrize(
    "text, past",
    [
        ("AVX512_elapsed_ms:\t12\n", 12),
        ("AVX512_elapsed_ms:\t-1\n", None),
        ("", None),
        ("AVX512_elapsed_ms:", None),
    ],
)
def test_how_long_ago_avx512_was_used_is_read(tmp_path, text, past):
    (tmp_path / "arch_status").write_text(text)
    assert milliseconds_since_avx512(tmp_path / "arch_status") == past
    assert milliseconds_since_avx512(tmp_path / "missing") is None


def test_a_turn_with_avx512_ends_the_run_where_it_should_not_be(tmp_path, monkeypatch):
    status = tmp_path / "arch_status"
    status.write_text("AVX512_elapsed_ms:\t150\n")
    monkeypatch.setenv("BENCH_ISA", "avx2")
    require_no_avx512("lstm-100, ours,", 0.1, status)  # it was before the turn
    with pytest.raises(
        SystemExit, match="lstm-100, ours, used AVX-512 150 ms ago, although BENCH_ISA is 'avx2'"
    ):
        require_no_avx512("lstm-100, ours,", 0.2, status)
    monkeypatch.setenv("BENCH_ISA", "")
    require_no_avx512("lstm-100, ours,", 0.2, status)


MULTIPLY = """
import time
import numpy as np
from benchmarks._instructions import milliseconds_since_avx512

a, end = np.ones((300, 300), np.float32), time.perf_counter() + 0.5
while time.perf_counter() < end:
    a @ a
time.sleep(0.001)
print(milliseconds_since_avx512())
"""


def test_the_look_at_the_processor_tells_products_with_avx512_from_those_without():
    if milliseconds_since_avx512(STATUS) is None or not too_new(chosen()["OpenBLAS"]):
        pytest.skip("no AVX-512 here, or a system that does not note its use")
    quiet = {"GLIBC_TUNABLES": _instructions.VARIABLES["GLIBC_TUNABLES"]}
    with_it = float(python("-c", MULTIPLY, **quiet).stdout)
    without = python("-c", MULTIPLY, **quiet, OPENBLAS_CORETYPE="Haswell").stdout.strip()
    assert with_it < 400 and (without == "None" or float(without) > 450)
