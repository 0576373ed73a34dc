"""Omniglot's characters as non-digits."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import encode
from training import omniglot


@pytest.fixture
def archive(tmp_path) -> Path:
    """A zip file like Omniglot's, with two characters to train on, one like a digit,
    and one to measure with.
    """
    file = tmp_path / "images_background.zip"
    with zipfile.ZipFile(file, "w") as made:
        for name in ("Latin 01", "Greek 24", "Latin 07", "Korean 01"):
            alphabet, number = name.split()
            top = 20 + int(number)
            sheet = Image.new("1", (105, 105), 1)
            sheet.paste(0, (20, top, 80, top + 2))
            file_name = f"{alphabet}/character{number}/0001_01.png"
            made.writestr(f"images_background/{file_name}", encode(sheet))
    return file


def test_characters_that_look_like_digits_and_those_to_measure_with_are_left_out(
    archive,
):
    characters = omniglot.load(archive)
    assert [character.shape for character in characters] == [(105, 105)] * 2
    # Ink is 255.
    assert {int(character.max(axis=1).argmax()) for character in characters} == {21, 44}
    rng = np.random.default_rng(0)
    drawn = [omniglot.character(characters[:1], rng) for _ in range(60)]
    assert len({np.count_nonzero(ink > 0.5) for ink in drawn}) == 6  # the pen varies


def test_without_the_file_training_goes_on(tmp_path, capsys):
    assert omniglot.load(tmp_path / "none.zip") == []
    said = capsys.readouterr().out
    assert re.search(r"without Omniglot's characters: .*none\.zip does not exist", said)
