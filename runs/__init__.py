"""The long runs, and those that need files which cannot be shipped; ``data/results`` has what they measured.

Each is a program: ``python -m runs.language_models``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.training import Trainer


def leave_if_stopped(trainer: Trainer, epochs: int) -> None:
    """End the program if Ctrl-C has ended the training before ``epochs``: nothing is recorded of a part."""
    if trainer.epoch < epochs:
        sys.exit(1)


def after_each_pass(what: str) -> Callable[[Trainer], None]:
    """For ``on_epoch``: say the loss, and add the processor's seconds to the notes, which are resumed."""
    begin = time.process_time()

    def tell(trainer: Trainer) -> None:
        nonlocal begin
        now = time.process_time()
        trainer.notes["seconds"] = trainer.notes.get("seconds", 0) + now - begin
        begin = now
        told = f"{trainer.epoch_losses[-1]:.4f}, {trainer.notes['seconds']:.0f} s"
        print(f"{what}, pass {trainer.epoch}: {told}", flush=True)

    return tell
