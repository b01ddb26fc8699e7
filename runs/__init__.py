"""The long runs, and those that need files which cannot be shipped; ``data/results`` has what they measured.

Each is a program: ``python -m runs.language_models``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.training import Trainer


def leave_if_stopped(trainer: Trainer, epochs: int) -> None:
    """End the program if Ctrl-C has ended the training before ``epochs``: nothing is recorded of a part."""
    if trainer.epoch < epochs:
        sys.exit(1)
