"""The texts, pictures and series of the book, and how to load them. Nothing is loaded on import.

A loader touches no random number generator and keeps nothing between calls. ``files`` says where a file comes
from, and checks it.
"""

from common.datasets.augmentation import Distortion, shifted, warped
from common.datasets.bible import Sentences, Verse, load_bible_pairs
from common.datasets.captioned import Captioned, load_captioned_folder
from common.datasets.entities import Gazetteer, SilverSentences, load_marked, load_silver, load_wikigold
from common.datasets.files import DATA, DataError
from common.datasets.images import Images, Scenes, Split, draw_digit_scenes, draw_scenes, load_mnist
from common.datasets.questions import Task, additions, dates, leak, load_addition, load_dates
from common.datasets.reviews import Reviews, load_reviews, review_texts
from common.datasets.series import (
    Series,
    adding_problem,
    damped_pendulum,
    load_csv,
    load_weather,
    logistic_map,
    mackey_glass,
    mackey_glass_onwards,
    noisy_sine,
)
from common.datasets.tasks import copy_task, recall_task, repeat_copy_task
from common.datasets.tatoeba import load_tatoeba
from common.datasets.treebank import load_ptb

__all__ = [
    "DATA",
    "Captioned",
    "DataError",
    "Distortion",
    "Gazetteer",
    "Images",
    "Reviews",
    "Scenes",
    "Sentences",
    "Series",
    "SilverSentences",
    "Split",
    "Task",
    "Verse",
    "adding_problem",
    "additions",
    "copy_task",
    "damped_pendulum",
    "dates",
    "draw_digit_scenes",
    "draw_scenes",
    "leak",
    "load_addition",
    "load_bible_pairs",
    "load_captioned_folder",
    "load_csv",
    "load_dates",
    "load_marked",
    "load_mnist",
    "load_ptb",
    "load_reviews",
    "load_silver",
    "load_tatoeba",
    "load_weather",
    "load_wikigold",
    "logistic_map",
    "mackey_glass",
    "mackey_glass_onwards",
    "noisy_sine",
    "recall_task",
    "repeat_copy_task",
    "review_texts",
    "shifted",
    "warped",
]
