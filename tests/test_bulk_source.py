"""Sources of `digits bulk`: files, globs, columns of Parquet files."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSystem

from app.many.errors import CannotGoOn
from app.many.pictures import UNKNOWN, Picture, State
from app.many.sources import DOWNLOADS, Files, Table
from app.many.storage import Place, place_of

MAX_BYTES = 200_000
PICTURES = "3/d.tif 7/c.heic [1]/e.png a.JPG b.png broken.png link.png".split()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with pictures, and with others that are none, hidden, or
    would be read without end.
    """
    for name in (*PICTURES[:-2], "labels.csv", ".hidden.png", ".thumbnails/f.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link.png").symlink_to("b.png")
    (tmp_path / "broken.png").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parts_of(name: str, size: int = 100) -> list[list[str]]:
    """Return the paths of the pictures in each part."""
    return [[*part] for part in Files(place_of(name), MAX_BYTES).parts(size)]


@pytest.mark.parametrize(
    ("name", "size", "found"),
    [
        (".", 100, [PICTURES]),
        (".", 4, [PICTURES[:4], PICTURES[4:]]),
        ("7", 100, [["7/c.heic"]]),
        ("[1]", 100, [["[1]/e.png"]]),  # exists, and is not taken for a glob
        ("[37]/*", 100, [["3/d.tif", "7/c.heic"]]),
        ("*.png", 100, [["b.png", "broken.png", "link.png"]]),
        ("**/*.heic", 100, [["7/c.heic"]]),
        ("labels.???", 100, [["labels.csv"]]),
    ],
)
def test_a_source_means_its_pictures_in_parts(folder, name, size, found):
    paths = [[f"{folder}/{file}" for file in part] for part in found]
    assert parts_of(name, size) == paths


def test_a_file_is_read_as_it_is_unless_it_is_too_large(tmp_path):
    read = {
        "empty": b"",
        "small": b"7",
        "large": os.urandom(MAX_BYTES),
        "a.png.gz": b"\x1f\x8b no gzip",
    }
    for name, data in {**read, "too large": bytes(MAX_BYTES + 1)}.items():
        (tmp_path / name).write_bytes(data)
    paths = [f"{tmp_path}/{name}" for name in (*read, "too large", "missing")]
    source = Files(place_of(str(tmp_path)), MAX_BYTES)
    *found, large, missing = source.pictures(dict.fromkeys(paths, UNKNOWN))
    assert [entry.path for entry in found] == paths[:-2]
    assert [entry.data for entry in found] == [*read.values()]
    assert large.data.problem == "upload-too-large"
    assert (
        str(large.data)
        == "The file is larger than 200,000 bytes: send a smaller picture."
    )
    assert missing.data.problem == "unreadable-file"


def test_files_from_object_storage_come_in_order(folder):
    """The local file system stands in for it. Unlike local files, several are read at
    once.
    """
    assert parts_of(folder.as_uri()) == parts_of(".")
    filesystem, _ = FileSystem.from_uri(folder.as_uri())
    (folder / "7" / "d").mkdir()
    for number in range(2 * DOWNLOADS):
        name = f"7/d/{number:02}.png"
        (folder / name).write_bytes(name.encode())
    files = Files(Place(filesystem, f"{folder}/7", "s3://", ""), MAX_BYTES)
    (part,) = files.parts(100)
    names = [path.removeprefix(f"s3://{folder}/") for path in part]
    assert names[:2] == ["7/c.heic", "7/d/00.png"]
    pictures = list(files.pictures(part))
    assert {picture.path: picture.state for picture in pictures} == part
    assert [picture.path for picture in pictures] == [*part]
    assert [picture.data.decode() for picture in pictures] == names


@pytest.mark.parametrize("scheme", ["", "s3://"])
def test_the_state_of_a_file_is_that_before_it_was_read(folder, scheme):
    filesystem, _ = FileSystem.from_uri(folder.as_uri())
    files = Files(Place(filesystem, str(folder), scheme, "*.png"), MAX_BYTES)
    os.utime("b.png", ns=(0, 1_700_000_000_123_456_789))
    state = State(len("b.png"), 1_700_000_000_123_456)
    expected = {"b.png": state, "broken.png": UNKNOWN, "link.png": state}
    if scheme:  # object storage has no links to nothing
        del expected["broken.png"]
    (part,) = files.parts(100)
    assert part == {f"{scheme}{folder}/{name}": expected[name] for name in expected}
    (folder / "b.png").write_bytes(b"another")
    found = [(picture.path, picture.state) for picture in files.pictures(part)]
    assert found == [*part.items()]


def test_a_file_named_alone_has_the_same_state_as_in_its_folder(folder):
    (of_folder,) = Files(place_of(str(folder)), MAX_BYTES).parts(100)
    (alone,) = Files(place_of(f"{folder}/b.png"), MAX_BYTES).parts(100)
    assert alone == {f"{folder}/b.png": of_folder[f"{folder}/b.png"]}


@pytest.fixture
def table(tmp_path) -> Path:
    """A table of ten pictures in row groups of four, with keys, some of which cannot be
    texts.
    """
    pictures = [{"bytes": str(row).encode(), "path": None} for row in range(9)] + [None]
    columns = {
        "image": pictures,
        "plain": [each and each["bytes"] for each in pictures],
        "id": range(100, 110),
        "list": [[1]] * 10,
        "binary": [b"\xff"] * 10,
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=4)
    return tmp_path / "a.parquet"


def table_of(path: Path, column: str = "plain", key: str | None = None) -> Table:
    return Table(place_of(str(path)), MAX_BYTES, column, key)


@pytest.mark.parametrize(
    ("column", "size", "rows"), [("plain", 1, [4, 4, 2]), ("image.bytes", 5, [8, 2])]
)
def test_a_table_is_split_by_its_row_groups(table, column, size, rows):
    pictures = table_of(table.parent, column, "id")
    parts = list(pictures.parts(size))
    assert [len(part) for part in parts] == rows
    read = [picture for part in parts for picture in pictures.pictures(part)]
    status = table.stat()
    state = State(status.st_size, status.st_mtime_ns // 1000)
    for row, picture in enumerate(read):
        data = str(row).encode() if row < 9 else b""
        key = str(100 + row)
        expected = Picture(f"{table}#{row}", key=key, state=state, data=data)
        assert picture == expected
    some = {f"{table}#{row}": state for row in (5, 8)}
    assert list(pictures.pictures(some)) == [read[5], read[8]]


@pytest.mark.parametrize(
    ("column", "key", "message"),
    [
        ("image.picture", None, "has no column image.picture"),
        ("plain.bytes", None, "has no column plain.bytes"),
        ("picture", "name", "has no column picture or name, only image, plain, id"),
        ("id", None, "the column id contains int64, not encoded pictures"),
        ("plain", "image", "the key image contains .*, not texts or numbers"),
        ("plain", "list", "the key list contains .*, not texts or numbers"),
        ("plain", "binary", "the key binary contains .*, not texts or numbers"),
    ],
)
def test_a_wrong_column_is_an_error(table, column, key, message):
    with pytest.raises(CannotGoOn, match=message):
        list(table_of(table, column, key).parts(1))


def test_a_table_is_read_little_by_little(tmp_path):
    pictures = [os.urandom(MAX_BYTES) for _ in range(96)]
    pq.write_table(
        pa.table({"plain": pictures}), tmp_path / "a.parquet", row_group_size=8
    )
    table = table_of(tmp_path)
    (part,) = table.parts(96)
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() for _ in table.pictures(part))
    assert most - before < 96 * MAX_BYTES / 2


def test_a_damaged_table_loses_only_the_unreadable_rows(tmp_path):
    path = tmp_path / "a.parquet"
    pictures = [os.urandom(5000) for _ in range(1000)]
    pq.write_table(
        pa.table({"plain": pictures}), path, compression="none", use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100_000] = b"\xff" * 100_000
    path.write_bytes(data)
    table = table_of(path)
    (part,) = table.parts(1000)
    read = list(table.pictures(part))
    assert [picture.path for picture in read] == [*part]
    assert [picture.data for picture in read[:200]] == pictures[:200]
    assert read[-1].data.problem == "unreadable-file"
