"""Which of a processor's instructions both sides compute with, and how both are held to AVX2.

A product or an ``exp`` is written several times over in these libraries, for several generations of
processors, and each library chooses when it starts. With ``BENCH_ISA=avx2`` all are told to do without
AVX-512, so that a machine that has it can measure what one without it would: OpenBLAS's kernels, NumPy's own
loops, those of PyTorch and of the two libraries that multiply for it, and the C library, which copies memory.

None of that is taken for granted. The libraries are asked what they have chosen; and where Linux notes when a
process last had AVX-512 registers in use, each side looks after each of its turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

VARIABLES = {
    "OPENBLAS_CORETYPE": "Haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD",
}
"""By which each library is told. NumPy's, NPY_DISABLE_CPU_FEATURES, depends on what the processor has."""

ASK = """
import json, os, sys
import numpy
import scipy.linalg
import threadpoolctl
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

kernels = {library.get("architecture") for library in threadpoolctl.threadpool_info()} - {None}
found = {
    "OpenBLAS": " ".join(sorted(kernels)) or "none",
    "NumPy": " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name)) or "its baseline",
}
if "torch" in sys.argv:
    import torch

    torch.ones(64, 64) @ torch.ones(64, 64)  # MKL says what it is at its first product,
    torch.nn.functional.conv2d(torch.ones(32, 64, 32, 32), torch.ones(64, 64, 3, 3))  # and oneDNN here
    found["ATen"] = torch.backends.cpu.get_cpu_capability()
print("FOUND", json.dumps(found))
"""


def require_isa(isa: str) -> str:
    """What ``BENCH_ISA`` says, if it is "avx2" or nothing; else the program ends with one sentence."""
    if isa.strip() not in ("", "avx2"):
        sys.exit(f"BENCH_ISA is {isa!r}; it should be 'avx2', or not be set.")
    return isa.strip()


def hold(isa: str) -> None:
    """Tell the libraries, in all processes started from here, to keep to AVX2 or to take all there is.

    What else was told to some of them is forgotten: one side alone would obey it.
    """
    for name in (*VARIABLES, "NPY_DISABLE_CPU_FEATURES"):
        os.environ.pop(name, None)
    os.environ["BENCH_ISA"] = isa
    if isa:
        beyond = [name for name in chosen()["NumPy"].split() if too_new(name)]
        os.environ.update(VARIABLES)
        if beyond:
            os.environ["NPY_DISABLE_CPU_FEATURES"] = " ".join(beyond)


def chosen(*others: str) -> dict[str, str]:
    """What the libraries say that they compute with, by library; of others, "torch" can be asked."""
    environment = {**os.environ, "MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"}
    command = [sys.executable, "-c", ASK, *others]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return (
        read(done.stdout)
        if done.returncode == 0
        else sys.exit(f"{done.stderr}the libraries could not be asked.")
    )


def read(said: str) -> dict[str, str]:
    """The answers, from all that the libraries have printed."""
    found: dict[str, str] = {}
    more: dict[str, str] = {}
    for line in said.splitlines():
        if line.startswith("FOUND "):
            found = json.loads(line.removeprefix("FOUND "))
        elif line.startswith("MKL_VERBOSE") and "architecture" in line:
            more["MKL"] = (
                line.partition("architecture ")[2].partition(" processors")[0].removesuffix(" enabled")
            )
        elif ",cpu,isa:" in line:
            more["oneDNN"] = line.partition(",cpu,isa:")[2]
    return found | dict(sorted(more.items()))


def too_new(name: str) -> bool:
    """Whether what a library says names more than AVX2."""
    kernels = ("SkylakeX", "Cooperlake", "Sapphirerapids")  # OpenBLAS's; its Zen and Haswell need AVX2
    return name in kernels or any(word in name for word in ("AVX512", "AVX-512", "AVX10", "AMX", "X86_V4"))


def require_held(isa: str, found: dict[str, str]) -> None:
    """End with one sentence if the processor lacks AVX2, or a library that was to keep to it does not."""
    if not isa:
        return
    if "X86_V3" not in found["NumPy"].split():
        sys.exit(f"BENCH_ISA is {isa!r}, but this processor lacks AVX2.")
    for library, said in found.items():
        if too_new(said) or any(map(too_new, said.split())):
            sys.exit(f"BENCH_ISA is {isa!r}, but {library} still computes with {said}.")


def in_words(found: dict[str, str]) -> str:
    """``OpenBLAS Haswell, NumPy X86_V3``."""
    return ", ".join(f"{library} {said}" for library, said in found.items())


STATUS = Path("/proc/self/arch_status")


def milliseconds_since_avx512(status: Path = STATUS) -> float | None:
    """How long ago this thread was last seen with AVX-512 registers in use; None if never, or not known."""
    try:
        words = status.read_text().split()
        past = float(words[words.index("AVX512_elapsed_ms:") + 1])
    except (OSError, ValueError, IndexError):
        return None
    return None if past < 0 else past


def require_no_avx512(what: str, seconds: float, status: Path = STATUS) -> None:
    """End with one sentence if AVX-512 was used in the last ``seconds`` although it should not have been."""
    if os.environ.get("BENCH_ISA") != "avx2":
        return
    time.sleep(0.001)  # Linux notes it when it lets another process have the core
    past = milliseconds_since_avx512(status)
    if past is not None and past < 1000 * seconds:
        sys.exit(f"{what} used AVX-512 {past:.0f} ms ago, although BENCH_ISA is 'avx2'.")
