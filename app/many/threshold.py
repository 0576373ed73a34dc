"""From which confidence on texts can be taken unseen, judging by labelled pictures."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from app.answers.responses import Text
from app.labels import NOTHING, LabelledPage
from app.many.engine import Engine, ReadOptions
from app.many.errors import Unanswered
from app.many.pictures import Picture

STEPS = 1000  # thresholds are multiples of their inverse


class Judged(NamedTuple):
    """A text's confidence, and whether it is as labelled."""

    confidence: float
    is_right: bool


class Threshold(NamedTuple):
    """A confidence, how many texts have at least that, and how many of them are
    wrong.
    """

    confidence: float
    accepted: int
    wrong: int


def threshold(texts: Collection[Judged], errors: float) -> Threshold | None:
    """Return the lowest threshold from which at most a share of the texts is wrong;
    None if there is none.
    """
    for step in range(STEPS + 1):
        confidence = step / STEPS
        accepted = [text for text in texts if text.confidence >= confidence]
        wrong = sum(not text.is_right for text in accepted)
        if accepted and wrong <= errors * len(accepted):
            return Threshold(confidence, len(accepted), wrong)
    return None


def summary_of(
    texts: Sequence[Judged | Unanswered], errors: Sequence[float]
) -> Iterator[str]:
    """Yield sentences: how many texts are right, and the threshold for each share of
    errors.
    """
    total = len(texts)
    read = [text for text in texts if isinstance(text, Judged)]
    right = sum(text.is_right for text in read)
    yield f"{right:,} of {total:,} are as labelled ({100 * right / total:.1f} %)."
    if len(read) < total:
        yield f"{total - len(read):,} cannot be read, and remain to be looked at."
    for share in errors:
        found = threshold(read, share)
        if found:
            left = total - found.accepted
            yield (
                f"--min-confidence {found.confidence:g}: {found.wrong:,} of the "
                f"{found.accepted:,} that are accepted are wrong (at most "
                f"{100 * share:g} %), and {left:,} ({100 * left / total:.1f} %) remain "
                "to be looked at."
            )
        else:
            yield f"No confidence is so high that at most {100 * share:g} % are wrong."


def judged(
    reader: Engine, labels: Mapping[LabelledPage, str], options: ReadOptions
) -> Iterator[Judged | Unanswered]:
    """Read labelled pictures, in order, and judge what is read; or yield why there is
    no answer.
    """
    pictures = [Picture(str(file), number) for file, number in labels]
    answers = reader.texts(pictures, options)
    for label, answer in zip(labels.values(), answers, strict=True):
        if isinstance(answer, Unanswered):
            yield answer
        else:
            is_right = is_labelled(answer, label, options.marks)
            yield Judged(answer.confidence, is_right)


def is_labelled(answer: Text, label: str, marks: bool = True) -> bool:
    """Return whether a text, or its value in a format, is as labelled; without marks,
    only digits count, and a space may stand for a line break.
    """
    words = [] if label == NOTHING else label.split()
    if marks:
        value = answer.value if isinstance(answer.value, str) else answer.text
        return words in (answer.text.split(), value.split())
    digits = ["".join(filter(str.isdigit, word)) for word in words]
    return answer.text == "\n".join(digits)
