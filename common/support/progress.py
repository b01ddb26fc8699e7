"""The bar that grows while something is trained."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm.auto import tqdm


def progress_bar(total: int, **options: Any) -> tqdm:
    """A bar of tqdm that shows nothing where the environment variable ``BOOK_PROGRESS`` is 0."""
    from tqdm.auto import tqdm  # here, so that steps of one's own need no bar

    return tqdm(total=total, disable=os.environ.get("BOOK_PROGRESS", "").strip() == "0", **options)
