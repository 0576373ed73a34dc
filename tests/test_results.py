"""Files of results: nothing is lost between a folder and its table, however often the
command is interrupted, the service is busy or gone, and files are replaced.
"""

import csv
import json
import os
import threading
from io import StringIO
from pathlib import Path

import pytest

from answers import LINE, NUMBER, SEVEN, rows_in
from app.answers.responses import TRANSIENT
from app.many.client import Client
from app.many.errors import NoService
from app.many.output import Output
from app.many.patience import Patience
from app.many.pictures import all_pages
from commands import invoked, process_of
from services import until
from stand_ins import Clock, Killable, answering

ENDINGS = pytest.mark.parametrize("ending", ["csv", "jsonl"])
REFUSED = "not-an-image", "too-much-writing", "blank-image", "no-such-page"


def names_in(path: Path) -> list[str]:
    return [Path(row["file"]).name for row in rows_in(path)]


def pages_in(path: Path) -> list[tuple[str, str, str]]:
    """Return the file, the page and the text or problem of each row."""
    shown = []
    for row in rows_in(path):
        name, page = Path(row["file"]).name, str(row.get("page") or "")
        shown.append((name, page, row.get("problem") or row["text"]))
    return shown


def answer_or_problem(request):
    """Answer as the picture itself says: the name of a problem, or a number."""
    said = request.body.decode()
    if said.isdecimal():
        return 200, {}, {**NUMBER, "text": said, "lines": [{**LINE, "text": said}]}
    return 422, {}, {"type": f"/problems/{said}", "detail": "It was not read."}


def folder_of(folder: Path, **pictures: str | bytes) -> Path:
    """Write pictures, by their names, into a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in pictures.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / f"{name}.png").write_bytes(data)
    return folder


@ENDINGS
def test_what_failed_for_the_moment_is_read_again_and_what_was_refused_is_not(
    tmp_path, ending
):
    names = [*sorted(TRANSIENT), *REFUSED]
    pictures = {f"{place:02}": name for place, name in enumerate(names)}
    scans = folder_of(tmp_path / "scans", **pictures, last="7")
    output = tmp_path / f"results.{ending}"
    asked = []

    def respond(request):
        asked.append(request.body.decode())
        return answer_or_problem(request)

    def recover(request):
        asked.append(request.body.decode())
        return 200, {}, NUMBER

    with answering(respond) as url:
        given = "read", scans, "--output", output, "--url", url
        assert invoked(*given).exit_code == 1
    assert {row["problem"] for row in rows_in(output) if row.get("error")} == {*names}
    for row in rows_in(output):
        size = Path(row["file"]).stat().st_size
        assert (str(row["size"]), row["modified"][-6:]) == (str(size), "+00:00")
    asked.clear()
    said = "4 of 12 pictures could not be read: " + ", ".join(
        f"1 {name}" for name in REFUSED
    )
    with answering(recover) as url:
        done = invoked(*given[:-1], url, "--resume")
    assert (done.exit_code, done.stderr) == (1, f"{said}.\n")
    assert sorted(asked) == sorted([*TRANSIENT, "7"])
    assert len(rows_in(output)) == 12
    problems = [row["problem"] for row in rows_in(output) if row.get("error")]
    assert problems == [*REFUSED]


@ENDINGS
def test_the_refused_are_counted_even_where_nothing_is_left_to_read(tmp_path, ending):
    scans = folder_of(tmp_path / "scans", a="not-an-image", b="7")
    output = tmp_path / f"results.{ending}"
    with answering(answer_or_problem) as url:
        options = "--output", output, "--resume", "--url", url
        assert invoked("read", scans, *options).exit_code == 1
        done = invoked("read", scans / "a.png", *options)
        assert done.stderr == "1 of 1 pictures could not be read: 1 not-an-image.\n"
        assert done.exit_code == 1
        assert invoked("read", scans / "b.png", *options).exit_code == 0
    assert names_in(output) == ["a.png", "b.png"]


@ENDINGS
def test_a_changed_file_is_read_again_whatever_was_known_of_it(tmp_path, ending):
    scans = folder_of(tmp_path / "scans", a="1", b="not-an-image", c="3", d="4", e="5")
    output = tmp_path / f"results.{ending}"
    with answering(answer_or_problem) as url:
        options = "--output", output, "--resume", "--url", url
        assert invoked("read", scans, *options).exit_code == 1
        folder_of(scans, a="11", b="2")
        modified = (scans / "c.png").stat().st_mtime
        (scans / "c.png").write_bytes(b"6")  # of the same size
        os.utime(scans / "c.png", (0, modified + 1e-3))
        assert invoked("read", scans, *options).exit_code == 0
        content = output.read_bytes()
        assert invoked("read", scans, *options).exit_code == 0
        assert output.read_bytes() == content
    texts = [(name, text) for name, _, text in pages_in(output)]
    assert texts == [
        ("d.png", "4"),
        ("a.png", "11"),
        ("b.png", "2"),
        ("c.png", "6"),
        ("e.png", "5"),
    ]


@ENDINGS
def test_rows_of_files_that_are_gone_or_not_asked_for_stay(tmp_path, ending):
    scans = folder_of(tmp_path / "scans", a="1", b="overloaded", c="blank-image", d="4")
    others = folder_of(tmp_path / "others", e="overloaded", f="6")
    output = tmp_path / f"results.{ending}"
    with answering(answer_or_problem) as url:
        options = "--output", output, "--resume", "--url", url
        assert invoked("read", others, scans, *options).exit_code == 1
        for name in "abc":
            (scans / f"{name}.png").unlink()
        named = [scans / f"{name}.png" for name in "abcd"]
        done = invoked("read", *named, *options)
    said = "2 of 4 pictures could not be read: 2 unreadable-file."
    assert done.stderr.splitlines()[-1] == said
    assert [(name, text) for name, _, text in pages_in(output)] == [
        ("e.png", "overloaded"),
        ("f.png", "6"),
        ("a.png", "1"),
        ("b.png", "unreadable-file"),
        ("c.png", "unreadable-file"),
        ("d.png", "4"),
    ]


@ENDINGS
def test_errors_of_an_earlier_version_are_read_again_and_its_answers_are_not(
    tmp_path, ending
):
    scans = folder_of(tmp_path / "scans", a="1", b="2", c="3")
    output = tmp_path / f"results.{ending}"
    if ending == "csv":
        rows = [
            "file,line,text,model,error,page",
            f"{scans}/a.png,1,77,8d41b6e05c72,,",
            f"{scans}/b.png,,,,The service is busy.,",
            f"{scans}/c.png,1,99,8d41b6e05c72,,",
        ]
    else:
        old = {"a": {"text": "77"}, "b": {"error": "It is busy."}, "c": {"text": "99"}}
        rows = [
            json.dumps({"file": f"{scans}/{name}.png", **answer})
            for name, answer in old.items()
        ]
    output.write_text("\n".join([*rows, ""]))
    with answering(answer_or_problem) as url:
        options = "--output", output, "--resume", "--url", url
        assert invoked("read", scans, *options).exit_code == 0
    texts = [(name, text) for name, _, text in pages_in(output)]
    assert texts == [("a.png", "77"), ("b.png", "2"), ("c.png", "3")]


def table_of(*rows: list[str]) -> dict:
    """Return an answer with a table."""
    lines = [{**LINE, "text": " ".join(row)} for row in rows]
    text = "\n".join(line["text"] for line in lines)
    return {**NUMBER, "text": text, "lines": lines, "table": [*rows]}


TABLES = {
    b"1": NUMBER,
    b"2": table_of(["2", "-3"]),
    b"3": NUMBER,
    b"4": table_of(["4", "", "5", "6"], ["7", "8", "", ""]),
    b"5": table_of(["9", "10"]),
}
CELLS = [
    ("1.png", "-7", "", "", "", ""),
    ("2.png", "2 -3", "2", "-3", "", ""),
    ("3.png", "-7", "", "", "", ""),
    ("4.png", "4  5 6", "4", "", "5", "6"),
    ("4.png", "7 8  ", "7", "8", "", ""),
    ("5.png", "9 10", "9", "10", "", ""),
]


def cells_in(text: str) -> list[tuple[str, ...]]:
    rows = csv.DictReader(StringIO(text, newline=""))
    shown = []
    for row in rows:
        cells = (row[f"cell{place}"] for place in range(1, 5))
        shown.append((Path(row["file"]).name, row["text"], *cells))
    return shown


def tables(request):
    return 200, {}, TABLES[request.body]


def test_a_file_has_as_many_cells_as_the_widest_table(tmp_path):
    scans = folder_of(tmp_path / "scans", **{name: name for name in "12345"})
    whole = tmp_path / "whole.csv"
    cut = tmp_path / "cut.csv"
    with answering(tables) as url:
        assert invoked("read", scans, "--output", whole, "--url", url).exit_code == 0
        content = whole.read_bytes()
        assert cells_in(content.decode()) == CELLS
        for length in range(0, len(content), 89):
            cut.write_bytes(content[:length])
            given = "read", scans, "--output", cut, "--resume", "--url", url
            assert invoked(*given).exit_code == 0
            assert cut.read_bytes() == content, length
    assert [path.name for path in tmp_path.iterdir() if ".new" in path.name] == []


def test_on_standard_output_the_rows_of_texts_come_at_the_end(tmp_path):
    scans = folder_of(tmp_path / "scans", **{name: name for name in "12345"})
    with answering(tables) as url:
        shown = invoked("read", scans, "--csv", "--url", url).stdout
    assert cells_in(shown) == CELLS


@pytest.mark.slow
def test_on_ctrl_c_the_rows_of_texts_are_printed(tmp_path):
    scans = folder_of(tmp_path / "scans", **{name: name for name in "12345"})
    asked = threading.Event()
    ended = threading.Event()

    def respond(request):
        if request.body == b"5":
            asked.set()
            ended.wait(30)
        return tables(request)

    with answering(respond) as url:
        process = process_of("read", scans, "--csv", "--url", url, "--jobs", "1")
        assert until(asked.is_set, 60)
        process.send_signal(2)
        shown = process.communicate(timeout=30)[0]
        ended.set()
    assert process.returncode == -2
    assert cells_in(shown) == CELLS[:-1]


def killed_after(count: int, killable: Killable) -> None:
    """Kill a service as soon as it has answered so many requests."""
    answer = killable.respond
    asked = []

    def respond(request):
        asked.append(request)
        if len(asked) == count:
            killable.kill()
            raise ConnectionAbortedError
        return answer(request)

    killable.respond = respond


@pytest.mark.parametrize("command", ["predict", "read"])
def test_a_service_that_is_killed_and_started_again_costs_no_row(tmp_path, command):
    pictures = {f"{place:03}": "7" for place in range(120)}
    folder_of(tmp_path / "scans", **pictures)
    answer = SEVEN if command == "predict" else NUMBER

    def respond(request):
        together = request.body.count(b'name="files"')
        return 200, {}, {"results": [answer] * together} if together else answer

    killable = Killable(respond)
    url = killable.start()
    killed_after(8, killable)
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.pauses) > 20:
            killable.start()

    output = tmp_path / "results.csv"
    with Client(url, None, 16, Patience(7200, clock), sleep) as service:
        read = service.digits if command == "predict" else service.texts
        kind = "digit" if command == "predict" else "text"
        to_file = Output(False, False, output, False, 0)
        pictures = all_pages([str(tmp_path / "scans")], None)
        assert to_file.write(kind, read, pictures) == 0
    killable.kill()
    assert len(clock.pauses) > 20
    rows = rows_in(output)
    assert names_in(output) == [f"{place:03}.png" for place in range(120)]
    assert not any(row["error"] for row in rows)


def test_if_the_service_is_gone_for_good_the_command_says_how_to_go_on(tmp_path):
    pictures = {f"{place:03}": "7" for place in range(40)}
    folder_of(tmp_path / "scans", **pictures)
    killable = Killable(lambda _: (200, {}, NUMBER))
    url = killable.start()
    killed_after(20, killable)
    clock = Clock()
    output = tmp_path / "results.csv"
    to_file = Output(False, False, output, False, 0)
    with Client(url, None, 1, Patience(7200, clock), clock.sleep) as service:
        pictures = all_pages([str(tmp_path / "scans")], None)
        said = (
            r"does not answer \(Connection refused\): start .*--url\. 19 of 40 done\. "
            r"The same command goes on with --resume\.$"
        )
        with pytest.raises(NoService, match=said):
            to_file.write("text", service.texts, pictures)
    assert names_in(output) == [f"{place:03}.png" for place in range(19)]
    with answering(answer_or_problem) as url:
        given = "read", tmp_path / "scans", "--output", output, "--resume"
        assert invoked(*given, "--url", url).exit_code == 0
    assert names_in(output) == [f"{place:03}.png" for place in range(40)]
