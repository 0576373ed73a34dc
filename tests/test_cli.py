"""`digits serve`, `digits predict`, `digits read` and `digits info` as users run them.

Most run in this process, through typer's CliRunner, since to start one costs a second.
"""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import BinaryIO

import httpx2
import pytest
from PIL import Image
from rich.cells import cell_len

from answers import LINE, NUMBER, SEVEN
from app.answers.responses import Prediction, Text
from commands import DIGITS, invoked, process_of, tool
from paths import LINES_MODEL, MODEL, PAGES_MODEL
from pdfs import ENCRYPTED
from pictures import MINUS, POINT, document, drawing, encode, number, with_damaged_page
from services import serving, until
from stand_ins import answering
from training.writing.alphabet import CHARACTERS, SPACE

pytestmark = pytest.mark.slow

TWO_LINES = {**NUMBER, "text": "-7\n-7", "lines": [LINE] * 2}
BLANK = {**NUMBER, "text": "", "lines": []}
INCHES = {**NUMBER, "text": '7"', "lines": [{**LINE, "text": '7"'}]}
DOUBTFUL = {**SEVEN, "legibility": 0.4}
AMOUNT = {
    **LINE,
    "text": "1.250,00",
    "alternatives": [
        {"text": "1.250,60", "confidence": 0.04},
        {"text": "-1.250", "confidence": 0.01},
    ],
    "format": True,
    "value": "1250.00",
}
TWO_AMOUNTS = {
    **NUMBER,
    "text": "1.250,00\n-7\n12.50",
    "lines": [
        AMOUNT,
        {**LINE, "format": False, "value": None},
        {**LINE, "text": "12.50", "value": "12.50"},
    ],
    "value": None,
}
OF_FILE = ",key,problem,size,modified"
DIGIT_COLUMNS = (
    "file,digit,confidence,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9,legibility,unsure,model,error,"
    f"page{OF_FILE}"
)
FORM_COLUMNS = ",format,value,alternatives"
TEXT_COLUMNS = (
    "file,line,text,confidence,legibility,left,top,width,height,unsure,model,error,page"
    f"{FORM_COLUMNS},edited{OF_FILE}"
)
# After the text, up to the size.
ON_LINE = ",0.9,0.8,1,2,6,4,yes,8d41b6e05c72,,,,,,,,,"
NAME = "7,\r\udcff.png"
NO_FILE = "No such file or directory."


@pytest.fixture(params=["local", "service"])
def where(request) -> tuple[str, ...]:
    """Options that name what reads: the models in this process, or a service."""
    if request.param == "local":
        return ("--local",)
    return "--url", request.getfixturevalue("url")


@pytest.fixture
def files(tmp_path, digits) -> list[Path]:
    """Drawings of 3 and 7."""
    paths = [tmp_path / "3.png", tmp_path / "7.png"]
    for path, image in zip(paths, digits[[150, 350]], strict=True):
        path.write_bytes(encode(drawing(image)))
    return paths


def lines_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def at_a_terminal(
    *arguments, **environment
) -> Iterator[tuple[subprocess.Popen, BinaryIO]]:
    """Run a command in its own terminal, of 40 columns; yields its process, and the
    screen.
    """
    ours, theirs = pty.openpty()
    # The session leader opens the terminal, which makes it the controlling one.
    script = f'unset COLUMNS; : <{os.ttyname(theirs)}; stty cols 40; exec "$@"'
    with open(ours, "r+b", buffering=0) as screen:
        process = subprocess.Popen(
            ["sh", "-c", script, "sh", DIGITS, *map(str, arguments)],
            **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(theirs)
        try:
            yield process, screen
        finally:
            process.kill()
            process.wait(30)


def shown_at(screen: BinaryIO, end: str | None = None) -> str:
    """Return what a terminal shows until a text appears, or to the end."""
    shown = b""
    with suppress(OSError):  # a terminal ends with an error
        while not (end and re.search(end, shown.decode(errors="replace"))) and (
            data := screen.read(65536)
        ):
            shown += data
    return shown.decode()


def test_a_number_gets_a_bar_for_each_digit_with_marks_between_them(files):
    doubtful = {**LINE, "digits": [{**LINE["digits"][0], "legibility": 0.3}]}
    answer = {**TWO_LINES, "lines": [LINE, doubtful]}
    with answering(lambda _: (200, {}, answer)) as url:
        heading, *rows = invoked("read", files[0], "--url", url).stdout.splitlines()
    assert heading == f"{files[0]}: -7 / -7 (90.0%)"
    assert [row.split()[:1] for row in rows] == [["-"], ["7"], [], ["-"], ["7"]]
    note = re.compile(r"█+ +90\.0%  probably not a digit$")
    assert [row for row in rows if note.search(row)] == rows[-1:]


def test_a_folder_means_its_pictures_and_answers_keep_the_order_of_the_files(
    url, files, tmp_path
):
    (tmp_path / "labels.csv").write_text("3.png,3\n7.png,7\n")
    done = invoked("predict", files[1], tmp_path, DIGITS_URL=url)
    assert (done.exit_code, done.stderr) == (0, "")
    for path, digit, line in zip(
        (files[1], *files), "737", done.stdout.splitlines(), strict=True
    ):
        assert re.fullmatch(rf"{path}: {digit} \(>?\d+\.\d%\)", line)


def test_unreadable_files_are_named_and_counted_and_the_rest_is_read(
    url, files, tmp_path
):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "text.png", tmp_path / "none.png", tmp_path / "empty"
    done = invoked("predict", *broken, *files, "--url", url)
    text, missing, empty, count = done.stderr.splitlines()
    assert text.startswith(f"{broken[0]}: The file is not a ")
    assert missing == f"{broken[1]}: {NO_FILE}"
    assert empty.startswith(f"{broken[2]}: The folder has no ")
    assert count == (
        "3 of 5 pictures could not be read: 2 unreadable-file, 1 not-an-image."
    )
    assert (done.exit_code, len(done.stdout.splitlines())) == (1, 2)
    assert "could not be read" not in invoked("read", broken[0], "--url", url).stderr


def csv_of(columns: str, *answers: str) -> str:
    row = dict.fromkeys(columns.split(","), "")
    row |= {"file": '"none\n.png"', "error": NO_FILE, "problem": "unreadable-file"}
    lines = [columns, ",".join(row.values())]
    lines += [f'"7,\r�.png",{answer}SIZE,MODIFIED' for answer in answers]
    return "\n".join([*lines, ""])


def json_of(answer: dict) -> str:
    model = Prediction if "digit" in answer else Text
    shown = model(**answer).model_dump()
    problem = {"error": NO_FILE, "problem": "unreadable-file"}
    failed = {"file": "none\n.png", **problem}
    read = {"file": NAME, **shown, "unsure": True, "size": "SIZE"}
    lines = json.dumps(failed), json.dumps(read | {"modified": "MODIFIED"})
    return "\n".join([*lines, ""]).replace('"SIZE"', "SIZE")


@pytest.mark.parametrize(
    ("command", "answer", "shown"),
    [
        ("predict", SEVEN, "7 (90.0%), or 8 (10.0%), legibility 80.0%, please check"),
        (
            "predict",
            {**SEVEN, "legibility": 0.98},
            "7 (90.0%), or 8 (10.0%), legibility 98.0%",
        ),
        ("predict", {**SEVEN, "legibility": 0.995}, "7 (90.0%), or 8 (10.0%)"),
        (
            "predict",
            DOUBTFUL,
            "7 (90.0%), or 8 (10.0%), legibility 40.0%, probably no digit or several, "
            "please check",
        ),
        ("read", TWO_LINES, "-7 / -7 (90.0%), please check"),
        ("read", BLANK, "no digits (90.0%)"),
        (
            "read",
            TWO_AMOUNTS,
            "1.250,00 [= 1250.00, or 1.250,60 (4.0%), or -1.250 (1.0%)] / -7 [not in "
            "this format] / 12.50 (90.0%), please check",
        ),
    ],
)
def test_answers_are_printed_whatever_the_names_of_files_are(
    files, monkeypatch, command, answer, shown
):
    assert written(files[1], monkeypatch, command, answer) == f"7,��.png: {shown}\n"


def written(file: Path, monkeypatch, command: str, answer: dict) -> str:
    """Return what a command prints for an odd name without a file, and for a file that
    gets such a name.
    """
    monkeypatch.chdir(file.parent)
    file.rename(NAME)
    with answering(lambda _: (200, {}, answer)) as url:
        given = *command.split(), "--min-confidence", "0.85", "--url", url
        return invoked(*given, "none\n.png", NAME).stdout


@pytest.mark.parametrize(
    ("command", "answer", "shown"),
    [
        (
            "predict --csv",
            SEVEN,
            csv_of(
                DIGIT_COLUMNS,
                f"7,0.9,{7 * '0.0,'}0.9,0.1,0.0,0.8,yes,1f0c2a9b7d3e,,,,,",
            ),
        ),
        (
            "read --csv",
            TWO_LINES,
            csv_of(TEXT_COLUMNS, f"1,-7{ON_LINE}", f"2,-7{ON_LINE}"),
        ),
        (
            "read --csv --spreadsheet",
            NUMBER,
            csv_of(TEXT_COLUMNS, f'1,"=""-7"""{ON_LINE}'),
        ),
        (
            "read --csv --spreadsheet",
            INCHES,
            csv_of(TEXT_COLUMNS, f'1,"=""7"""""""{ON_LINE}'),
        ),
        (
            "read --csv",
            BLANK,
            csv_of(TEXT_COLUMNS, ",,0.9,,,,,,,8d41b6e05c72,,,,,,,,,"),
        ),
        ("predict --json", SEVEN, json_of(SEVEN)),
        ("read --json", TWO_LINES, json_of(TWO_LINES)),
    ],
)
def test_answers_are_written_whatever_the_names_of_files_are(
    files, monkeypatch, command, answer, shown
):
    size = str(files[1].stat().st_size)
    modified = datetime.fromtimestamp(1_700_000_000.25, UTC)
    os.utime(files[1], (0, modified.timestamp()))
    shown = shown.replace("SIZE", size).replace("MODIFIED", modified.isoformat())
    assert written(files[1], monkeypatch, command, answer) == shown


def test_a_service_with_keys_requires_one(files):
    # Which cannot control the terminal.
    refusal = 401, {}, {"detail": "\x1b]0;title\x1b\\ It needs an API key."}

    def respond(asked):
        is_given = asked.headers.get("x-api-key") == "secret"
        return (200, {}, SEVEN) if is_given else refusal

    with answering(respond) as url:
        given = "predict", files[0], "--url", url
        assert invoked(*given, "--api-key", "secret").exit_code == 0
        assert invoked(*given, DIGITS_API_KEY="secret").exit_code == 0
        refused = invoked(*given)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert (
        refused.stderr == "�]0;title�\\ It needs an API key. Set it with --api-key or "
        "DIGITS_API_KEY.\n"
    )


@pytest.mark.parametrize("command", ["predict", "read"])
def test_local_answers_match_the_service(url, digits, tmp_path, command):
    for place in range(0, 500, 20):
        digit = digits[place]
        pictures = digit, drawing(digit), number(digits[place : place + 5])
        for name, image in zip("abc", pictures, strict=True):
            (tmp_path / f"{place:03}{name}.png").write_bytes(encode(image))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "blank.png").write_bytes(encode(0 * digits[0]))
    asked = invoked(command, tmp_path, "--json", "--url", url)
    local = invoked(command, tmp_path, "--json", "--local")
    assert len(local.stdout.splitlines()) == 78
    assert (local.stdout, local.stderr) == (asked.stdout, asked.stderr)
    assert local.exit_code == asked.exit_code


def test_a_text_is_read_as_the_options_say(where, digits, tmp_path):
    path = tmp_path / "pages.tif"
    amount = number([*digits[[60, 120]], POINT, *digits[[250, 0]]])
    pages = [number(digits[[50]]), amount]
    path.write_bytes(document(pages, "TIFF", compression="tiff_lzw"))

    def text(*options) -> str:
        (answer,) = lines_of(invoked("read", path, "--json", *options, *where))
        assert (answer["file"], answer["page"]) == (str(path), 2)
        return answer["error"] if "error" in answer else answer["text"]

    assert text("--page", 2) == text("--page", 2, "--marks") == "12.50"
    assert text("--page", 2, "--no-marks") == "1250"
    assert sum(map(str.isdecimal, text("--page", 2, "--length", 3))) == 3
    assert text("--page", 2, "--characters", "0123456789").split() == ["12", "50"]
    characters = "0123456789+%."
    given = "read", path, "--page", 2, "--json", "--characters", characters
    (answer,) = lines_of(invoked(*given, *where))
    assert answer["characters"] == characters
    refusal = (
        "No line of the picture can be read with a length of 64: leave the length "
        "out, or correct it."
    )
    assert text("--page", 2, "--length", 64) == refusal
    (answer,) = lines_of(invoked("predict", path, "--page", 1, "--json", *where))
    assert (answer["digit"], answer["page"]) == (1, 1)
    (answer,) = lines_of(invoked("predict", path, "--json", *where))
    refusal = "The file has 2 pages: choose one, with ?page=1 or --page 1."
    assert answer["error"] == refusal


def test_a_form_and_other_texts_are_as_over_http(where, url, digits, tmp_path):
    amount = tmp_path / "amount.png"
    date = tmp_path / "date.png"
    amount.write_bytes(encode(number([*digits[[60, 120]], POINT, *digits[[250, 0]]])))
    day_month_year = [*digits[[120, 200]], MINUS, *digits[[50, 60]], MINUS]
    day_month_year += [*digits[[110, 300]]]
    date.write_bytes(encode(number(day_month_year)))

    def read(path: Path, *options) -> dict:
        (answer,) = lines_of(invoked("read", path, "--json", *options, *where))
        return answer

    answer = read(amount, "--format", "amount", "--alternatives", 2)
    asked = httpx2.post(
        f"{url}/read?format=amount&alternatives=2", content=amount.read_bytes()
    ).json()
    assert {**answer, "file": str(amount), **asked} == answer
    assert (answer["value"], len(answer["lines"][0]["alternatives"])) == ("12.50", 2)
    assert read(date, "--format", "date", "--date", "dmy")["value"] == "2026-11-24"
    assert read(date, "--format", "date", "--date", "mdy")["confidence"] < 0.5
    assert read(amount, "--min", 800, "--digits", 2)["value"] is None
    ids = tmp_path / "ids.csv"
    ids.write_text('12.50,Anna\n"12,50",Bert\n')
    assert read(amount, "--values", ids)["value"] == "12.50"
    ids.write_text("98.40,Anna\n31\n")
    assert read(amount, "--values", ids)["value"] is None
    refused = invoked("read", date, "--format", "date", "--length", 3, *where)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert (
        "Invalid value: length must be 4 to 8 with format=date, or be left out."
        in refused.stderr
    )


def test_every_page_is_a_picture(where, documents):
    done = invoked("read", documents, *where)
    assert [line.rpartition(" (")[0] for line in done.stdout.splitlines()] == [
        f"{documents}/a.pdf, page 1: 72",
        f"{documents}/a.pdf, page 2: 1",
        f"{documents}/b.tif, page 1: 72",
        f"{documents}/b.tif, page 3: 72",
        f"{documents}/c.png: 1",
        f"{documents}/d.tif: 72",
    ]
    assert done.exit_code == 1
    refusals = done.stderr.splitlines()
    assert refusals[0].startswith(
        f"{documents}/b.tif, page 2: The picture's header is damaged"
    )
    assert refusals[1:] == [
        f"{documents}/e.pdf: The PDF needs a password: remove it and send it again.",
        "2 of 8 pictures could not be read: 1 corrupt-image, 1 not-an-image.",
    ]


@pytest.fixture
def documents(digits, tmp_path) -> Path:
    """A folder with PDFs and TIFFs, of which a page is damaged, and one needs a
    password.
    """
    number_72 = number(digits[[350, 120]])
    number_1 = number(digits[[50]])
    files = {
        "a.pdf": document([number_72, number_1]),
        "b.tif": with_damaged_page(document([number_72] * 3, "TIFF")),
        "c.png": encode(number_1),
        "d.tif": encode(number_72, "TIFF"),
        "e.pdf": ENCRYPTED,
    }
    folder = tmp_path / "documents"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_document_longer_than_one_request_reads_is_read(url, digits, tmp_path):
    pages = [drawing(digits[350])] * 21
    (tmp_path / "long.tif").write_bytes(document(pages, "TIFF"))
    done = invoked("read", tmp_path / "long.tif", "--json", "--url", url)
    assert [answer["page"] for answer in lines_of(done)] == [*range(1, 22)]


def test_standard_input_may_be_a_document(digits):
    done = subprocess.run(
        [DIGITS, "read", "--local", "--json", "-"],
        input=document([number(digits[[350, 120]]), number(digits[[50]])]),
        capture_output=True,
    )
    first, second = lines_of(done)
    assert (first["file"], first["page"], first["text"]) == ("-", 1, "72")
    assert (second["file"], second["page"], second["text"]) == ("-", 2, "1")


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_pages_are_resumed_wherever_the_file_was_cut(documents, tmp_path, ending):
    whole = tmp_path / f"whole.{ending}"
    cut = tmp_path / f"cut.{ending}"

    def respond(asked):
        if asked.path.endswith("page=2"):
            damaged = {"type": "/problems/corrupt-image", "detail": "It is damaged."}
            return 422, {}, damaged
        return 200, {}, TWO_LINES

    with answering(respond) as url:
        given = "read", documents, "--url", url, "--output"
        assert invoked(*given, whole).exit_code == 1
        refused = invoked(*given, whole)
        said = f"{whole} exists: go on with --resume, or choose another file.\n"
        assert (refused.exit_code, refused.stderr) == (1, said)
        content = whole.read_bytes()
        for length in range(0, len(content), 17 if ending == "csv" else 97):
            cut.write_bytes(content[:length])
            assert invoked(*given, cut, "--resume").stdout == ""
            assert cut.read_bytes() == content, length


@pytest.mark.parametrize("first", ["page", "format", "edited"])
def test_a_csv_of_an_earlier_version_gets_the_missing_columns(
    documents, tmp_path, first
):
    old = tmp_path / "old.csv"
    columns = TEXT_COLUMNS.split(",")
    count = columns.index(first)
    cells = f"1,-7{ON_LINE}".split(",")[: count - 1]
    rows = [columns[:count]]
    rows += [[f"{documents}/{name}", *cells] for name in ("c.png", "d.tif")]
    old.write_text("".join(f"{','.join(row)}\n" for row in rows))
    with answering(lambda _: (200, {}, NUMBER)) as url:
        given = "--output", old, "--resume", "--url", url
        assert invoked("read", documents, *given).exit_code == 0
    table = old.read_text()
    header, row, *_ = table.splitlines()
    assert (header, row) == (TEXT_COLUMNS, f"{documents}/c.png,1,-7{ON_LINE},")
    read = [
        f"{Path(name).name} {page}" for name, page in cells_of(table, "file", "page")
    ]
    pages = "c.png ,a.pdf 1,a.pdf 2,b.tif 1,b.tif 2,b.tif 3,d.tif ,e.pdf "
    assert read == pages.split(",")


@pytest.mark.parametrize("command", ["read", "read --local", "bulk --read"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--characters", ""], "characters must have 1 to 100 digits and signs."),
        (
            ["--characters", "5 %"],
            "characters must not have a space: gaps are read in any case. In a URL, "
            "+ means a space: write %2B for",
        ),
        (
            ["--characters", "5é"],
            f"characters must be among {CHARACTERS.replace(SPACE, '')}, and not 'é'.",
        ),
        (["--date", "dmy"], "date needs format=date."),
        (["--min", "2", "--max", "1"], "min must not be greater than max."),
        (["--format", "time", "--date", "dmy"], "date needs format=date."),
        (
            ["--format", "date", "--characters", "0123456789"],
            "characters must have one of ./- with format=date;",
        ),
    ],
)
def test_what_cannot_be_written_in_a_field_is_a_wrong_option(
    url, files, tmp_path, command, options, message
):
    where = [tmp_path, tmp_path / "results"] if "bulk" in command else files
    done = invoked(*command.split(), *where, *options, DIGITS_URL=url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert not (tmp_path / "results").exists()
    assert f"Invalid value: {message}" in done.stderr


def test_after_a_wrong_option_there_is_no_output_file(url, files, tmp_path):
    results = tmp_path / "results.csv"
    options = "--format time --length 7 --url".split()
    wrong = invoked("read", *files, "--output", results, *options, url)
    assert (wrong.exit_code, results.exists()) == (2, False)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_output_file_is_resumed_whatever_the_names_of_files_are(
    files, tmp_path, monkeypatch, ending
):
    stems = ["=1+1", "'=1+1", "@7", "+7", "-7", "\t7", "7\r", "7\r\n", "7\n"]
    names = [f"{stem}.png" for stem in stems] + [NAME]
    monkeypatch.chdir(tmp_path)
    for name in names:
        Path(name).write_bytes(files[1].read_bytes())
    output = Path(f"all.{ending}")
    asked = []

    def respond(request):
        asked.append(request)
        return 200, {}, SEVEN

    with answering(respond) as url:
        options = "--output", output, "--resume", "--url", url, "--"
        assert invoked("predict", *options, *names).exit_code == 0
        content = output.read_bytes()
        for _ in range(2):
            assert invoked("predict", *options, *names).exit_code == 0
            assert output.read_bytes() == content
    assert len(asked) == len(names) + 2  # the last one is read again


def test_no_text_in_csv_is_a_formula(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files[1].rename("=1+1.png")
    sum_of_two = {**NUMBER, "text": "-7 -7", "lines": [{**LINE, "text": "-7 -7"}, LINE]}
    with answering(lambda _: (200, {}, sum_of_two)) as url:
        shown = invoked("read", "=1+1.png", "@none.png", "--csv", "--url", url).stdout
    on_line = ON_LINE.replace("yes", "")
    first, second, third = shown.splitlines()[1:]
    assert first.startswith(f"'=1+1.png,1,'-7 -7{on_line}")
    assert second.startswith(f"'=1+1.png,2,-7{on_line}")
    assert third.startswith(f"'@none.png{',' * 11}{NO_FILE},,,,")


def cells_of(table: str, *columns: str) -> list[tuple[str, ...]]:
    """Return these columns of a CSV."""
    rows = csv.DictReader(StringIO(table, newline=""))
    return [tuple(map(row.get, columns)) for row in rows]


def test_csv_has_the_form_of_each_line_what_it_means_and_what_else_it_may_be(files):
    with answering(lambda _: (200, {}, TWO_AMOUNTS)) as url:
        given = "read", files[0], "--csv", "--url", url
        plain = invoked(*given).stdout
        for_spreadsheet = invoked(*given, "--spreadsheet").stdout
    columns = "line", "text", "format", "value", "alternatives"
    assert cells_of(plain, *columns) == [
        ("1", "1.250,00", "yes", "1250.00", "1.250,60|-1.250"),
        ("2", "-7", "no", "", ""),
        ("3", "12.50", "", "12.50", ""),
    ]
    assert cells_of(for_spreadsheet, *columns) == [
        ("1", '="1.250,00"', "yes", "1250.00", '="1.250,60|-1.250"'),
        ("2", '="-7"', "no", "", ""),
        ("3", '="12.50"', "", "12.50", ""),
    ]


def test_a_table_has_a_row_for_each_of_its_rows(where, digits, tmp_path):
    sheet = Image.new("L", (900, 700), 255)
    rows = [[350, 120], [0], [250, 50]], [[60], [], [120, 0]], [[350], [50], []]
    for top, row in enumerate(rows):
        for left, cell in enumerate(row):
            if cell:
                place = 60 + 300 * left, 40 + 220 * top
                sheet.paste(number(digits[cell], scale=1), place)
    (tmp_path / "table.png").write_bytes(encode(sheet))
    shown = invoked("read", tmp_path / "table.png", "--csv", *where).stdout
    assert cells_of(shown, "line", "text", "cell1", "cell2", "cell3") == [
        ("1", "72 0 51", "72", "0", "51"),
        ("2", "1 20", "1", "", "20"),
        ("3", "7 1", "7", "1", ""),
    ]


def test_info_shows_the_state_of_the_service_or_the_metadata_of_local_models(url):
    health = httpx2.get(f"{url}/health").json()
    shown = invoked("info", "--url", url).stdout
    for facts in ({"status": "ok"}, *health["models"].values()):
        assert all(value in shown for value in facts.values())
    given = "--model", MODEL, "--lines-model", LINES_MODEL
    (about,) = lines_of(invoked("info", "--json", "--local", *given))
    files = {"digits": MODEL, "lines": LINES_MODEL, "pages": PAGES_MODEL}
    for name, model in health["models"].items():
        assert about["models"].pop(name) == {"file": str(files[name]), **model}
    assert about["models"] == {}
    assert health["models"]["digits"]["second_opinion_used"] == "yes"


def test_without_the_network_for_pages_commands_read_and_say_that_there_is_none(files):
    without = {"DIGITS_PAGES_MODEL": "none"}
    with serving("--workers", "2", **without) as (_, url):
        health = httpx2.get(f"{url}/health", timeout=30).json()
        versions = [health["models"][name]["version"] for name in ("lines", "digits")]
        for where in (("--local",), ("--url", url)):
            (read,) = lines_of(invoked("read", files[1], "--json", *where, **without))
            assert (read["text"], read["model"]) == ("7", "+".join(versions))
            (about,) = lines_of(invoked("info", "--json", *where, **without))
            assert [*about["models"]] == ["digits", "lines", "pages"]
            assert about["models"]["pages"] is None
            shown = invoked("info", *where, **without).stdout
            assert re.search(r"^pages model +none$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("predcit", 2, r"No such command 'predcit'\. +Did you mean 'predict'\?"),
        ("predict", 2, "Missing argument"),
        ("predict 7.png --json --csv", 2, "--json and --csv cannot be used together"),
        ("bulk in out --characters 7", 2, "--characters needs --read"),
        ("bulk in out --format date", 2, "--format needs --read"),
        ("bulk in out --min 0", 2, "--min needs --read"),
        ("read 7.png --values none.txt", 2, "none.txt cannot be read"),
        ("bulk in out --date dmy", 2, "--date needs --read"),
        (
            "read 7.png --format money",
            2,
            "'money' is not one of 'integer', 'decimal', 'amount', 'date', 'time', "
            "'phone'",
        ),
        ("read 7.png --date dym", 2, "'dym' is not one of 'dmy', 'mdy', 'ymd'"),
        ("read 7.png --alternatives 11", 2, "11 is not in the range 0<=x<=10"),
        ("read 7.png --length 65", 2, "65 is not in the range 1<=x<=64"),
        (
            "predict 7.png --local --url http://127.0.0.1:8000",
            2,
            "--local and --url cannot be used together",
        ),
        (
            "predict 7.png --output 7.txt",
            2,
            "7.txt must end in .csv, .parquet, .json, .jsonl, .ndjson",
        ),
        ("predict 7.png --min-confidence 90", 2, "90.0 is not in the range 0<=x<=1"),
        ("predict 7.png --resume", 2, "--resume needs --output"),
        ("predict 7.png --model digits.onnx", 2, "--model needs --local"),
        ("predict 7.png --lines-model lines.onnx", 2, "No such option: --lines-model"),
        ("read 7.png --lines-model lines.onnx", 2, "--lines-model needs --local"),
        ("read 7.png --model digits.onnx", 2, "No such option: --model"),
        (
            "read 7.png --local --lines-model /nowhere.onnx",
            1,
            r"^/nowhere\.onnx: no such file\. ",
        ),
        (
            "predict PICTURE PICTURE --url http://127.0.0.1:9",
            1,
            r"^http://127\.0\.0\.1:9 does not answer \(Connect",
        ),
        (
            "predict PICTURE PICTURE --csv --url http://127.0.0.1:9",
            1,
            r"^http://127\.0\.0\.1:9 does not answer \(",
        ),
        ("info --api-key ключ", 1, "^The API key has characters that cannot be sent: "),
        (
            "DIGITS_API_KEY=a\x07b info",
            1,
            "^The API key has characters that cannot be sent: ",
        ),
        (
            f"serve --model {LINES_MODEL}",
            1,
            r"lines\.onnx: has .*; expected float32 pixels",
        ),
        (
            f"serve --lines-model {MODEL}",
            1,
            r"digits\.onnx: has .*; expected float32 strips",
        ),
        (
            f"DIGITS_LINES_MODEL={__file__} serve",
            1,
            r"test_cli\.py: truncated, or not an ONNX model",
        ),
        (
            f"DIGITS_PAGES_MODEL={LINES_MODEL} serve",
            1,
            r"lines\.onnx: has .*; expected float32 pictures",
        ),
        (
            f"DIGITS_PAGES_MODEL={__file__} serve --workers 2",
            1,
            r"test_cli\.py: truncated, or not an ONNX model",
        ),
        (
            "DIGITS_PAGES_MODEL=/nowhere.onnx read PICTURE --local",
            1,
            r"^/nowhere\.onnx: no such file\. ",
        ),
        (
            "serve --port IN_USE",
            1,
            r"^127\.0\.0\.1:\d+: Address already in use\. Choose another address "
            r"with --host",
        ),
        ("serve --port 70000", 1, "^DIGITS_PORT: .*less than or equal to 65535"),
        (
            "serve --host 192.0.2.1",
            1,
            r"^192\.0\.2\.1:8000: Cannot assign requested address\. Choose another "
            r"addr",
        ),
        (
            "serve --host nowhere.invalid",
            1,
            r"^The host nowhere\.invalid is unknown\. Choose another one with --host",
        ),
        ("serve --host a..b", 1, r"^The host a\.\.b is unknown\. "),
        ("serve --workers 100000", 1, "^DIGITS_WORKERS: .*less than or equal to 1024"),
        (
            "DIGITS_PORT=many serve --port 8080",
            1,
            r"^DIGITS_PORT: .*valid integer.* \(it is 'many'\)\.$",
        ),
        (
            "DIGITS_LOG_FORMAT=xml serve",
            1,
            r"^DIGITS_LOG_FORMAT: .*'auto', 'text' or 'json' \(it is 'xml'\)\.$",
        ),
        (
            "DIGITS_API_KEYS=geheim,schlüssel serve",
            1,
            "^DIGITS_API_KEYS: write one or more keys of ASCII [^']*$",
        ),
        (
            "DIGITS_API_KEYS_FILE=/nowhere/keys serve",
            1,
            r"^/nowhere/keys: cannot be read \(No such file.*\)\.$",
        ),
        (
            "DIGITS_API_KEYS_FILE=/dev/null serve --workers 2",
            1,
            r"^/dev/null: has no keys\.$",
        ),
    ],
)
def test_a_user_error_is_reported_in_one_sentence(url, files, line, code, message):
    words = (
        line.replace("IN_USE", url.rsplit(":", 1)[1])
        .replace("PICTURE", str(files[0]))
        .split()
    )
    environment = dict(word.split("=") for word in words if word.startswith("DIGITS_"))
    done = invoked(*words[len(environment) :], **environment)
    assert (done.exit_code, done.stdout) == (code, "")
    assert re.search(message, done.stderr)
    assert code == 2 or done.stderr.count("\n") == 1


WITH_ALMOST_FULL_MEMORY = (
    "mount -t tmpfs -o size=64k x /dev/shm && head -c 60K /dev/zero >/dev/shm/x && "
    'exec "$@"'
)


@pytest.mark.parametrize(
    "command",
    ["serve --port 0", "serve --port 0 --workers 2", "bulk FOLDER FOLDER/out"],
)
def test_without_room_for_the_semaphores_of_its_processes_a_command_says_what_to_do(
    files, command
):
    mounting = tool("unshare", "--map-root-user", "--mount")
    if subprocess.run([*mounting, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    words = command.replace("FOLDER", str(files[0].parent)).split()
    shell = [*mounting, "bash", "-c", WITH_ALMOST_FULL_MEMORY, "bash", DIGITS]
    done = subprocess.run([*shell, *words], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    said = (
        r"cannot be started \(No space left on device\): free or enlarge /dev/shm.*\.$"
    )
    assert re.search(said, done.stderr.splitlines()[-1])


@pytest.mark.parametrize("to_file", [True, False])
def test_ctrl_c_stops_a_command_at_once_and_says_how_to_go_on(files, tmp_path, to_file):
    asked = threading.Event()
    output = tmp_path / "a.csv"

    def respond(request):
        if request.body != files[0].read_bytes():
            asked.set()
            time.sleep(30)
        return 200, {}, SEVEN

    with answering(respond) as url:
        options = ("--output", output) if to_file else ()
        process = process_of("predict", *files, "--url", url, "--jobs", "2", *options)
        assert until(asked.is_set, 30)
        assert until(lambda: not to_file or output.read_text().count("\n") == 2)
        process.send_signal(signal.SIGINT)
        said = (
            "1 of 2 done. The same command goes on with --resume.\n" if to_file else ""
        )
        assert process.communicate(timeout=5)[1] == said
    assert process.returncode == -signal.SIGINT


def test_a_closed_pipe_stops_a_command_silently(files):
    def respond(asked):
        count = asked.body.count(b'name="files"')
        return 200, {}, {"results": [SEVEN] * count} if count > 1 else SEVEN

    with answering(respond) as url:
        process = process_of("predict", *[files[0]] * 5000, "--url", url)
        assert ".png: 7" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait(30) == -signal.SIGPIPE


@pytest.mark.parametrize(
    ("target", "lines", "message"),
    [
        ("2>&-", 3, ""),
        ("2>/dev/full", 3, ""),
        (">&-", 0, "none.png: No such"),
        (">/dev/full", 0, ": No space left"),
    ],
)
def test_what_cannot_be_written_stops_no_answer_and_gives_no_traceback(
    files, target, lines, message
):
    with answering(lambda _: (200, {}, SEVEN)) as url:
        command = (
            f"'{DIGITS}' predict --json {files[0]} none.png {files[1]} --url {url} "
            f"{target}"
        )
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, timeout=60
        )
    assert (done.returncode, len(done.stdout.splitlines())) == (1, lines)
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr


def test_a_terminal_shows_colours_and_progress(url, files):
    with at_a_terminal("predict", *files * 10, "none.png", "--url", url) as (_, screen):
        shown = shown_at(screen)
    assert "of 21" in shown
    assert "\x1b[32m" in shown
    assert "none.png: No such file or directory." in shown
    assert len(re.findall(r"/[37]\.png: ", shown)) == 20
    assert not any(
        "of 21" in line and ".png" in line for line in re.split(r"[\r\n]+", shown)
    )


@pytest.mark.parametrize("command", ["predict", "read", "predict --csv"])
def test_bars_fit_the_terminal_and_a_long_name_is_whole_but_cannot_control_it(
    url, files, command
):
    name = files[1].rename(files[1].with_name("\x1b]0;title\x1b.png"))
    with at_a_terminal(*command.split(), name, "--url", url, NO_COLOR="1") as (
        _,
        screen,
    ):
        shown = shown_at(screen)
    assert not re.search(r"\x1b\](0;|\[3)", shown)
    assert str(name).replace("\x1b", "�") in shown
    if "csv" not in command:
        _, *bars = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
        assert len(bars) in (1, 10)
        assert max(map(cell_len, bars)) <= 40


LIBRARIES = "import fastapi, numpy, onnxruntime, PIL.Image, prometheus_client, uvicorn"


@pytest.mark.alone
def test_the_service_is_ready_in_a_few_times_the_time_that_its_libraries_take():
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    importing = time.perf_counter() - started
    started = time.perf_counter()
    with serving() as (_, url):
        assert httpx2.get(f"{url}/health").status_code == 200
        took = time.perf_counter() - started
    assert took < 6 * importing  # measured: 2.5 to 4


def test_a_misspelt_setting_is_a_warning():
    misspelt = {"DIGITS_MAX_PIXEL": "1000", "DIGITS_URL": "http://127.0.0.1:8000"}
    said = invoked("serve", "--host", "nowhere.invalid", **misspelt).stderr
    sentence = (
        r"DIGITS_MAX_PIXEL is not a setting of Digits\. Did you mean "
        r"DIGITS_MAX_PIXELS\?"
    )
    assert re.fullmatch(
        rf'{{"event":"{sentence}","level":"warning",.*}}\nThe host nowhere\.invalid '
        r"is .*\n",
        said,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_prints_its_address_and_stops_on_ctrl_c(workers, digits):
    said = (
        r"Digits [\d.]+, digits model [0-9a-f]{12}, lines model [0-9a-f]{12}, pages "
        r"model [0-9a-f]{12}, on (http://127\.0\.0\.1:\d+)"
    )
    started = rf"\d\d:\d\d:\d\d {said} \(Ctrl-C stops it\)\r\n"
    with at_a_terminal("serve", "--port", 0, "--workers", workers) as (process, screen):
        shown = shown_at(screen, started)
        assert re.fullmatch(started, shown)
        url = re.search(started, shown)[1]
        assert (
            httpx2.post(
                f"{url}/predict", content=encode(drawing(digits[350])), timeout=30
            ).json()["digit"]
            == 7
        )
        assert httpx2.get(f"{url}/none", timeout=30).status_code == 404
        logged = r"POST /predict 200 \d+\.\d ms\r\n(.|\s)*GET /none 404 \d+\.\d ms"
        assert re.search(logged, shown_at(screen, "/none.*ms"))
        screen.write(b"\x03")  # Ctrl-C, which reaches the workers and decoders too
        assert re.fullmatch(
            r"(\x1b\[0m)?\s*(\^C)?\s*\d\d:\d\d:\d\d stopped\s*", shown_at(screen)
        )
        assert process.wait(30) == 0


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_ctrl_c_while_workers_start_is_silent(seconds):
    with at_a_terminal("serve", "--port", 0, "--workers", 2) as (process, screen):
        shown_at(screen, "Ctrl-C stops it")
        time.sleep(seconds)
        screen.write(b"\x03")
        assert re.fullmatch(
            r"\)?\s*(\^C)?\s*\d\d:\d\d:\d\d stopped\s*", shown_at(screen)
        )
        assert process.wait(30) == 0
