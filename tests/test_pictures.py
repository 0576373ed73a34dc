import os
from pathlib import Path

import pytest

from app.cli import pictures
from app.cli.answers import Unanswered
from app.cli.messages import printable
from app.cli.pictures import expand, read


@pytest.fixture
def folder(tmp_path):
    for name in ("b.png", "a.JPG", "labels.csv", ".hidden.png", "7/c.heic", "3/d.tif", ".thumbnails/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"bytes")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
    return tmp_path


def test_a_folder_means_the_pictures_in_it_and_its_subfolders_and_files_keep_their_names(folder):
    named = [str(folder / "labels.csv"), "none.png", "-", str(folder / ".hidden.png")]
    found = [str(folder / name) for name in ("a.JPG", "b.png", "3/d.tif", "7/c.heic")]
    assert expand([*named, str(folder)]) == [*named, *found]


def test_a_file_that_may_not_be_examined_stays(folder, monkeypatch):
    """In a folder without search permission, files can be listed, but not opened."""
    (folder / "pipe.png").unlink(missing_ok=True)
    found = expand([str(folder)])

    def refuse(path: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(pictures.Path, "is_fifo", refuse)
    assert expand([str(folder)]) == found


def test_a_folder_without_pictures_has_its_own_error(tmp_path):
    assert expand([str(tmp_path)]) == [str(tmp_path)]
    with pytest.raises(Unanswered, match=r"The folder has no pictures: no file name ends in \.png, "):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"^No such file or directory\.$"), (b"", "The file is empty"), (b"123456", "larger than 5 bytes")],
)
def test_a_missing_empty_or_oversized_file_is_an_error(tmp_path, monkeypatch, content, message):
    monkeypatch.setattr(pictures, "MAX_BYTES", 5)
    path = tmp_path / "7.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unanswered, match=message):
        read(str(path))


def test_a_file_name_cannot_control_the_terminal():
    assert printable("sieben ü\x1b[2J\n\udcff.png") == "sieben ü�[2J��.png"
