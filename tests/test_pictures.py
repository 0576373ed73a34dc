import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.many.errors import Unanswered
from app.many.pictures import Picture, all_pages, expand, read, whole_files
from app.printable import printable
from pdfs import A4, ENCRYPTED, ONE, pdf_of


@pytest.fixture
def folder(tmp_path):
    names = "b.png a.JPG labels.csv .hidden.png 7/c.heic 3/d.tif .thumbnails/e.png"
    for name in names.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"bytes")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
    return tmp_path


def paths_of(names: list[str]) -> list[str]:
    return [picture.path for picture in expand(names)]


def test_a_folder_means_the_pictures_below_it_and_files_keep_their_names(folder):
    named = [str(folder / "labels.csv"), "none.png", "-", str(folder / ".hidden.png")]
    found = [str(folder / name) for name in ("a.JPG", "b.png", "3/d.tif", "7/c.heic")]
    assert paths_of([*named, str(folder)]) == [*named, *found]


def test_a_folder_without_pictures_has_its_own_error(tmp_path):
    assert paths_of([str(tmp_path)]) == [str(tmp_path)]
    with pytest.raises(
        Unanswered, match=r"The folder has no pictures: no file name ends in \.png, "
    ):
        read(str(tmp_path))


def test_pages_are_pictures_and_pdfs_in_folders_count_only_where_all_pages_are_read(
    tmp_path,
):
    files = {
        "a.pdf": pdf_of((A4, ONE), (A4, ONE)),
        "b.pdf": pdf_of((A4, ONE)),
        "c.pdf": ENCRYPTED,
        "d.png": pdf_of((A4, ONE), (A4, ONE)),
        "e.tif": b"II, which is no TIFF",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "f.png").touch()
    given = [str(tmp_path), str(tmp_path / "a.pdf"), "none.pdf"]
    whole = "a.pdf:1 a.pdf:2 b.pdf c.pdf d.png:1 d.png:2 e.tif f.png"
    named = "a.pdf:1 a.pdf:2 none.pdf"
    assert places(all_pages(given, None)) == [*whole.split(), *named.split()]
    chosen = [f"{name}:3" for name in (*files, "f.png", "a.pdf", "none.pdf")]
    assert places(all_pages(given, 3)) == chosen
    assert places(whole_files(given, 3)) == chosen[3:]


def places(found: list[Picture]) -> list[str]:
    """Return the names of pictures, and their pages after a colon."""
    names = []
    for picture in found:
        page = f":{picture.page}" if picture.page else ""
        names.append(Path(picture.path).name + page)
    return names


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    data = pdf_of((A4, ONE), (A4, ONE))
    with ThreadPoolExecutor(1) as pool:
        pool.submit((tmp_path / "pipe").write_bytes, data)
        found = all_pages([str(tmp_path / "pipe")], None)
    pages = [(picture.page, picture.read()) for picture in found]
    assert pages == [(1, data), (2, data)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^No such file or directory\.$"),
        (b"", "The file is empty"),
        (b"123456", "larger than 5 bytes"),
    ],
)
def test_a_missing_empty_or_oversized_file_is_an_error(tmp_path, content, message):
    path = tmp_path / "7.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unanswered, match=message):
        read(str(path), max_bytes=5)


def test_a_file_name_cannot_control_the_terminal():
    assert printable("sieben ü\x1b[2J\n\udcff.png") == "sieben ü�[2J��.png"
