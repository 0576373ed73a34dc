"""Read a stack of filled sheets with a command that is stopped twice, and compare its
processor time with that of their fields, cut out by hand.

    python benchmarks/filled_stack.py [--count 1000 --form combs]

`digits read --form` reads six fields of each sheet from a service. It is stopped with
Ctrl-C after a third of the sheets, and killed after two thirds; each time, it is
started again with `--resume`. Then the same command reads the six crops of each sheet.
The processor time is that of the command, the service and its decoders. Exits with 1
unless each sheet has one row. Needs the extra `training`.
"""

import csv
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer

from app.form.crop import field_on
from app.form.form import Form
from app.form.landmarks import landmarks_in
from app.picture.opening import open_image
from app.text.reading import decoded
from app.text.strips import Sheet
from filled_forms import FORMS, Print, of_digits, sheet
from filled_forms import Sheet as Filled
from forms import form_of
from measuring import Served, held_out
from processes import processor_seconds
from servers import DIGITS, URL, all_cores, running
from stack import wait_for

FIELDS = 6
DIFFERENT = 100  # sheets; the others are copies


def write_stack(folder: Path, count: int, form: Form, print_: Print) -> None:
    """Write filled sheets, and the crops of their fields, to subfolders."""
    digits = held_out("test")
    images, labels = digits.images.numpy(), digits.labels.numpy()
    for name in ("sheets", "crops"):
        (folder / name).mkdir()
    for number in range(min(count, DIFFERENT)):
        rng = np.random.default_rng([0, number])
        filled = sheet(print_, of_digits(images, labels, rng), rng, number, False)
        crops = [*crops_of(filled, form)]
        for copy in range(number, count, DIFFERENT):
            (folder / "sheets" / f"{copy:04}.jpg").write_bytes(filled.file)
            for place, crop in enumerate(crops):
                (folder / "crops" / f"{copy:04}-{place}.png").write_bytes(crop)


def crops_of(filled: Filled, form: Form) -> Iterator[bytes]:
    """Cut out the fields of a sheet, without printed lines, where they are."""
    grey = Sheet.of(decoded(open_image(filled.file)))
    (page,) = form.pages
    for field in page.fields:
        crop, _ = field_on(grey, filled.place, field.box, landmarks_in(page))
        file = BytesIO()
        crop.image.save(file, "PNG")
        yield file.getvalue()


def read_stack(command: list[str], output: Path, count: int) -> int:
    """Read the sheets, and stop twice; return the exit code of the last command."""
    for stop, share in ((signal.SIGINT, 1 / 3), (signal.SIGKILL, 2 / 3)):
        reading = subprocess.Popen(command)
        wait_for(output, round(share * count))
        reading.send_signal(stop)
        reading.wait()
        command = [*command, "--resume"]
    return subprocess.run(command).returncode


@contextmanager
def timed(server: int, what: str) -> Iterator[None]:
    """Print the processor time that commands and the service take."""

    def seconds() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime + processor_seconds(server)

    before = seconds()
    yield
    typer.echo(f"{what}: {seconds() - before:.1f} s of processor time")


def faults_in(output: Path, files: list[Path]) -> Counter[str]:
    """Count the sheets that have no row, several, or an error."""
    with output.open(newline="") as lines:
        rows = [*csv.DictReader(lines)]
    counts = Counter(row["file"] for row in rows)
    faults = Counter(row["error"] for row in rows if row.get("error"))
    faults["lost"] = sum(str(file) not in counts for file in files)
    faults["doubled"] = sum(count > 1 for count in counts.values())
    return +faults


def main(
    count: Annotated[int, typer.Option(min=3, help="Number of sheets.")] = 1000,
    form: Annotated[str, typer.Option(help="table, combs or lines")] = "combs",
) -> None:
    """Read a stack of filled sheets, and their fields."""
    (print_,) = [draw() for draw in FORMS if draw.__name__ == form]
    print_ = print_._replace(blanks=print_.blanks[:FIELDS])
    of_sheets = form_of(print_, Served.committed(), "integer")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_stack(folder, count, of_sheets, print_)
        file = folder / "form.json"
        file.write_text(of_sheets.model_dump_json(exclude_unset=True))
        output = folder / "sheets.csv"
        read = [DIGITS, "read", "--url", URL, "--output"]
        sheets = [*read, str(output), str(folder / "sheets"), "--form", str(file)]
        crops = [*read, str(folder / "crops.csv"), str(folder / "crops")]
        with running(cores=all_cores()) as (server, _):
            with timed(server.pid, f"{count} sheets"):
                code = read_stack(sheets, output, count)
            with timed(server.pid, f"{FIELDS * count} crops"):
                subprocess.run([*crops, "--format", "integer"], check=True)
        faults = faults_in(output, sorted((folder / "sheets").iterdir()))
    typer.echo(f"exit code {code}; faults: {dict(faults) or 'none'}")
    sys.exit(bool(faults["lost"] or faults["doubled"]))


if __name__ == "__main__":
    typer.run(main)
