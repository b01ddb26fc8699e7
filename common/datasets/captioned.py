"""Pictures and captions from a folder of the reader's."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from common.backend import FLOAT, DType
from common.support.require import require_count

NAMES = ("captions.txt", "captions.csv", "captions.tsv")
"""Where captions are looked for, unless a file is named."""


@dataclass(frozen=True, eq=False)
class Captioned:
    """N pictures with a caption each. A picture with several captions is there several times.

    Attributes
    ----------
    names : tuple of str
        Of the files.
    captions : tuple of str
    pixels : numpy.ndarray
        uint8, shape (N, 3, side, side): red, green and blue.
    """

    names: tuple[str, ...]
    captions: tuple[str, ...]
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        side = self.pixels.shape[-1]
        return f"Captioned({len(self):,} captions of {len(set(self.names)):,} pictures, {side} x {side})"

    def planes(self, *, dtype: DType = FLOAT) -> np.ndarray:
        """The pictures as numbers from 0 to 1, in the shape of ``pixels``."""
        return np.divide(self.pixels, 255, dtype=dtype)


def load_captioned_folder(
    folder: str | os.PathLike, side: int = 32, captions: str | None = None
) -> Captioned:
    """Read photographs and their captions: ``load_captioned_folder("holiday")``.

    Beside the pictures lies a text file, ``captions.txt``, with a line for each caption: the picture's name,
    a tab or a comma, and the caption. (``dog.jpg#0``, as Flickr8k numbers several captions of one picture,
    counts as ``dog.jpg``.) Of ``captions.csv`` or ``captions.tsv`` the first line names the columns, and the
    first two columns are read. Of each picture the middle square is taken and made smaller, or larger.

    Parameters
    ----------
    folder : path
    side : int
        Height and width of the pictures, in pixels.
    captions : str, optional
        The name of the file with the captions, if it has another; it lies in the folder, too.

    Returns
    -------
    Captioned

    Raises
    ------
    FileNotFoundError
        There is no such folder, no file of captions, or not one of the pictures.
    ValueError
        A line is no caption, or a file is no picture. The sentence names it.
    """
    require_count("side", side)
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"folder is {str(folder)!r}; there is no such folder.")
    pairs = _pairs(_captions_file(folder, captions))
    pictures = {name: _picture(folder, name, side) for name in dict.fromkeys(name for name, _ in pairs)}
    names, texts = zip(*pairs)
    return Captioned(names, texts, np.stack([pictures[name] for name in names]))


def _captions_file(folder: Path, captions: str | None) -> Path:
    wanted = NAMES if captions is None else (captions,)
    found = [folder / name for name in wanted if (folder / name).is_file()]
    if not found:
        raise FileNotFoundError(f"{folder} has no file of captions; it should have {' or '.join(wanted)}.")
    if len(found) > 1:
        both = " and ".join(path.name for path in found)
        raise ValueError(
            f"{folder} has {both}; captions should say which of them, as captions={found[0].name!r}."
        )
    return found[0]


def _pairs(file: Path) -> list[tuple[str, str]]:
    """The name of a picture and its caption, for each line that is not empty."""
    try:
        lines = file.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file.name} is not text in UTF-8; it should be.") from None
    rows = [(number, _cells(file, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
    if file.suffix.lower() in (".csv", ".tsv"):
        rows = rows[1:]  # the first names the columns
    pairs = []
    for number, cells in rows:
        name, text = (cell.strip() for cell in (*cells, "", "")[:2])
        name = name.partition("#")[0]
        if not name or not text:
            raise ValueError(
                f"line {number} of {file.name} should be a picture's name, a tab or a comma, and a caption."
            )
        pairs.append((name, text))
    if not pairs:
        raise ValueError(f"{file.name} has no captions; it should have a line for each.")
    return pairs


def _cells(file: Path, number: int, line: str) -> list[str]:
    """A line cut at its tab, or else at its comma: of a CSV file at all, of a text at the first."""
    if "\t" in line or file.suffix.lower() == ".tsv":
        return line.split("\t")
    if file.suffix.lower() != ".csv":
        return line.split(",", 1)
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ValueError(f"line {number} of {file.name} can't be read as CSV: {error}.") from None


def _picture(folder: Path, name: str, side: int) -> np.ndarray:
    """The middle square of a picture as pixels, uint8 (3, side, side)."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise ValueError(f"{name} does not lie in {folder}; a picture should lie in the folder.")
    try:
        with Image.open(folder / path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
            small = ImageOps.fit(upright, (side, side), Image.Resampling.LANCZOS)
    except FileNotFoundError:
        raise FileNotFoundError(f"{name} has a caption, but {folder} has no such picture.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} can't be read as a picture: {error}.") from None
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1).copy()
