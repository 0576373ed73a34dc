"""Omniglot's characters as non-digits."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support import encode
from tensors import as_digits
from training import omniglot
from training.non_digits import non_digits


@pytest.fixture
def archive(tmp_path) -> Path:
    """A zip file like Omniglot's, with two characters to train on, one like a digit,
    and one to measure with.
    """
    file = tmp_path / "images_background.zip"
    with zipfile.ZipFile(file, "w") as made:
        for alphabet, number in (
            ("Latin", 1),
            ("Greek", 24),
            ("Latin", 7),
            ("Korean", 1),
        ):
            sheet = Image.new("1", (105, 105), 1)
            sheet.paste(0, (20, 20 + number, 80, 22 + number))
            made.writestr(
                f"images_background/{alphabet}/character{number:02}/0001_01.png",
                encode(sheet),
            )
    return file


def test_characters_that_look_like_digits_and_those_to_measure_with_are_left_out(
    archive,
):
    characters = omniglot.load(archive)
    assert [character.shape for character in characters] == [(105, 105)] * 2
    # Ink is 255.
    assert {int(character.max(axis=1).argmax()) for character in characters} == {21, 44}
    rng = np.random.default_rng(0)
    areas = {
        int((omniglot.character(characters[:1], rng) > 0.5).sum()) for _ in range(60)
    }
    assert len(areas) == 6  # the pen varies


def test_without_the_file_training_goes_on(tmp_path, capsys):
    assert omniglot.load(tmp_path / "none.zip") == []
    assert re.search(
        r"without Omniglot's characters: .*none\.zip does not exist",
        capsys.readouterr().out,
    )


def test_a_share_of_the_non_digits_are_characters(archive, digits, labels):
    characters, real = omniglot.load(archive), as_digits(digits, labels)
    with_them, without = (non_digits(real, 200, 0, given) for given in (characters, []))
    bars = [frame for frame in with_them if (frame > 128).any(axis=1).sum() <= 5]
    assert 10 <= len(bars) <= 60
    assert not (with_them == without).all()
