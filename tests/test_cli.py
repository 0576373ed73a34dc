"""`digits serve`, `digits predict`, `digits read` and `digits info` as a user runs them."""

import csv
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import httpx2
import onnx
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from app.cli.commands import cli
from app.inference.lines import LineNetwork
from support import (
    DIGITS,
    LINES_MODEL,
    MODEL,
    NUMBER,
    POINT,
    SEVEN,
    answering,
    busy,
    drawing,
    encode,
    flat,
    letter,
    number,
    serving,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def files(tmp_path, digits) -> list[Path]:
    paths = [tmp_path / f"{digit}.png" for digit in (3, 7)]
    for path, image in zip(paths, (digits[150], digits[350]), strict=True):
        path.write_bytes(encode(drawing(image)))
    return paths


def digits_command(*arguments, stdin=subprocess.DEVNULL, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [DIGITS, *map(str, arguments)],
        stdin=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def invoked(*arguments, **environment):
    """Run a command in this process, which has already imported everything."""
    return CliRunner().invoke(cli, [*map(str, arguments)], env=environment)


@contextmanager
def at_a_terminal(*arguments, columns=200, **environment) -> Iterator[tuple[subprocess.Popen, BinaryIO]]:
    """Run a command in its own terminal; yields its process, and the screen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    opened = f': <{os.ttyname(theirs)}; exec "$@"'  # by the session leader, which makes it the controlling terminal
    with open(ours, "r+b", buffering=0) as screen:
        process = subprocess.Popen(
            ["sh", "-c", opened, "sh", DIGITS, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={
                **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
                "TERM": "xterm",
                **environment,
            },
        )
        os.close(theirs)
        try:
            yield process, screen
        finally:
            process.kill()
            process.wait(30)


def shown_at(screen: BinaryIO, until: str | None = None) -> str:
    """Return what a terminal shows until a text appears, or to the end."""
    shown = b""
    with suppress(OSError):  # a terminal ends with an error
        while not (until and re.search(until, shown.decode(errors="replace"))) and (data := screen.read(65536)):
            shown += data
    return shown.decode()


def on_a_terminal(*arguments, columns=200, **environment) -> str:
    """Return what a command prints to a terminal."""
    with at_a_terminal(*arguments, columns=columns, **environment) as (process, screen):
        shown = shown_at(screen)
        process.wait(30)
        return shown


def test_one_picture_gets_a_bar_for_each_digit(url, files):
    done = digits_command("predict", files[1], "--url", url)
    heading, *bars = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r".*/7.png: 7 \(>?\d+\.\d%\)", heading)
    assert [bar.split()[0] for bar in bars] == list("0123456789")
    assert max(bars, key=lambda bar: bar.count("█")) == bars[7]


def test_several_pictures_get_a_line_each_in_their_order(url, files):
    done = invoked("predict", files[1], files[0], "--url", url)
    assert (done.exit_code, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert re.fullmatch(rf"{files[1]}: 7 \(>?\d+\.\d%\)", first)
    assert re.fullmatch(rf"{files[0]}: 3 \(>?\d+\.\d%\)", second)


def test_a_picture_that_is_probably_not_a_digit_is_marked(url, files, tmp_path):
    (tmp_path / "A.png").write_bytes(encode(letter("A")))
    heading = invoked("predict", tmp_path / "A.png", "--url", url).stdout.splitlines()[0]
    assert re.search(r"%\), probably not a digit$", heading)
    drawn, printed = invoked("predict", files[1], tmp_path / "A.png", "--url", url).stdout.splitlines()
    assert printed.endswith("probably not a digit")
    assert drawn.endswith("%)")


def test_a_folder_means_its_pictures(url, files, tmp_path):
    (tmp_path / "labels.csv").write_text("3.png,3\n7.png,7\n")
    lines = invoked("predict", tmp_path, "--json", "--url", url).stdout.splitlines()
    assert [json.loads(line)["file"] for line in lines] == list(map(str, files))


def test_a_folder_without_pictures_is_an_error(url, tmp_path):
    done = invoked("predict", tmp_path, "--url", url)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"{tmp_path}: The folder has no pictures")


def test_a_picture_may_come_from_standard_input(url, files):
    with files[0].open("rb") as picture:
        done = digits_command("predict", "-", "--url", url, stdin=picture)
    assert done.stdout.startswith("-: 3 (")


def test_csv_has_one_row_per_picture(url, files):
    done = invoked("predict", *files, "--csv", "--url", url)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["file"], row["digit"], row["error"]) for row in rows] == [
        (str(files[0]), "3", ""),
        (str(files[1]), "7", ""),
    ]
    assert all(float(row[f"p{row['digit']}"]) == float(row["confidence"]) for row in rows)
    assert all(float(row["legibility"]) > 0.9 for row in rows)


def test_the_address_may_come_from_the_environment(url, files):
    assert invoked("predict", files[0], DIGITS_URL=url).exit_code == 0


def test_unreadable_files_are_named_and_the_rest_is_read(url, files, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    done = invoked("predict", tmp_path / "text.png", tmp_path / "none.png", files[0], "--json", "--url", url)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1
    assert [line.get("digit") for line in lines] == [None, None, 3]
    assert "text.png: The file is not a picture" in done.stderr
    reasons = [f"{line['file']}: {line['error']}" for line in lines[:2]]
    assert done.stderr.splitlines() == [*reasons, "2 of 3 could not be read."]
    assert lines[1]["error"] == "No such file or directory."


@pytest.mark.parametrize("options", [(), ("--json",), ("--csv",)])
def test_an_unreachable_service_is_reported_once(files, options):
    done = invoked("predict", *files, *options, "--url", "http://127.0.0.1:9")
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(r"http://127\.0\.0\.1:9 does not answer \(Connection refused\): .*\n", done.stderr)


def test_local_predictions_match_the_service(url, digits, tmp_path):
    for place, image in enumerate(digits[::10]):
        (tmp_path / f"{place:02}.png").write_bytes(encode(image))
        (tmp_path / f"{place:02}-drawn.png").write_bytes(encode(drawing(image)))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "blank.png").write_bytes(encode(drawing(0 * digits[0])))
    (tmp_path / "empty.png").touch()
    asked = invoked("predict", tmp_path, "--json", "--url", url)
    local = digits_command("predict", tmp_path, "--json", "--local")
    assert len(local.stdout.splitlines()) == 103
    assert (local.returncode, local.stdout, local.stderr) == (asked.exit_code, asked.stdout, asked.stderr)


def test_local_predictions_refuse_illegible_pictures_like_the_service(files, tmp_path):
    (tmp_path / "A.png").write_bytes(encode(letter("A")))
    with serving(DIGITS_MIN_LEGIBILITY="0.5") as (_, url):
        asked = invoked("predict", tmp_path, "--json", "--url", url)
    local = invoked("predict", tmp_path, "--json", "--local", DIGITS_MIN_LEGIBILITY="0.5")
    assert re.match(r".*A\.png: The picture does not look like one whole digit: ", asked.stderr)
    assert asked.stderr.endswith("\n1 of 3 could not be read.\n")
    assert (local.exit_code, local.stdout, local.stderr) == (asked.exit_code, asked.stdout, asked.stderr)


@pytest.fixture
def numbers(tmp_path, digits) -> list[Path]:
    """Files with 72, and with 720 above 14."""
    paths = [tmp_path / "number.png", tmp_path / "two-lines.png"]
    paths[0].write_bytes(encode(number(digits[[350, 120]])))
    paths[1].write_bytes(encode(number(digits[[350, 120, 0]], digits[[60, 200]])))
    return paths


def test_a_number_gets_a_bar_for_each_of_its_digits(url, numbers):
    done = digits_command("read", numbers[1], "--url", url)
    heading, *bars = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r".*/two-lines.png: 720 / 14 \(>?\d+\.\d%\)", heading)
    assert [bar.split()[:1] for bar in bars] == [["7"], ["2"], ["0"], [], ["1"], ["4"]]
    assert all(re.search(r"[█▉▊] +>?\d+\.\d%$", bar) for bar in bars if bar.strip())


def test_several_numbers_get_a_line_each_in_their_order(url, numbers, tmp_path):
    (tmp_path / "blank.png").write_bytes(flat(255))
    done = invoked("read", *numbers, tmp_path / "blank.png", "--url", url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line.rpartition(" (")[0] for line in done.stdout.splitlines()] == [
        f"{numbers[0]}: 72",
        f"{numbers[1]}: 720 / 14",
        f"{tmp_path / 'blank.png'}: no digits",
    ]


def test_a_part_of_a_number_that_is_probably_not_a_digit_is_marked(numbers):
    answer = json.loads(json.dumps(NUMBER))
    answer["lines"][0]["digits"][0]["legibility"] = 0.3
    with answering(lambda _: (200, {}, answer)) as url:
        assert invoked("read", numbers[0], "--url", url).stdout.endswith("90.0%  probably not a digit\n")


def test_numbers_are_written_as_json_and_csv(url, numbers):
    lines = [json.loads(line) for line in invoked("read", *numbers, "--json", "--url", url).stdout.splitlines()]
    for path, line in zip(numbers, lines, strict=True):
        assert line == {"file": str(path), **httpx2.post(f"{url}/read", content=path.read_bytes()).json()}
    rows = list(csv.DictReader(invoked("read", *numbers, "--csv", "--url", url).stdout.splitlines()))
    assert [(Path(row["file"]).name, row["line"], row["text"]) for row in rows] == [
        ("number.png", "1", "72"),
        ("two-lines.png", "1", "720"),
        ("two-lines.png", "2", "14"),
    ]
    box = lines[0]["lines"][0]["box"]
    assert {edge: int(rows[0][edge]) for edge in box} == box
    assert all(float(row["legibility"]) > 0.9 for row in rows)


@pytest.mark.parametrize("local", [True, False])
def test_a_page_is_chosen(url, digits, tmp_path, local):
    pages = [number(digits[[350, 120]]), number(digits[[50]])]
    (tmp_path / "pages.tif").write_bytes(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    where = ["--local"] if local else ["--url", url]
    for command in ("predict", "read"):
        assert ": 1 (" in invoked(command, tmp_path / "pages.tif", "--page", 2, *where).stdout
    assert "has 2 pages: choose one of them" in invoked("read", tmp_path / "pages.tif", *where).stderr
    shown = invoked("predict", *[tmp_path / "pages.tif"] * 2, "--page", 2, *where).stdout  # as a batch
    assert shown.count(": 1 (") == 2


def test_a_spreadsheet_gets_texts_that_it_does_not_change(url, digits, tmp_path):
    (tmp_path / "zeros.png").write_bytes(encode(number(digits[[0, 0, 350]])))
    (row,) = csv.DictReader(invoked("read", tmp_path, "--csv", "--spreadsheet", "--url", url).stdout.splitlines())
    assert row["text"] == '="007"'


@pytest.mark.parametrize("command", ["predict", "read"])
def test_an_unsure_answer_is_marked_for_a_person(url, files, digits, tmp_path, command):
    (tmp_path / "blurred.png").write_bytes(encode(number(digits[[350, 120]]).resize((20, 12))))
    given = command, tmp_path, "--min-confidence", "0.9", "--url", url
    assert [line.endswith("please check") for line in invoked(*given).stdout.splitlines()] == [False, False, True]
    assert [row["unsure"] for row in csv.DictReader(invoked(*given, "--csv").stdout.splitlines())] == ["", "", "yes"]
    lines = map(json.loads, invoked(*given, "--json").stdout.splitlines())
    assert [line["unsure"] for line in lines] == [False, False, True]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@pytest.mark.parametrize("command", ["predict", "read"])
def test_an_output_file_is_resumed(url, numbers, tmp_path, command, ending):
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    (tmp_path / "none.png").write_bytes(b"no picture")
    assert invoked(command, tmp_path, "--output", whole, "--url", url).exit_code == 1
    refused = invoked(command, tmp_path, "--output", whole, "--url", url)
    assert (refused.exit_code, refused.stderr) == (1, f"{whole} exists: go on with --resume, or choose another file.\n")
    for length in (0, 5, len(whole.read_bytes()) // 2, len(whole.read_bytes()) - 9):
        cut.write_bytes(whole.read_bytes()[:length])
        done = invoked(command, tmp_path, "--output", cut, "--resume", "--url", url)
        assert done.stdout == ""
        assert cut.read_text() == whole.read_text()


def test_ctrl_c_says_how_to_go_on(files, tmp_path):
    answers = iter([(200, {}, SEVEN)])
    with answering(lambda _: next(answers, None) or time.sleep(30)) as url:
        command = [DIGITS, "predict", *files, "--url", url, "--output", tmp_path / "a.csv", "--jobs", "1"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while not (tmp_path / "a.csv").exists() or (tmp_path / "a.csv").read_text().count("\n") < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[1] == "1 of 2 done. The same command goes on with --resume.\n"


def test_a_number_may_come_from_standard_input(url, numbers):
    with numbers[0].open("rb") as picture:
        assert digits_command("read", "-", "--url", url, stdin=picture).stdout.startswith("-: 72 (")


@pytest.mark.parametrize("local", [True, False])
def test_marks_are_printed_unless_they_are_not_wanted(url, digits, tmp_path, local):
    (tmp_path / "amount.png").write_bytes(encode(number([*digits[[60, 120]], POINT, *digits[[250, 0]]])))
    where = ["--local"] if local else ["--url", url]
    for options, text in (((), "12.50"), (("--marks",), "12.50"), (("--no-marks",), "1250")):
        heading, *rows = invoked("read", tmp_path / "amount.png", *options, *where).stdout.splitlines()
        assert re.search(rf": {re.escape(text)} \(", heading)
        assert "".join(row.split()[0] for row in rows) == text


@pytest.mark.parametrize("local", [True, False])
def test_a_number_is_read_with_the_given_length_or_not_at_all(url, numbers, local):
    where = ["--local"] if local else ["--url", url]
    done = invoked("read", numbers[0], "--length", "1", "--json", *where)
    assert sum(map(str.isdecimal, json.loads(done.stdout)["text"])) == 1
    done = invoked("read", numbers[0], "--length", "64", *where)
    sentence = "The picture cannot be read with a length of 64: leave the length out, or correct it."
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{numbers[0]}: {sentence}\n")


def test_local_texts_match_the_service(url, digits, numbers, tmp_path):
    for place in range(0, 500, 50):
        (tmp_path / f"{place:03}.png").write_bytes(encode(number(digits[place : place + 5])))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "blank.png").write_bytes(flat(255))
    asked = invoked("read", tmp_path, "--json", "--url", url)
    local = digits_command("read", tmp_path, "--json", "--local")
    assert len(local.stdout.splitlines()) == 14
    assert (local.returncode, local.stdout, local.stderr) == (asked.exit_code, asked.stdout, asked.stderr)


def test_a_request_to_a_busy_service_is_retried(files):
    with answering(busy(1, {"Retry-After": "1"})) as url:
        started = time.perf_counter()
        assert invoked("predict", files[1], "--url", url).exit_code == 0
        assert time.perf_counter() - started > 1


def test_a_service_with_keys_requires_one(files):
    with serving(DIGITS_API_KEYS="secret") as (_, url):
        assert invoked("predict", files[0], "--url", url, "--api-key", "secret").exit_code == 0
        assert invoked("predict", files[0], "--url", url, DIGITS_API_KEY="secret").exit_code == 0
        refused = invoked("predict", files[0], "--url", url)
    assert refused.exit_code == 1
    assert re.fullmatch(
        r"This service needs an API key: .* Set it with --api-key or DIGITS_API_KEY\.\n", refused.stderr
    )


def test_info_shows_the_state_of_the_service(url):
    health = httpx2.get(f"{url}/health").json()
    assert json.loads(invoked("info", "--json", "--url", url).stdout) == health
    shown = invoked("info", "--url", url).stdout
    assert "ok" in shown
    assert all(value in shown for model in health["models"].values() for value in model.values())


def test_info_shows_the_metadata_of_both_model_files(classifier, line_network):
    given = "--model", MODEL, "--lines-model", LINES_MODEL
    models = json.loads(digits_command("info", "--json", "--local", *given).stdout)["models"]
    assert models == {
        "digits": {"file": str(MODEL), "version": classifier.version, **classifier.metadata},
        "lines": {"file": str(LINES_MODEL), "version": line_network.version, **line_network.metadata},
    }


def test_another_model_file_may_be_used_locally(files, tmp_path):
    model = onnx.load(LINES_MODEL)
    model.metadata_props.add(key="owner", value="somebody else")
    onnx.save(model, tmp_path / "lines.onnx")
    done = digits_command("read", files[1], "--json", "--local", "--lines-model", tmp_path / "lines.onnx")
    assert json.loads(done.stdout)["model"] == LineNetwork(tmp_path / "lines.onnx").version


@pytest.mark.parametrize("command", ["info", "read 7.png"])
def test_a_missing_model_file_is_named(command):
    done = digits_command(*command.split(), "--local", "--lines-model", "/nowhere.onnx")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"/nowhere\.onnx: no such file\. .*\n", done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict"], 2, "Missing argument"),
        (["predict", "7.png", "--json", "--csv"], 2, "--json and --csv cannot be used together"),
        (["read", "7.png", "--json", "--csv"], 2, "--json and --csv cannot be used together"),
        (["read", "7.png", "--length", "0"], 2, "0 is less than 1"),
        (["read", "7.png", "--length", "65"], 2, "65 is more than 64"),
        (
            ["predict", "7.png", "--local", "--url", "http://127.0.0.1:8000"],
            2,
            "--local and --url cannot be used together",
        ),
        (["predict", "7.png", "--output", "7.txt"], 2, "7.txt must end in .csv, .json, .jsonl, .ndjson"),
        (["predict", "7.png", "--min-confidence", "90"], 2, "90.0 is not between 0 and 1"),
        (["predict", "7.png", "--resume"], 2, "--resume needs --output"),
        (["predict", "7.png", "--model", "digits.onnx"], 2, "--model needs --local"),
        (["read", "7.png", "--lines-model", "lines.onnx"], 2, "--lines-model needs --local"),
        (["info", "--url", "localhost:8000"], 1, "^localhost:8000 has no scheme: use --url http://localhost:8000$"),
        (["info", "--url", "http://127.0.0.1:9"], 1, "^http://127.0.0.1:9 does not answer"),
    ],
)
def test_a_user_error_is_reported_in_one_sentence(arguments, code, message):
    done = invoked(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert re.search(message, done.stderr)


def test_ctrl_c_stops_a_command_at_once_and_silently(files):
    asked, answered = threading.Event(), threading.Event()
    with answering(lambda _: (asked.set(), answered.wait(30)) and (200, {}, SEVEN)) as url:
        process = subprocess.Popen([DIGITS, "predict", *files, "--url", url], stderr=subprocess.PIPE)
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5)[1] == b""
        answered.set()
    assert process.returncode == -signal.SIGINT


def test_a_closed_pipe_stops_a_command_silently(files):
    with answering(lambda _: (200, {}, SEVEN)) as url:
        command = [DIGITS, "predict", *[files[0]] * 5000, "--url", url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert ".png: 7" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        process.stderr.close()
        assert process.wait(30) == -signal.SIGPIPE


@pytest.mark.parametrize("target", ["2>&-", "2>/dev/full"])
def test_a_message_that_cannot_be_written_stops_no_answer(files, target):
    command = f"'{DIGITS}' predict --local --json '{files[0]}' none.png '{files[0]}' {target}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 3
    assert done.returncode == 1


@pytest.mark.parametrize(("target", "message"), [(">&-", ""), (">/dev/full", "cannot be written: No space left")])
def test_answers_that_cannot_be_written_give_no_traceback(files, target, message):
    command = f"'{DIGITS}' predict --local --json '{files[0]}' {target}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_shows_colours_and_progress(url, files, environment, coloured):
    shown = on_a_terminal("predict", *files * 10, "none.png", "--url", url, TERM="xterm", **environment)
    assert "of 21" in shown
    assert ("\x1b[32m" in shown) == coloured
    assert "none.png: No such file or directory." in shown
    assert len(re.findall(r"/[37]\.png: ", shown)) == 20
    assert not any("of 21" in line and ".png" in line for line in re.split(r"[\r\n]+", shown))


@pytest.mark.alone
def test_the_service_is_ready_within_two_seconds():
    started = time.perf_counter()
    with serving() as (_, url):
        assert httpx2.get(f"{url}/health").status_code == 200
        assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--model", "/nowhere.onnx"], {}, "/nowhere.onnx: no such file"),
        (["--model", __file__], {}, "truncated, or not an ONNX model"),
        (["--model", LINES_MODEL], {}, r"lines.onnx: has .*; expected float32 pixels"),
        (["--lines-model", "/nowhere.onnx"], {}, "^/nowhere.onnx: no such file"),
        (["--lines-model", MODEL], {}, r"digits.onnx: has .*; expected float32 strips"),
        ([], {"DIGITS_LINES_MODEL": __file__}, f"^{re.escape(__file__)}: truncated, or not an ONNX model"),
        (["--port", "70000"], {}, "DIGITS_PORT: .*less than or equal to 65535"),
        (["--host", "192.0.2.1"], {}, "192.0.2.1:8000: Cannot assign requested address. Choose another"),
        (["--host", "nowhere.invalid"], {}, "^The host nowhere.invalid is unknown. Choose another one with --host"),
        (["--host", "a..b"], {}, "^The host a..b is unknown"),
        (["--port", "8080"], {"DIGITS_PORT": "many"}, "DIGITS_PORT: .*valid integer.*'many'"),
        (["--workers", "0"], {}, "DIGITS_WORKERS: .*greater than or equal to 1"),
        (["--workers", "100000"], {}, "DIGITS_WORKERS: .*less than or equal to 1024"),
        ([], {"DIGITS_MAX_PIXELS": "many"}, "DIGITS_MAX_PIXELS: .*valid integer.*'many'"),
        ([], {"DIGITS_LOG_FORMAT": "xml"}, "DIGITS_LOG_FORMAT: .*'auto', 'text' or 'json'.*'xml'"),
    ],
)
def test_serve_refuses_to_start_with_one_sentence(arguments, environment, message):
    done = digits_command("serve", *arguments, **environment)
    assert done.returncode == 1
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_reported(url):
    port = url.rsplit(":", 1)[1]
    done = digits_command("serve", "--port", port)
    assert done.returncode == 1
    advice = "Choose another address with --host and --port, or DIGITS_HOST and DIGITS_PORT."
    assert done.stderr == f"127.0.0.1:{port}: Address already in use. {advice}\n"


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("command", ["predict", "read"])
def test_bars_fit_the_terminal(url, tmp_path, digits, command, columns):
    (tmp_path / "7.png").write_bytes(encode(drawing(digits[350])))
    shown = on_a_terminal(command, tmp_path / "7.png", "--url", url, columns=columns)
    _, *bars = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert len(bars) in (1, 10)
    assert max(map(cell_len, bars)) <= columns


def test_names_are_not_shortened(url, files):
    shown = digits_command("predict", *files, "--url", url, COLUMNS="40").stdout
    assert [line.split(": ")[0] for line in shown.splitlines()] == list(map(str, files))


@pytest.mark.parametrize("options", [(), ("--csv",), ("--json",)])
def test_a_name_cannot_control_the_terminal(url, files, options):
    name = files[0].with_name("\x1b]0;title\x1b.png")
    files[0].rename(name)
    shown = on_a_terminal("predict", name, *options, "--url", url)
    assert "\x1b]0" not in shown
    assert "0;title" in shown


def test_marks_stand_between_the_bars_of_the_digits(files):
    with answering(lambda _: (200, {}, NUMBER)) as url:
        heading, mark, digit = invoked("read", files[0], "--url", url).stdout.splitlines()
    assert (heading.split(": ")[1], mark.strip()) == ("-7 (90.0%)", "-")
    assert digit.startswith(" 7 █")


def test_the_last_line_counts_unreadable_pictures(url, files, tmp_path):
    broken = [tmp_path / f"{name}.png" for name in "abcd"]
    for path in broken[1:]:
        path.write_bytes(b"no picture")
    good = [*files, files[0]]
    for options in ((), ("--json",), ("--csv",)):
        done = invoked("predict", *broken, *good, *options, "--url", url)
        assert done.exit_code == 1
        assert done.stderr.splitlines()[-1] == "4 of 7 could not be read."
        assert len(done.stderr.splitlines()) == 5
    assert "could not be read" not in invoked("read", broken[1], "--url", url).stderr
    assert invoked("read", *broken[:2], "--url", url).stderr.endswith("2 of 2 could not be read.\n")


def test_a_broken_connection_is_reported_in_one_sentence():
    def respond(_):
        raise ConnectionAbortedError

    with answering(respond) as url:
        done = digits_command("info", "--url", url)
    assert done.returncode == 1
    assert re.fullmatch(r"The connection failed: .*[^.]\.\n", done.stderr)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_prints_its_address_and_stops_on_ctrl_c(workers, digits):
    said = r"Digits [\d.]+, digits model [0-9a-f]{12}, lines model [0-9a-f]{12}, on (http://127\.0\.0\.1:\d+)"
    started = rf"\d\d:\d\d:\d\d {said} \(Ctrl-C stops it\)\r\n"
    with at_a_terminal("serve", "--port", 0, "--workers", workers) as (process, screen):
        shown = shown_at(screen, started)
        assert re.fullmatch(started, shown)
        url = re.search(started, shown)[1]
        assert httpx2.post(f"{url}/predict", content=encode(drawing(digits[350])), timeout=30).json()["digit"] == 7
        assert httpx2.get(f"{url}/none", timeout=30).status_code == 404
        assert re.search(
            r"POST /predict 200 \d+\.\d ms\r\n(.|\s)*GET /none 404 \d+\.\d ms", shown_at(screen, "/none.*ms")
        )
        screen.write(b"\x03")  # Ctrl-C, which reaches the workers and decoders too
        assert re.fullmatch(r"(\x1b\[0m)?\s*(\^C)?\s*\d\d:\d\d:\d\d stopped\s*", shown_at(screen))
        assert process.wait(30) == 0


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_ctrl_c_while_workers_start_is_silent(seconds):
    with at_a_terminal("serve", "--port", 0, "--workers", 2) as (process, screen):
        shown_at(screen, "Ctrl-C stops it")
        time.sleep(seconds)
        screen.write(b"\x03")
        assert re.fullmatch(r"\)?\s*(\^C)?\s*\d\d:\d\d:\d\d stopped\s*", shown_at(screen))
        assert process.wait(30) == 0


def test_an_invalid_setting_is_shown_unless_it_is_a_key():
    said = digits_command("serve", DIGITS_API_KEYS="schlüssel,geheim", DIGITS_PORT="geheim").stderr.splitlines()
    assert [line.partition(": ")[0] for line in said] == ["DIGITS_PORT", "DIGITS_API_KEYS"]
    assert said[0].endswith(" (it is 'geheim').")
    assert "geheim" not in said[1]


def test_a_misspelt_setting_is_a_warning_in_the_configured_format():
    misspelt = {"DIGITS_MAX_PIXEL": "1000", "DIGITS_URL": "http://127.0.0.1:8000"}
    sentence = "DIGITS_MAX_PIXEL is not a setting of Digits. Did you mean DIGITS_MAX_PIXELS?"
    with serving(DIGITS_LOG_FORMAT="text", **misspelt) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    done = digits_command("serve", "--host", "nowhere.invalid", **misspelt)
    warning, refusal = done.stderr.splitlines()
    assert json.loads(warning)["event"] == sentence
    assert json.loads(warning)["level"] == "warning"
    assert refusal.startswith("The host nowhere.invalid is unknown.")
    done = digits_command("serve", "--host", "nowhere.invalid", DIGITS_LOG_FORMAT="text", **misspelt)
    assert done.stderr.splitlines()[0].endswith(f" warning: {sentence}")


def test_an_error_cannot_control_the_terminal(files):
    with answering(lambda _: (401, {}, {"detail": "\x1b]0;title\x1b\\"})) as url:
        result = CliRunner().invoke(cli, ["predict", str(files[0]), "--url", url])
    assert result.exit_code == 1
    assert "title" in result.stderr
    assert "\x1b" not in result.stderr
