"""Sources of `digits bulk`: files, globs, columns of Parquet files."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSystem

from app.bulk import source
from app.bulk.errors import BulkError, UnreadableFile
from app.bulk.source import Entry, Files, Table
from app.bulk.storage import Place, place_of
from app.web.errors import UploadTooLarge

MAX_BYTES = 200_000


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("b.png", "a.JPG", "labels.csv", ".hidden.png", "7/c.heic", "3/d.tif", ".thumbnails/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(name: str, below: Path, size: int = 100) -> list[list[str]]:
    return [[path.removeprefix(f"{below}/") for path in part] for part in Files(place_of(name), MAX_BYTES).parts(size)]


def test_a_folder_means_the_pictures_in_it_and_its_subfolders(folder):
    assert names(str(folder), folder) == [["3/d.tif", "7/c.heic", "a.JPG", "b.png"]]
    assert names(folder.as_uri(), folder) == names(str(folder), folder)


def test_a_relative_folder_gives_relative_names(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert names("7", folder) == [["7/c.heic"]]


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*.png", [["b.png"]]),
        ("[37]/*", [["3/d.tif", "7/c.heic"]]),
        ("**/*.heic", [["7/c.heic"]]),
        ("labels.???", [["labels.csv"]]),
    ],
)
def test_a_glob_means_the_files_it_matches(folder, glob, found):
    assert names(f"{folder}/{glob}", folder) == found


def test_an_existing_file_is_not_taken_for_a_glob(tmp_path):
    (tmp_path / "[1]").mkdir()
    (tmp_path / "[1]" / "a.png").touch()
    assert names(f"{tmp_path}/[1]", tmp_path) == [["[1]/a.png"]]


def test_parts_are_the_same_each_time(folder):
    assert (
        names(str(folder), folder, 3) == names(str(folder), folder, 3) == [["3/d.tif", "7/c.heic", "a.JPG"], ["b.png"]]
    )


def test_a_linked_folder_is_not_read_again(folder):
    (folder / "loop").symlink_to(folder)
    (folder / "link.png").symlink_to(folder / "b.png")
    (folder / "broken.png").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.png")  # reading it would never end
    assert names(str(folder), folder) == [["3/d.tif", "7/c.heic", "a.JPG", "b.png", "link.png"]]


@pytest.mark.parametrize("name", ["nowhere", "nowhere/*.png", "x://y", "labels.csv"])
def test_a_source_without_pictures_is_an_error(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    with pytest.raises(BulkError):
        names(name, folder)


def test_a_file_name_that_is_not_utf_8_is_an_error(folder):
    (Path(os.fsdecode(bytes(folder) + b"/\xff.png"))).touch()
    with pytest.raises(BulkError, match=r"cannot be listed: .*\\xff\.png"):
        names(str(folder), folder)


def test_a_file_is_read_whole_unless_it_is_too_large(tmp_path):
    contents = {"empty": b"", "small": b"7", "large": os.urandom(MAX_BYTES), "too large": bytes(MAX_BYTES + 1)}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    paths = [f"{tmp_path}/{name}" for name in (*contents, "missing")]
    *read, large, missing = Files(place_of(str(tmp_path)), MAX_BYTES).pictures(paths)
    assert read == [Entry(path, None, data) for path, data in zip(paths, list(contents.values())[:3], strict=False)]
    assert isinstance(large.data, UploadTooLarge)
    assert str(large.data) == "The file is larger than 200,000 bytes: send a smaller picture."
    assert isinstance(missing.data, UnreadableFile)


def test_compressed_files_are_not_decompressed(tmp_path):
    (tmp_path / "a.png.gz").write_bytes(b"\x1f\x8b no gzip")
    (picture,) = Files(place_of(str(tmp_path)), MAX_BYTES).pictures([f"{tmp_path}/a.png.gz"])
    assert picture.data == b"\x1f\x8b no gzip"


def test_files_from_object_storage_come_in_order(folder):
    """The local file system stands in for it. Unlike local files, several are read at once."""
    filesystem, _ = FileSystem.from_uri(folder.as_uri())
    files = Files(Place(filesystem, str(folder), "s3://", ""), MAX_BYTES)
    (part,) = files.parts(100)
    assert part == [f"s3://{folder}/{name}" for name in ("3/d.tif", "7/c.heic", "a.JPG", "b.png")]
    pictures = list(files.pictures(part * source.DOWNLOADS))
    assert [picture.path for picture in pictures] == part * source.DOWNLOADS
    assert [picture.data for picture in pictures[:2]] == [b"3/d.tif", b"7/c.heic"]


@pytest.fixture
def table(tmp_path) -> Path:
    """Make a table of ten pictures in row groups of four."""
    pictures = [{"bytes": str(row).encode(), "path": None} for row in range(9)] + [None]
    columns = {"image": pictures, "plain": [each and each["bytes"] for each in pictures], "id": range(100, 110)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=4)
    return tmp_path / "a.parquet"


@pytest.mark.parametrize("column", ["plain", "image.bytes"])
@pytest.mark.parametrize(("size", "rows"), [(1, [4, 4, 2]), (5, [8, 2]), (100, [10])])
def test_a_table_is_split_by_its_row_groups(table, column, size, rows):
    pictures = Table(place_of(str(table.parent)), MAX_BYTES, column, "id")
    parts = list(pictures.parts(size))
    assert [len(part) for part in parts] == rows
    read = [picture for part in parts for picture in pictures.pictures(part)]
    assert read == [
        *(Entry(f"{table}#{row}", str(100 + row), str(row).encode()) for row in range(9)),
        Entry(f"{table}#9", "109", b""),
    ]


def test_only_the_remaining_rows_of_a_table_are_read(table):
    pictures = Table(place_of(str(table)), MAX_BYTES, "plain", None)
    assert list(pictures.pictures([f"{table}#5", f"{table}#8"])) == [
        Entry(f"{table}#5", None, b"5"),
        Entry(f"{table}#8", None, b"8"),
    ]


@pytest.mark.parametrize(
    ("column", "key", "message"),
    [
        ("picture", None, "has no column picture, only image, plain, id"),
        ("image.picture", None, "has no column image.picture"),
        ("plain.bytes", None, "has no column plain.bytes"),
        ("plain", "name", "has no column name"),
        ("picture", "id", "has no column picture"),
        ("id", None, "the column id contains int64, not encoded pictures"),
    ],
)
def test_a_missing_column_is_an_error(table, column, key, message):
    with pytest.raises(BulkError, match=message):
        list(Table(place_of(str(table)), MAX_BYTES, column, key).parts(1))


@pytest.mark.parametrize("keys", [[[1], [2]], [{"a": 1}, {"a": 2}], [b"a", b"\xff"]])
def test_a_key_that_cannot_be_a_text_is_an_error(tmp_path, keys):
    pq.write_table(pa.table({"image": [b"1", b"2"], "id": keys}), tmp_path / "a.parquet")
    with pytest.raises(BulkError, match=r"the key id contains .*, not texts or numbers"):
        list(Table(place_of(str(tmp_path)), MAX_BYTES, "image", "id").parts(1))


def test_a_table_is_read_little_by_little(tmp_path):
    pictures = [os.urandom(MAX_BYTES) for _ in range(96)]
    pq.write_table(pa.table({"image": pictures}), tmp_path / "a.parquet", row_group_size=8)
    table = Table(place_of(str(tmp_path)), MAX_BYTES, "image", None)
    (part,) = table.parts(96)
    before = pa.total_allocated_bytes()
    most = max(pa.total_allocated_bytes() for _ in table.pictures(part))
    assert most - before < 96 * MAX_BYTES / 2


def test_a_damaged_table_loses_only_the_unreadable_rows(tmp_path):
    path = tmp_path / "a.parquet"
    pictures = [os.urandom(5000) for _ in range(1000)]
    pq.write_table(pa.table({"image": pictures}), path, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100_000] = b"\xff" * 100_000
    path.write_bytes(data)
    table = Table(place_of(str(path)), MAX_BYTES, "image", None)
    (part,) = table.parts(1000)
    read = list(table.pictures(part))
    assert [picture.path for picture in read] == part
    assert [picture.data for picture in read[:200]] == pictures[:200]
    assert isinstance(read[-1].data, UnreadableFile)


def test_a_file_that_is_not_parquet_is_an_error(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no table")
    with pytest.raises(BulkError, match=r"a\.parquet"):
        list(Table(place_of(str(tmp_path)), MAX_BYTES, "image", None).parts(1))
    with pytest.raises(BulkError, match="no Parquet file"):
        list(Table(place_of(str(tmp_path / "nowhere")), MAX_BYTES, "image", None).parts(1))
