"""Compare /read with /predict on pictures of one digit, and on pictures that show none, without HTTP.

    python benchmarks/single_digits.py [DIR…] [--n 1000]

Reads MNIST's test digits, and every picture of each DIR, in the format of `make real`. The text counts with its digits
alone, as with `?marks=false`. A text is right if it is the digit, or empty for a picture that shows none. A refused
picture counts as wrong for /predict, and as an empty text for /read. Needs the extra `training`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from app.inference.classifier import Classifier
from app.inference.lines import LineNetwork
from app.inference.opinion import SecondOpinion
from app.inference.reading import read_digit
from app.preprocess.errors import PreprocessError
from real import labelled
from robustness import chosen_digits
from scenes import render
from training.pictures import NO_DIGIT
from whole_numbers import read

MODELS = Path(__file__).parent.parent / "models"

Picture = tuple[bytes, str]  # with its label


def main(
    folders: Annotated[list[Path] | None, typer.Argument(help="Folders of labelled pictures.", metavar="DIR…")] = None,
    n: Annotated[int, typer.Option(min=1, help="Test digits of MNIST.")] = 1000,
) -> None:
    """Compare /read with /predict on pictures of one digit, and on pictures that show none."""
    classifier, network = Classifier(MODELS / "digits.onnx"), LineNetwork(MODELS / "lines.onnx")
    typer.echo("| pictures | n | /predict right % | /read right % | /read empty % |\n|---|---|---|---|---|")
    images, labels = chosen_digits("test", n, 0)
    mnist = [(render("clean", image, 0, 0), str(label)) for image, label in zip(images, labels, strict=True)]
    typer.echo(row("MNIST", mnist, classifier, network))
    for name, pictures in labelled(folders or []).items():
        of_folder = [(path.read_bytes(), label) for path, label in pictures.items()]
        for kind, some in (("", digits(of_folder)), (" (none)", others(of_folder))):
            if some:
                typer.echo(row(name + kind, some, classifier, network))


def digits(pictures: Iterable[Picture]) -> list[Picture]:
    """Select the pictures that show a digit."""
    return [picture for picture in pictures if picture[1] != NO_DIGIT]


def others(pictures: Iterable[Picture]) -> list[Picture]:
    """Select the pictures that show none, with an empty label."""
    return [(file, "") for file, label in pictures if label == NO_DIGIT]


def row(name: str, pictures: list[Picture], classifier: Classifier, network: LineNetwork) -> str:
    """Read pictures in both ways, and format the results."""
    opinion = SecondOpinion.of(classifier, network)
    predicted, texts = 0, []
    for file, label in tqdm(pictures, name, unit="picture", leave=False, disable=None):
        predicted += predict(file, classifier, opinion) == label
        texts.append(read(file, network, with_marks=False))
    right = sum(text == label for text, (_, label) in zip(texts, pictures, strict=True))
    shares = [f"{100 * count / len(pictures):.1f}" for count in (predicted, right, texts.count(""))]
    if not pictures[0][1]:
        shares[0] = "–"
    return f"| {name} | {len(pictures)} | {' | '.join(shares)} |"


def predict(file: bytes, classifier: Classifier, opinion: SecondOpinion | None) -> str | None:
    """Read a picture as one digit; return None if it is refused."""
    try:
        return str(read_digit(file, classifier, opinion=opinion).digit)
    except PreprocessError:
        return None


if __name__ == "__main__":
    typer.run(main)
