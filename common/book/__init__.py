"""What the pages need and no network does: figures, also such that move, tables, diagrams, recorded numbers.

A chapter imports from here; ``common.book.drawings`` (ready-made diagrams), ``common.book.stepper``,
``common.book.growing_table``, ``common.book.digit`` and ``common.book.sentence`` are asked for by name.
Nothing here knows a layer or a model, but for the catalogue.
"""

from common.book.diagrams import Diagram
from common.book.exercises import check_answer, near
from common.book.figures import CLASSES, COLOURS, show
from common.book.measured import measured
from common.book.player import play
from common.book.results import recorded
from common.book.scale import scale
from common.book.tables import Measured, Plain, low_to_high, table, token_strip

__all__ = [
    "CLASSES",
    "COLOURS",
    "Diagram",
    "Measured",
    "Plain",
    "check_answer",
    "low_to_high",
    "measured",
    "near",
    "play",
    "recorded",
    "scale",
    "show",
    "table",
    "token_strip",
]
