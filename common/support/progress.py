"""The bar that grows while something is trained."""

from __future__ import annotations

import os
from typing import Any

from tqdm.auto import tqdm


def progress_bar(total: int, **options: Any) -> tqdm:
    """A bar of tqdm that shows nothing where the environment variable ``BOOK_PROGRESS`` is 0."""
    return tqdm(total=total, disable=os.environ.get("BOOK_PROGRESS", "").strip() == "0", **options)
