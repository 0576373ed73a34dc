"""A text that is one digit and nothing else, read as a digit: by the dense network."""

from app.digit.reading import Reading
from app.text.ctc import MIN_PROBABILITY
from app.text.reading import TextOptions
from app.text.transcription import TextDigit, TextLine, Transcription

# From which legibility a picture is one digit: where one was read, and where nothing
# was. With less, more letters are taken for digits, and no more digits are read.
LEGIBLE = 0.5
CLEARLY_LEGIBLE = 0.95


def may_be_digit(text: Transcription, options: TextOptions) -> bool:
    """Return whether a picture in which this was read may show one digit: one was read
    or nothing, and its field may have any.
    """
    field = options.field
    is_any = field.rules is None and field.characters is None
    is_single = text.text.isdigit() if len(text.text) == 1 else not text.lines
    return is_single and is_any and field.length in (None, 1) and text.turn == 0


def as_digit(
    text: Transcription, reading: Reading, options: TextOptions
) -> Transcription:
    """Return the text that is the digit of a reading; or else the text, if the picture
    does not look like one digit.
    """
    least = LEGIBLE if text.lines else CLEARLY_LEGIBLE
    if reading.legibility < least:
        return text
    legibility, shares = reading.legibility, reading.probabilities
    confidence = legibility * float(shares.max())
    digit = TextDigit(reading.box, shares, legibility, reading.frame)
    line = TextLine(str(reading.digit), confidence, reading.box, (digit,), ())
    if options.alternatives:
        likely = (shares >= MIN_PROBABILITY).nonzero()[0].tolist()
        others = {str(each): legibility * float(shares[each]) for each in likely}
        del others[line.text]
        best = sorted(others.items(), key=lambda other: other[1], reverse=True)
        line = line._replace(alternatives=tuple(best[: options.alternatives]))
    return text._replace(lines=(line,), confidence=confidence)
