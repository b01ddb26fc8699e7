"""What a chapter needs to show things costs no layer and no model."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = "import sys, common.book; print(*(name for name in sys.modules if name.startswith('common.')))"


def test_the_room_of_the_pages_loads_no_layer_and_no_model():
    done = subprocess.run([sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split(".")[1] for name in done.stdout.split()} <= {"backend", "book", "support"}
