"""Break a running service and a running `digits bulk`, under load, and check that
nothing goes wrong.

    make faults [ARGS="--kills 20 --suspensions 5 --replacements 5 --seed 0"]

Clients send pictures to a service of two workers, and `digits bulk` reads folder after
folder. Meanwhile, processes of both are killed, or suspended for longer than a picture
may take; the model files are overwritten in place, with another network or half a file,
and restored. Exits with 1 if

- an answer or a row is not what the same code reads undisturbed, with the first model
  files,
- a picture is not answered within a minute, although it is sent again after 503 or a
  lost connection,
- `digits bulk`, started again until it says that no picture is left, leaves one without
  a row, or with two, or
- a process or a temporary file is left at the end.

Linux only. Needs the extra `bulk`.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import BytesIO
from itertools import count, cycle, islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Annotated, Any

import httpx2
import onnx
import pyarrow.dataset as ds
import typer
from onnx import helper
from PIL import Image

from app.digit.reading import Reading, read_digit
from app.many.rows import unanswered
from app.picture.errors import TooComplex
from app.text.transcription import Transcription
from measuring import Served, header, held_out, row
from servers import DIGITS, SERVE, URL, all_cores, running
from training.options import LINES_MODEL, MODEL, PAGES_MODEL
from training.writing.drawing import png
from training.writing.scenes import number, render
from training.writing.sheets import jpeg, opened

ROUTES = {"digit": "/predict", "text": "/read"}
MODELS = {
    "DIGITS_MODEL": MODEL,
    "DIGITS_LINES_MODEL": LINES_MODEL,
    "DIGITS_PAGES_MODEL": PAGES_MODEL,
}
# Whose processes, known by the name of their folder for temporary files, and which of
# them: "" stands for all.
KILLED = (
    ("serve", "decoder"),
    ("serve", "worker"),
    ("bulk", "decoder"),
    ("bulk", "worker"),
    ("bulk", "main"),
)
# The same, and for how many seconds.
SUSPENDED = (
    ("serve", "decoder", 4),
    ("serve", "", 8),
    ("bulk", "decoder", 4),
    ("bulk", "", 8),
)
REPLACED_SECONDS = 8
# Mean seconds before faults, and before requests.
PROCESS_PAUSE = 3
MODEL_PAUSE = 8
REQUEST_PAUSE = 0.1
CLIENTS = 4
COPIES = 8  # of each picture in a folder
PATIENCE = 60  # maximum seconds until an answer or a process
RUN_SECONDS = 300  # maximum for a run of `digits bulk`
RUNS = 30  # maximum number of runs
RUN_ENDED = "runs of digits bulk with exit status {}"
DONE = " pictures done: "  # in the summary at the end of a run
LEFT = " pictures are left: "
FINE = {
    "answers right",
    "answers 503, sent again",
    "connections lost, sent again",
    "rows right",
    RUN_ENDED.format(1),  # some pictures are refused
    RUN_ENDED.format(-signal.SIGKILL),
}

# What is read, or why nothing is; and the version of the model.
Answer = tuple[str, str]
Picture = tuple[bytes, dict[str, Answer]]  # a file, and the right answer of each route
Seen = Counter[str]


def pictures(seed: int) -> list[Picture]:
    """Make pictures of many kinds, and bad files, each with its right answers."""
    networks = Served.committed()
    test = held_out("test")
    reads = {
        "digit": (
            partial(read_digit, classifier=networks.digits, opinion=networks.opinion),
            networks.digit_model,
        ),
        "text": (networks.transcription, networks.text_model),
    }
    images = test.images[::500].numpy()
    files = [png(Image.fromarray(image)) for image in images]
    for index, image in enumerate(images[:12]):
        photo = opened(render("phone-photo", image, seed, index))
        files += [jpeg(photo.resize((1440, 1080))), png(photo)]
        if index < 2:
            files.append(png(photo.resize((1800, 1350))))  # decoded alone
    for scene, index in product(("spaced", "photo", "on-lines"), range(8)):
        file, _ = number(scene, test, seed, index)
        files.append(file)
    files += [b"text", files[0][:100]]

    def answers(file: bytes) -> dict[str, Answer]:
        found = {}
        for kind, (read, model) in reads.items():
            try:
                outcome = read(file)
            except Exception as error:
                outcome = error
            found[kind] = answer_of(outcome, kind, model)
        return found

    sent = [(file, answers(file)) for file in files]
    refused = {
        kind: answer_of(TooComplex(), kind, model) for kind, (_, model) in reads.items()
    }
    return [*sent, (large_gif(), refused)]


def answer_of(
    outcome: Reading | Transcription | Exception, kind: str, model: str
) -> Answer:
    """Return what a reading or a text says, or why there is none."""
    if isinstance(outcome, Exception):
        return f"refused as {unanswered(outcome).problem}", model
    return str(getattr(outcome, kind)), model


def answer_in(cells: dict[str, Any], kind: str) -> Answer:
    """Return what a row of results, or an answer of the service, says."""
    if error := cells.get("error"):
        said = f"refused as {error['type'].removeprefix('/problems/')}"
    else:
        said = str(cells[kind])
    return said, cells["model"]


def large_gif() -> bytes:
    """Make a GIF of 49 megapixels, which takes too much memory to decode."""
    file = BytesIO()
    Image.new("L", (7000, 7000)).save(file, "GIF")
    return file.getvalue()


def others(model: Path) -> list[Path]:
    """Make a valid network whose answers are in reverse, and half of its file."""
    network = onnx.load(model)
    graph = network.graph
    answer = graph.output[0].name
    for node in graph.node:
        outputs = ["in order" if name == answer else name for name in node.output]
        node.output[:] = outputs
    places = {"start": -1, "end": -(2**31), "axis": -1, "step": -1}
    inputs = ["in order"]
    for name, place in places.items():
        inputs.append(f"slice {name}")
        tensor = helper.make_tensor(inputs[-1], onnx.TensorProto.INT64, [1], [place])
        graph.initializer.append(tensor)
    graph.node.append(helper.make_node("Slice", inputs, [answer]))
    data = network.SerializeToString()
    other = model.with_name(f"other-{model.name}")
    other.write_bytes(data)
    half = model.with_name(f"half-{model.name}")
    half.write_bytes(data[: len(data) // 2])
    return [other, half]


def processes(folder: Path, role: str = "") -> list[int]:
    """List the processes, of a role or all, with this folder for temporary files."""
    ours = f"TMPDIR={folder}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            is_ours = ours in (process / "environ").read_bytes()
            if is_ours and role in ("", role_of(process)):
                found.append(int(process.name))
    return sorted(found)


def role_of(process: Path) -> str:
    """Return the role of a process, by its command line and its parent's."""
    [parent] = re.findall(r"PPid:\t(\d+)", (process / "status").read_text())
    command = (process / "cmdline").read_bytes()
    parents_command = Path("/proc", parent, "cmdline").read_bytes()
    if b"forkserver" in command and b"forkserver" in parents_command:
        return "decoder"
    if b"spawn_main" in command:
        return "worker"
    return "helper" if b"multiprocessing" in command else "main"


def chosen(folder: Path, role: str, dice: random.Random) -> list[int]:
    """Choose a process of a role, as soon as there is one, or all processes."""
    end = time.monotonic() + PATIENCE
    while not (pids := processes(folder, role)) and time.monotonic() < end:
        time.sleep(0.1)
    return dice.sample(pids, min(1, len(pids))) if role else pids


def send(signal_number: int, pids: list[int]) -> None:
    """Send a signal to processes, of which some may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)


def kill(folder: Path, role: str, dice: random.Random) -> bool:
    """Kill a process; return whether there was one."""
    pids = chosen(folder, role, dice)
    send(signal.SIGKILL, pids)
    return bool(pids)


def suspend(folder: Path, role: str, seconds: float, dice: random.Random) -> bool:
    """Suspend a process, or all; return whether there was one."""
    pids = chosen(folder, role, dice)
    send(signal.SIGSTOP, pids)
    try:
        time.sleep(seconds)
    finally:
        send(signal.SIGCONT, pids)
    return bool(pids)


def replace(model: Path, other: Path, dice: random.Random) -> bool:
    """Overwrite and restore a model file in place; return whether a job was running."""
    first = model.read_bytes()
    pids = chosen(model.parent / "bulk", "decoder", dice)
    shutil.copyfile(other, model)
    time.sleep(REPLACED_SECONDS)
    model.write_bytes(first)
    return bool(pids)


def inflict(
    faults: list[partial[bool]], pause: float, over: Event, dice: random.Random
) -> Seen:
    """Inflict faults in random order, until all is over."""
    seen = Seen()
    for fault in dice.sample(faults, len(faults)):
        if over.wait(dice.expovariate(1 / pause)):
            break
        said = [time.strftime("%X"), fault.func.__name__, *map(str, fault.args)]
        typer.echo(" ".join(said), err=True)
        seen["faults without a process"] += not fault(dice)
    return seen


def ask(sent: list[Picture], over: Event, dice: random.Random) -> Seen:
    """Send pictures to the service, and compare the answers."""
    seen = Seen()
    with httpx2.Client(base_url=URL, timeout=PATIENCE) as client:
        while not over.wait(dice.expovariate(1 / REQUEST_PAUSE)):
            file, answers = dice.choice(sent)
            kind = dice.choice([*ROUTES])
            seen += answered(client, kind, file, answers[kind])
    return seen


def answered(client: httpx2.Client, kind: str, file: bytes, right: Answer) -> Seen:
    """Send a picture until it is answered, and compare the answer."""
    seen = Seen()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            response = client.post(ROUTES[kind], content=file)
        except httpx2.TransportError:
            seen["connections lost, sent again"] += 1
            time.sleep(0.5)
            continue
        if response.status_code != 503:
            body = response.json()
            cells = body if response.is_success else {"error": body, "model": right[1]}
            return seen + compared("answers", answer_in(cells, kind), right)
        seen["answers 503, sent again"] += 1
        time.sleep(float(response.headers["retry-after"]))
    return seen + Seen(["pictures not answered"])


def compared(things: str, found: Answer, right: Answer) -> Seen:
    """Say whether an answer is right, wrong, or refused."""
    said, _ = found
    verdict = said if said.startswith("refused") else "wrong"
    return Seen([f"{things} {'right' if found == right else verdict}"])


def read_folders(
    folder: Path, sent: list[Picture], turns: Iterable[int], over: Event
) -> Seen:
    """Let `digits bulk` read folder after folder, with the same results."""
    seen = Seen()
    paths = set()
    for turn in turns:
        place = folder / "pictures" / f"{turn:03}"
        place.mkdir(parents=True)
        for index, (file, _) in enumerate(sent):
            path = place / f"{index:04}.png"
            path.write_bytes(file)
            paths.add(str(path))
        for kind in ROUTES:
            seen += completed(folder, kind)
            found = {each["path"] for each in rows(folder / kind)}
            seen["rows lost"] += len(paths - found)
        if over.is_set():
            break
    return seen


def completed(folder: Path, kind: str) -> Seen:
    """Run `digits bulk` again and again, until no picture is left."""
    seen = Seen()
    options = f"--workers 2 --rows-per-file 80 {'--read' if kind == 'text' else ''}"
    places = [str(folder / "pictures"), str(folder / kind)]
    command = [DIGITS, "bulk", *places, *options.split()]
    environment = os.environ | {"TMPDIR": str(folder / "bulk")}
    for _ in range(RUNS):
        log = folder / "bulk.log"
        status: int | str
        with log.open("w") as file:
            try:
                status = subprocess.call(
                    command, env=environment, stderr=file, timeout=RUN_SECONDS
                )
            except subprocess.TimeoutExpired as error:
                status = f"none after {error.timeout} s"
        seen[RUN_ENDED.format(status)] += 1
        said = log.read_text()
        typer.echo(said, err=True, nl=False)
        if status == 1 and DONE in said and LEFT not in said:
            return seen
    return seen + Seen(["jobs not completed"])


def rows(results: Path) -> list[dict[str, Any]]:
    """Load the rows of `digits bulk`."""
    columns = ["path", *ROUTES, "model", "error"]
    return ds.dataset(results).to_table(columns).to_pylist()


def compared_rows(folder: Path, sent: list[Picture]) -> Seen:
    """Compare all rows."""
    seen = Seen()
    for kind in ROUTES:
        found = rows(folder / kind)
        for each in found:
            _, answers = sent[int(Path(each["path"]).stem) % len(sent)]
            seen += compared("rows", answer_in(each, kind), answers[kind])
        seen["rows doubled"] += len(found) - len({each["path"] for each in found})
    return seen


def left(folder: Path) -> Seen:
    """Count the processes that are left after 20 s, and temporary files."""
    end = time.monotonic() + 20
    pids = [0]
    while pids and time.monotonic() < end:
        time.sleep(0.1)
        pids = processes(folder / "serve") + processes(folder / "bulk")
    files = []
    for pattern in ("serve/*", "bulk/*", "digit/.*", "text/.*"):
        files += folder.glob(pattern)
    # Python's own, of processes that were killed.
    ours = [path for path in files if not path.name.startswith("pymp-")]
    return Seen({"processes left": len(pids), "temporary files left": len(ours)})


def watch(
    folder: Path, kills: int, suspensions: int, replacements: int, seed: int
) -> Seen:
    """Inflict faults on a service and a job while both read; count what is seen."""
    sent = pictures(seed)
    over = Event()
    dice = [random.Random(seed + n) for n in range(2 + CLIENTS)]  # noqa: S311 - no secret
    first, second, *others_dice = dice
    for name in ("serve", "bulk"):
        (folder / name).mkdir()
    os.environ["TMPDIR"] = f"{folder}/serve"
    replacing = []
    for name, model in MODELS.items():
        copy = Path(shutil.copy(model, folder))
        os.environ[name] = str(copy)
        replacing += [partial(replace, copy, other) for other in others(copy)]
    changes = list(islice(cycle(replacing), replacements))
    faults = []
    for whose, role in islice(cycle(KILLED), kills):
        faults.append(partial(kill, folder / whose, role))
    for whose, role, seconds in islice(cycle(SUSPENDED), suspensions):
        faults.append(partial(suspend, folder / whose, role, seconds))
    with (
        running([*SERVE, "--workers", "2"], cores=all_cores()) as (server, _),
        ThreadPoolExecutor(CLIENTS + 4) as pool,
    ):
        # Undisturbed, so that the results are those of the first models.
        seen = read_folders(folder, sent, [0], over)
        work = [pool.submit(ask, sent, over, each) for each in others_dice]
        work.append(pool.submit(read_folders, folder, COPIES * sent, count(1), over))
        inflicting = [
            pool.submit(inflict, faults, PROCESS_PAUSE, over, first),
            pool.submit(inflict, changes, MODEL_PAUSE, over, second),
        ]
        try:
            while not all(each.done() for each in inflicting) and server.poll() is None:
                time.sleep(0.1)
            seen["the service ended"] += server.poll() is not None
        finally:
            over.set()
        seen = sum((each.result() for each in work + inflicting), seen)
        server.terminate()
        return seen + compared_rows(folder, sent) + left(folder)


def main(
    kills: Annotated[int, typer.Option(min=0, help="Processes to kill.")] = 20,
    suspensions: Annotated[
        int, typer.Option(min=0, help="Suspensions of processes.")
    ] = 5,
    replacements: Annotated[
        int, typer.Option(min=0, help="Replacements of model files.")
    ] = 5,
    seed: Annotated[
        int, typer.Option(help="Random seed for the pictures and the faults.")
    ] = 0,
) -> None:
    """Break a running service and `digits bulk`; check that nothing goes wrong."""
    if sys.platform != "linux":
        raise SystemExit("This needs Linux, whose /proc lists the processes.")
    with TemporaryDirectory(prefix="faults-") as name:
        seen = watch(Path(name), kills, suspensions, replacements, seed)
    header("what", "times")
    for what in sorted(seen, key=lambda what: (what not in FINE, what)):
        row([what, f"{seen[what]:,}"])
    wrong = sum(times for what, times in seen.items() if what not in FINE)
    typer.echo(f"{wrong:,} things went wrong.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
