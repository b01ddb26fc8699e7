"""What is said of a GPU wherever something was measured on it."""

from __future__ import annotations

import platform
import sys


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
