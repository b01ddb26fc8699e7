"""A folder of the reader's, with pictures and captions: what is read, and what each bad case says."""

import numpy as np
import pytest
from PIL import Image

from common.datasets import load_captioned_folder

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (40, 20), RED).save(tmp_path / "dog.png")
    Image.new("RGBA", (16, 64), (*BLUE, 255)).save(tmp_path / "cat.png")
    (tmp_path / "more").mkdir()
    halves = Image.new("RGB", (60, 20), RED)  # the middle square is blue
    halves.paste(BLUE, (20, 0, 40, 20))
    halves.save(tmp_path / "more" / "halves.png")
    return tmp_path


def write(folder, text, name="captions.txt"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def test_names_captions_and_pixels(folder):
    lines = "dog.png#0\tA dog, running.", "", "dog.png#1\tA red dog.", "cat.png, A cat, asleep."
    write(folder, "\ufeff" + "\n".join([*lines, "more/halves.png,Blue"]))
    found = load_captioned_folder(folder, side=8)
    assert found.names == ("dog.png", "dog.png", "cat.png", "more/halves.png")
    assert found.captions == ("A dog, running.", "A red dog.", "A cat, asleep.", "Blue")
    assert found.pixels.shape == (4, 3, 8, 8) and found.pixels.dtype == np.uint8
    for picture, color in zip(found.pixels, (RED, RED, BLUE)):
        assert np.array_equal(np.unique(picture.reshape(3, -1), axis=1).ravel(), color)
    assert found.pixels[3, 2].min() > 200 and found.pixels[3, 0].max() < 50
    planes = found.planes()
    assert planes.dtype == np.float32 and planes.min() == 0 and planes.max() == 1
    assert len(found) == 4 and repr(found) == "Captioned(4 captions of 3 pictures, 8 x 8)"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.csv", 'image,caption\r\ndog.png,"A dog, ""Rex""."\r\n'),
        ("captions.tsv", 'image\tcaption\ndog.png\tA dog, "Rex".\n'),
        ("mine.txt", 'dog.png\tA dog, "Rex".'),
    ],
)
def test_other_files_of_captions(folder, name, text):
    write(folder, text, name)
    found = load_captioned_folder(folder, captions=name)
    assert found.captions == ('A dog, "Rex".',) and found.pixels.shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("text", "error", "sentence"),
    [
        ("", ValueError, r"captions\.txt has no captions; it should have a line for each"),
        ("dog.png\tA dog\ncat.png", ValueError, r"line 2 of captions\.txt should be a picture's name"),
        ("dog.png,  ", ValueError, r"line 1 of captions\.txt should be a picture's name"),
        (",a dog", ValueError, r"line 1 of captions\.txt should be a picture's name"),
        ("bird.png\tA bird", FileNotFoundError, r"bird\.png has a caption, but .* has no such picture"),
        ("captions.txt\tA text", ValueError, r"captions\.txt can't be read as a picture"),
        ("more\tA folder", ValueError, r"more can't be read as a picture"),
        ("../dog.png\tA dog", ValueError, r"\.\./dog\.png does not lie in .*; a picture should lie in"),
        ("/dog.png\tA dog", ValueError, r"/dog\.png does not lie in"),
        ("..\\dog.png\tA dog", ValueError, "does not lie in"),
        ("c:dog.png\tA dog", ValueError, "does not lie in"),
        (b"dog.png\t\xff", ValueError, r"captions\.txt is not text in UTF-8"),
    ],
)
def test_each_bad_text_gets_one_clear_sentence(folder, text, error, sentence):
    write(folder, text)
    with pytest.raises(error, match=sentence):
        load_captioned_folder(folder)


def test_each_bad_folder_gets_one_clear_sentence(folder):
    with pytest.raises(FileNotFoundError, match=r"has no file of captions; it should have captions\.txt or"):
        load_captioned_folder(folder)
    write(folder, "image,caption\ndog.png,A dog", "captions.csv")
    write(folder, "dog.png\tA dog")
    with pytest.raises(ValueError, match=r"has captions\.txt and captions\.csv; captions should say which"):
        load_captioned_folder(folder)
    with pytest.raises(FileNotFoundError, match=r"it should have mine\.txt"):
        load_captioned_folder(folder, captions="mine.txt")
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        load_captioned_folder(folder / "none")
    with pytest.raises(ValueError, match="side is 0; it should be a whole number"):
        load_captioned_folder(folder, side=0)
    write(folder, 'image,caption\ndog.png,"A dog', "captions.csv")
    with pytest.raises(ValueError, match=r"line 2 of captions\.csv can't be read as CSV"):
        load_captioned_folder(folder, captions="captions.csv")


def test_a_picture_cut_off_in_the_middle_gets_one_clear_sentence(folder):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "cut.png")
    whole = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    write(folder, "cut.png\tA cut")
    with pytest.raises(ValueError, match=r"cut\.png can't be read as a picture"):
        load_captioned_folder(folder)


def test_a_photograph_lies_as_its_camera_says(folder):
    picture = Image.new("RGB", (20, 20), RED)
    picture.paste(BLUE, (0, 0, 20, 10))  # blue above
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by half a turn
    picture.save(folder / "photo.jpg", exif=exif)
    write(folder, "photo.jpg\tA photo")
    pixels = load_captioned_folder(folder, side=8).pixels[0]
    assert pixels[0, :3].min() > 200 and pixels[2, 5:].min() > 200
