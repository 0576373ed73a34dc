"""`--watch`: what is copied into a folder, however slowly, has a row, and only one."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest
import yaml

from answers import LINE, NUMBER, rows_in
from app.many.client import Client
from app.many.output import Output
from app.many.pictures import all_pages
from app.many.watch import Watch
from app.picture.file_formats import ENDINGS
from commands import DIGITS, invoked, process_of, tool
from paths import ROOT
from pictures import document, drawing, encode
from services import until
from stand_ins import answering

pytestmark = pytest.mark.slow

OFTEN = 0.2  # seconds between looks
KILLS_AT = (60, 140, 220)  # rows


def text_of(data: bytes, page: object = 1) -> str:
    """Return the text that the service reads, which tells a file and its pages."""
    return f"{crc32(data)}/{page}"


def answer(request):
    page = request.path.partition("page=")[2]
    text = text_of(request.body, page or 1)
    return 200, {}, {**NUMBER, "text": text, "lines": [{**LINE, "text": text}]}


def at_once(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def slowly(path: Path, data: bytes) -> None:
    """Longer than between two looks, so that the first half may be taken for all."""
    half = len(data) // 2
    with path.open("wb") as file:
        for part in (data[:half], data[half:]):
            file.write(part)
            file.flush()
            time.sleep(2.5 * OFTEN)


def growing(path: Path, data: bytes) -> None:
    """As a scanner writes a PDF."""
    with path.open("wb") as file:
        for begin in range(0, len(data), 1000):
            file.write(data[begin : begin + 1000])
            file.flush()
            time.sleep(OFTEN / 4)


def renamed(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(data)
    unfinished.rename(path)


def from_a_hidden_file(path: Path, data: bytes) -> None:
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(data)
    time.sleep(OFTEN)
    unfinished.replace(path)


def in_a_new_folder(path: Path, data: bytes) -> None:
    folder = path.parent / f"of {path.stem}"
    folder.mkdir()
    (folder / path.name).write_bytes(data)


WAYS = [at_once, renamed, slowly, from_a_hidden_file, in_a_new_folder, at_once]


def scans(digits) -> list[tuple[Callable[[Path, bytes], None], str, bytes]]:
    """Return how each of 300 files arrives, its name and its content."""
    found = []
    for place in range(300):
        picture = drawing(digits[place])
        if place % 60 == 59:
            found.append((growing, f"{place:03}.PDF", document([picture])))
        else:
            name = f"{place:03}.{('png', 'PNG', 'Jpg')[place % 3]}"
            kind = "JPEG" if place % 3 == 2 else "PNG"
            found.append((WAYS[place % len(WAYS)], name, encode(picture, kind)))
    return found


def names_in(output: Path) -> list[str]:
    return [name for name, _ in texts_in(output)]


@contextmanager
def killed_at_the_end(*arguments) -> Iterator[subprocess.Popen]:
    """Run a command, unless it ends by itself before."""
    with process_of(*arguments) as command:
        try:
            yield command
        finally:
            command.kill()


def texts_in(output: Path) -> list[tuple[str, str]]:
    """Return the name and the text of each row."""
    if not output.exists():
        return []
    return [(Path(row["file"]).name, row.get("text")) for row in rows_in(output)]


@pytest.mark.alone
def test_300_files_that_arrive_in_pieces_have_a_row_each_despite_three_kills(
    tmp_path, digits
):
    folder = tmp_path / "scans"
    folder.mkdir()
    output = tmp_path / "results.csv"
    arriving = scans(digits)

    def copy(some) -> None:
        for write, name, data in some:
            write(folder / name, data)

    parts = (arriving[first::13] for first in range(13))
    copies = [threading.Thread(target=copy, args=(part,)) for part in parts]
    expected = [(name, text_of(data)) for _, name, data in arriving]
    with answering(answer) as url:
        given = "read", folder, "--output", output, "--url", url, "--watch", OFTEN
        for each in copies:
            each.start()
        for count in KILLS_AT:
            with killed_at_the_end(*given):
                assert until(lambda: len(texts_in(output)) >= count, 60)  # noqa: B023
        with killed_at_the_end(*given) as command:
            for each in copies:
                each.join()
            until(lambda: sorted(texts_in(output)) == expected, 60)
            command.send_signal(2)
            said = command.communicate(timeout=30)[1]
    assert sorted(texts_in(output)) == expected
    assert said == "Looking for new files every 0.2 s, until Ctrl-C.\n"
    assert command.returncode == -2


def test_without_a_service_digits_are_read_and_pdfs_are_not(tmp_path, digits, labels):
    output = tmp_path / "results.jsonl"
    given = "predict", tmp_path, "--local", "--output", output, "--watch", OFTEN
    expected = {}
    (tmp_path / "a.pdf").write_bytes(document([drawing(digits[0])]))
    for some in (range(0, 250, 20), range(250, 500, 20)):
        for each in some:
            expected[f"{each:03}.PNG"] = labels[each]
            (tmp_path / f"{each:03}.PNG").write_bytes(encode(digits[each]))
        with killed_at_the_end(*given):
            is_done = until(lambda: len(names_in(output)) == len(expected), 30)
        assert is_done
    found = {Path(row["file"]).name: row["digit"] for row in rows_in(output)}
    assert found == expected


@contextmanager
def watching(output: Path, *names: Path, respond=answer) -> Iterator[None]:
    """Watch files and folders in a thread, which ends with the service."""
    ended = threading.Event()

    def sleep(seconds: float) -> None:
        if ended.wait(seconds):
            raise KeyboardInterrupt

    with answering(respond) as url, Client(url, None, 4) as service:
        watch = Watch([*map(str, names)], ENDINGS, OFTEN, 2 * OFTEN, sleep)
        to_file = Output(False, False, output, False, 0, watch=OFTEN)
        pictures_of = partial(all_pages, page=None)
        given = "text", service.texts, watch, pictures_of

        def follow() -> None:
            with suppress(KeyboardInterrupt):
                to_file.follow(*given)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


UNIT = ROOT / "deploy" / "systemd" / "digits-watch.service"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["watch"]
COMMANDS = {
    "systemd": re.search(r"(?m)^ExecStart=(.*)", UNIT.read_text())[1],
    "compose": COMPOSE["command"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_commands_for_systemd_and_compose_read_what_arrives(
    name, tmp_path, monkeypatch, digits
):
    program, command, _, option, file, *often = COMMANDS[name].split()
    assert Path(program).name == "digits"
    assert often == ["--watch", "10"]
    data = encode(drawing(digits[0]))
    (tmp_path / "a.png").write_bytes(data)
    output = tmp_path / Path(file).name
    with answering(answer) as url:
        monkeypatch.setenv("DIGITS_URL", url)
        monkeypatch.setenv("DIGITS_API_KEY", "")  # as where there are no keys
        with killed_at_the_end(command, tmp_path, option, output, "--watch", OFTEN):
            is_read = until(lambda: texts_in(output) == [("a.png", text_of(data))], 30)
    assert is_read


def test_systemd_accepts_the_unit(tmp_path):
    unit = UNIT.read_text().replace("/opt/digits/bin/digits", DIGITS)
    (tmp_path / UNIT.name).write_text(unit)
    verify = tool("systemd-analyze", "verify", str(tmp_path / UNIT.name))
    done = subprocess.run(verify, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "results.csv"


@pytest.mark.alone
def test_a_file_is_read_once_it_no_longer_changes_and_not_again(
    tmp_path, output, digits
):
    asked = []

    def respond(request):
        asked.append(request.body)
        return answer(request)

    file = tmp_path / "a.png"
    data = encode(drawing(digits[0]))
    with watching(output, tmp_path, respond=respond):
        for end in range(1, len(data) + 1, len(data) // 20):
            file.write_bytes(data[:end])
            time.sleep(OFTEN / 4)
        file.write_bytes(data)
        assert until(lambda: texts_in(output) == [("a.png", text_of(data))])
        written = output.stat()
        time.sleep(5 * OFTEN)
        assert output.stat() == written
    assert asked == [data]


def test_a_new_file_is_added_and_only_a_changed_one_replaces_the_others(
    tmp_path, output, digits
):
    first, second, other = (encode(drawing(digit)) for digit in digits[:3])
    (tmp_path / "a.png").write_bytes(first)
    with watching(output, tmp_path):
        assert until(lambda: len(texts_in(output)) == 1)
        written = output.stat().st_ino
        (tmp_path / "b.png").write_bytes(second)
        assert until(lambda: len(texts_in(output)) == 2)
        assert output.stat().st_ino == written
        (tmp_path / "a.png").write_bytes(other)
        names = [("b.png", text_of(second)), ("a.png", text_of(other))]
        assert until(lambda: texts_in(output) == names)


def test_a_document_that_gains_pages_has_them_all(tmp_path, output, digits):
    pages = [drawing(digit) for digit in digits[:3]]
    short, long = document(pages[:1]), document(pages)
    with watching(output, tmp_path):
        (tmp_path / "a.pdf").write_bytes(short)
        assert until(lambda: texts_in(output) == [("a.pdf", text_of(short))])
        (tmp_path / "a.pdf").write_bytes(long)
        texts = [("a.pdf", text_of(long, page)) for page in (1, 2, 3)]
        assert until(lambda: texts_in(output) == texts)


def test_files_and_folders_may_come_and_go(tmp_path, output, digits, capsys):
    folder, single = tmp_path / "scans", tmp_path / "single.png"
    away = tmp_path / "away"
    data = encode(drawing(digits[0]))
    with watching(output, folder, single):
        time.sleep(3 * OFTEN)
        folder.mkdir()
        (folder / "a.png").write_bytes(data)
        assert until(lambda: len(texts_in(output)) == 1)
        folder.rename(away)  # as a drive that is unmounted
        time.sleep(3 * OFTEN)
        (away / "b.png").write_bytes(data)
        away.rename(folder)
        assert until(lambda: len(texts_in(output)) == 2)
        (folder / "a.png").unlink()
        single.write_bytes(data)
        assert until(lambda: len(texts_in(output)) == 3)
    assert [name for name, _ in texts_in(output)] == ["a.png", "b.png", "single.png"]
    said = capsys.readouterr().err.splitlines()
    waits = "cannot be opened: waiting for it."
    expected = [f"{folder} {waits}", f"{single} {waits}", f"{folder} {waits}"]
    assert said[1:] == expected


def test_a_file_that_cannot_be_opened_does_not_keep_others_from_being_read(
    tmp_path, output, digits
):
    data, other = (encode(drawing(digit)) for digit in digits[:2])
    (tmp_path / "a.png").symlink_to(tmp_path / "later")
    with watching(output, tmp_path):
        assert until(lambda: texts_in(output) == [("a.png", "")])
        (tmp_path / "b.png").write_bytes(other)
        both = [("a.png", ""), ("b.png", text_of(other))]
        assert until(lambda: sorted(texts_in(output)) == both)
        (tmp_path / "later").write_bytes(data)
        both[0] = "a.png", text_of(data)
        assert until(lambda: sorted(texts_in(output)) == both)


def test_only_a_problem_of_the_moment_is_tried_again(tmp_path, output, digits):
    fault, damaged = (encode(drawing(digit)) for digit in digits[:2])
    problems = {fault: (500, "internal-error"), damaged: (422, "corrupt-image")}
    asked = []

    def respond(request):
        asked.append(request.body)
        if request.body == fault and asked.count(fault) == 3:
            return answer(request)
        status, name = problems[request.body]
        return status, {}, {"type": f"/problems/{name}", "detail": "It is not read."}

    (tmp_path / "a.png").write_bytes(fault)
    (tmp_path / "b.png").write_bytes(damaged)
    with watching(output, tmp_path, respond=respond):
        both = [("a.png", text_of(fault)), ("b.png", "")]
        assert until(lambda: sorted(texts_in(output)) == both)
        time.sleep(5 * OFTEN)
    assert (asked.count(fault), asked.count(damaged)) == (3, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("scans", "--watch", "1"), "--watch needs --output."),
        (("-", "--watch", "1", "--output", "a.csv"), "not standard input"),
        (("scans", "--watch", "0", "--output", "a.csv"), "0.1<=x<=86400"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "read"])
def test_an_option_that_cannot_be_used_is_an_error(command, options, said):
    done = invoked(command, *options)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
