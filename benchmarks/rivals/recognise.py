"""Read pictures with one recogniser: paths on standard input, the answers as JSON on
standard output.

    python benchmarks/rivals/recognise.py NAME digit|number|page|turned < paths

`benchmarks/peers.py` and `benchmarks/pages.py` start it, in the environment of the
recogniser. Each recogniser is told whether to expect one digit or several if it has
such an option. If it fails, its answer is empty.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MODELS = Path(__file__).parents[2] / "models"
DIGITS = "0123456789"
# By how many degrees a page may be turned.
PAGES = {"page": (0,), "turned": (0, 90, 180, 270)}

# Picture → text and confidence, which counts for numbers only, and is 0 where there is
# none; Digits adds the cells of a page's table, and rapidocr gives a page's words and
# their boxes.
Read = Callable[[Path], Any]


def digits(kind: str) -> Read:
    """Digits, with the code behind /predict or /read."""
    from app.text.reading import TextOptions
    from measuring import Served

    networks = Served.committed()

    def page(path: Path) -> tuple[str, float, list[list[tuple[str, float | None]]]]:
        options = TextOptions(turns=PAGES[kind])
        text = networks.transcription(path.read_bytes(), options)
        table = [[(cell.text, cell.confidence) for cell in row] for row in text.table]
        return text.text, text.confidence, table

    if kind in PAGES:
        return page
    if kind == "number":
        return lambda path: networks.text(path.read_bytes())
    return lambda path: (str(networks.digit(path.read_bytes())), 0.0)


def alone(kind: str) -> Read:
    """Digits, without the line network's second opinion."""
    from measuring import Served

    network = Served.committed().alone
    return lambda path: (str(network.digit(path.read_bytes())), 0.0)


def squashed(kind: str) -> Read:
    """Our dense network on the whole picture, squashed to 28×28 and inverted."""
    from app.digit.classifier import Classifier

    model = Classifier(MODELS / "digits.onnx")

    def read(path: Path) -> tuple[str, float]:
        grey = Image.open(path).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
        frame = np.asarray(grey, np.float32) / np.float32(255)
        frame = 1 - frame if frame.mean() > 0.5 else frame
        probabilities = model(frame[None]).probabilities[0]
        return str(probabilities.argmax()), float(probabilities.max())

    return read


def rapidocr(kind: str) -> Read:
    """PP-OCR: a page's words as they come, or text recognition over digits only, for
    which rapidocr has no option.
    """
    from rapidocr import RapidOCR

    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )

    def page(path: Path) -> list[tuple[str, list[list[float]]]]:
        # Without word boxes, numbers beside each other often lose their space.
        found = engine(path, return_word_box=True)
        if not found.word_results:
            return []
        texts = [" ".join(word for word, *_ in line) for line in found.word_results]
        return list(zip(texts, found.boxes.tolist(), strict=True))

    if kind in PAGES:
        return page
    recognise = partial(engine, use_det=False, use_cls=False, use_rec=True)
    recognise(np.zeros((48, 320, 3), np.uint8))  # loads the network
    characters = engine.text_rec.postprocess_op.character

    def decode(
        lines: NDArray[np.float32], *_: object, **__: object
    ) -> tuple[list[tuple[str, float]], list[object]]:
        return [decoded(line, characters) for line in lines], []

    def read(path: Path) -> tuple[str, float]:
        found = recognise(path)
        return "".join(found.txts or ()), min(found.scores or (), default=0.0)

    engine.text_rec.postprocess_op = decode
    return read


def ddddocr(kind: str) -> Read:
    """A captcha recogniser, decoded over digits only: its own set_ranges drops other
    characters after decoding.
    """
    from ddddocr import DdddOcr

    engine = DdddOcr(show_ad=False)

    def read(path: Path) -> tuple[str, float]:
        picture = path.read_bytes()
        answer = engine.classification(picture, png_fix=True, probability=True)
        probabilities = np.array(answer["probabilities"])[:, 0]
        return decoded(probabilities, answer["charset"])

    return read


def decoded(
    probabilities: NDArray[np.float32], characters: list[str]
) -> tuple[str, float]:
    """Decode greedily over digits, repeats merged; character 0 is the blank (CTC).

    As rapidocr's, the confidence is the mean probability of the characters.
    """
    columns = probabilities[:, [0, *map(characters.index, DIGITS)]]
    found = []
    for index, run in groupby(columns, key=np.argmax):
        if index:
            found.append((DIGITS[index - 1], max(float(each[index]) for each in run)))
    text = "".join(digit for digit, _ in found)
    return text, float(np.mean([probability for _, probability in found] or [0]))


def tesseract(kind: str) -> Read:
    """Tesseract's command, set to one character or one line, and to digits."""
    command = shutil.which("tesseract")
    if not command:
        raise SystemExit("tesseract is not installed.")
    mode = "10" if kind == "digit" else "7"
    options = ["--psm", mode, "-c", f"tessedit_char_whitelist={DIGITS}"]

    def read(path: Path) -> tuple[str, float]:
        run = [command, path, "-", *options]
        text = subprocess.check_output(run, stderr=subprocess.DEVNULL, text=True)
        return text, 0.0

    return read


RECOGNISERS: dict[str, Callable[[str], Read]] = {
    "digits": digits,
    "alone": alone,
    "squashed": squashed,
    "rapidocr": rapidocr,
    "ddddocr": ddddocr,
    "tesseract": tesseract,
}


def readings(read: Read, paths: list[Path]) -> Iterator[tuple[Any, float]]:
    """Yield what is read in each picture, and the processor time in milliseconds."""
    for path in paths:
        before = processor_seconds()
        try:
            answer = read(path)
        except Exception as error:
            sys.stderr.write(f"{path.name}: {error}\n")
            answer = ""
        yield answer, 1000 * (processor_seconds() - before)


def processor_seconds() -> float:
    """Return the processor time of this process and its children."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main(name: str, kind: str) -> None:
    """Read every picture named on standard input."""
    # Otherwise libraries would start a thread for each core.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with redirect_stdout(sys.stderr):
        read = RECOGNISERS[name](kind)
        paths = [Path(line) for line in sys.stdin.read().splitlines()]
        answers = list(readings(read, paths))
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
