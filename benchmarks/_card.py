"""What measures on a GPU needs, and says, whatever it measures."""

from __future__ import annotations

import importlib
import platform
import sys
import types
from pathlib import Path


def book_without_figures() -> None:
    """Enter ``common.book`` by way of an empty package: itself, it imports all that figures are drawn with,
    and a machine with a GPU may have Python, NumPy and CuPy and nothing else."""
    package = types.ModuleType("common.book")
    package.__path__ = [str(Path(__file__).resolve().parents[1] / "common" / "book")]
    sys.modules.setdefault("common.book", package)


def no_gpu(*others: str) -> str:
    """Why CuPy, or another that is asked for, cannot compute on a GPU: one sentence, empty if all can."""
    for name in ("cupy", *others):
        try:
            module = importlib.import_module(name)
            if name == "cupy" and module.cuda.runtime.getDeviceCount() == 0:
                return "CuPy sees no GPU."
            if name == "torch" and not module.cuda.is_available():
                return "PyTorch sees no GPU."
        except Exception as error:  # CuPy reports a missing driver, library or device in many ways
            return f"no GPU can be used ({' '.join(str(error).split()).rstrip('.')})."
    return ""


def card() -> dict[str, str]:
    """The card's name; and which driver, CUDA, CuPy and the rest computed on it."""
    import cupy
    import numpy

    runtime = cupy.cuda.runtime
    name = runtime.getDeviceProperties(runtime.getDevice())["name"]
    name = name.decode() if isinstance(name, bytes) else str(name)
    parts = {
        "driver for CUDA": version(runtime.driverGetVersion()),
        "CUDA": version(runtime.runtimeGetVersion()),
        "CuPy": cupy.__version__,
        "NumPy": numpy.__version__,
        "Python": platform.python_version(),
    }
    if torch := sys.modules.get("torch"):  # where it is measured, too
        parts["PyTorch"] = torch.__version__
        if torch.backends.cudnn.is_available():
            parts["cuDNN"] = str(torch.backends.cudnn.version())
    return {"card": name, "software": ", ".join(f"{name} {number}" for name, number in parts.items())}


def version(number: int) -> str:
    """CUDA's way to write a version: 12040 is 12.4."""
    return f"{number // 1000}.{number % 1000 // 10}"
