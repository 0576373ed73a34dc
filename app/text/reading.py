"""Picture bytes → text: what is written in a picture, line by line.

First the line network reads the whole picture as one line. Where it is not sure, the
network for pages finds the lines, and the line network reads each of them. What most
speaks for is the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from app.picture.decode import Picture, decode_image
from app.picture.opening import open_image
from app.picture.region import Region
from app.picture.shown import shown
from app.text.field import ANYTHING, Field
from app.text.hypothesis import best_of, upright
from app.text.limits import TooMuchWriting
from app.text.line_network import LineNetwork
from app.text.line_reader import LineReader
from app.text.pages import PageNetwork
from app.text.picture_reader import PictureReader, unheeded
from app.text.strips import PAGE_PIXELS, side_of
from app.text.transcription import Transcription, transcription_of

# Degrees by which a picture may have to be turned.
TURNS = {"none": (0,), "auto": (0, 90, 180, 270)}


class ImpossibleLength(Exception):
    """No line of the picture has the requested number of digits."""


@dataclass(frozen=True)
class TextOptions:
    """How to read a text.

    Attributes
    ----------
    field : Field
        What may be written.
    page : int, optional
        Which page of a TIFF or PDF, as for `open_image`.
    turns : tuple of int
        By how many degrees the picture may have to be turned, counter-clockwise. The
        first one is the answer unless clearly more speaks for another.
    alternatives : int
        Number of other texts to return for each line.
    with_picture : bool
        Whether to return the picture, turned as it was read.
    region : Region, optional
        The part of the picture that is read; by default all.
    """

    field: Field = ANYTHING
    page: int | None = None
    turns: tuple[int, ...] = (0,)
    alternatives: int = 0
    with_picture: bool = False
    region: Region | None = None


AS_WRITTEN = TextOptions()


def read_text(
    data: bytes,
    network: LineNetwork,
    pages: PageNetwork | None = None,
    options: TextOptions = AS_WRITTEN,
) -> Transcription:
    """Read what is written in one picture.

    Parameters
    ----------
    data : bytes
        A picture file.
    network : LineNetwork
        The line network.
    pages : PageNetwork, optional
        The network that finds the lines of a page. Without it, a picture is read as one
        line.
    options : TextOptions
        How to read it.

    Raises
    ------
    PictureError
    ImpossibleLength
        A length is given, and no line has it.
    """
    picture = decoded(open_image(data, page=options.page), options.region)
    return text_in(picture, network, pages, options)


def decoded(image: Image.Image, region: Region | None = None) -> Picture:
    """Decode a picture from `open_image`, or a region of it, at the resolution at which
    pages are read.
    """
    return decode_image(image, side_of(image.size, PAGE_PIXELS), region)


def text_in(
    picture: Picture,
    network: LineNetwork,
    pages: PageNetwork | None,
    options: TextOptions,
    on_lines: Callable[[float], object] = unheeded,
) -> Transcription:
    """Read what is written in a picture from `decoded`; else as `read_text`.

    Parameters
    ----------
    on_lines : callable
        As of `PageReader`.
    """
    field = options.field
    lines = LineReader(network, field)
    reader = PictureReader(lines, pages, on_lines)
    found = reader.read(picture, options.turns)
    if not any(found.values()) and field.length is None:
        raise TooMuchWriting
    turn = upright({turn: best_of(ways) for turn, ways in found.items()})
    text = transcription_of(found[turn], network.spec, options.alternatives)
    if field.length is not None and not text.lines:
        raise ImpossibleLength(
            f"No line of the picture can be read with a length of {field.length}: "
            "leave the length out, or correct it."
        )
    text = text._replace(turn=turn)
    if options.with_picture:
        text = text._replace(picture=shown(picture.turned(turn)))
    return text
