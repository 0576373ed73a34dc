"""Picture bytes → frame, in three steps that stay apart: picture → ink map → the digit's ink → frame.

Pure functions: no settings, no files, no network. Ignores: several digits on a picture.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from app.preprocess.decode import image_from_bytes
from app.preprocess.frame import FRAME_SIDE, are_frames, frame_from_ink
from app.preprocess.ink import ink_map, shrinkage
from app.preprocess.maps import Box, Map
from app.preprocess.pieces import find_digit
from app.preprocess.small import small_digits

# A digit with a longer side below this many pixels of the ink map is looked at again, from closer.
NEAR_SIDE = 60


def frame_from_bytes(data: bytes, max_pixels: int) -> Map:
    """Turn an encoded picture of one digit into a frame.

    Parameters
    ----------
    data : bytes
        A picture file in one of `decode.FORMATS`.
    max_pixels : int
        Most pixels (width × height) that are decoded, see `app.preprocess.decode`.

    Returns
    -------
    Map
        (28, 28) float32 in [0, 1], ink = 1.

    Raises
    ------
    PreprocessError
        One of its subclasses, see `app.preprocess.errors`.
    """
    return frame_from_image(image_from_bytes(data, max_pixels))


def frame_from_image(image: Image.Image) -> Map:
    """The frame (28, 28) of a decoded image; BlankImage where there is no ink on it."""
    (frame,) = frames_from_images([image])
    if isinstance(frame, Exception):
        raise frame
    return frame


def frames_from_images(images: Sequence[Image.Image]) -> list[Map | Exception]:
    """The frames (28, 28) of decoded images, or why there is none; small ones are looked at together."""
    frames: dict[int, Map | Exception] = {**frames_already(images)}
    others = [index for index in range(len(images)) if index not in frames]
    for index, digit in zip(others, small_digits([images[index] for index in others]), strict=True):
        frames[index] = frame_or_error(images[index], digit)
    return [frames[index] for index in range(len(images))]


def frames_already(images: Sequence[Image.Image]) -> dict[int, Map]:
    """Those images that are frames, by their indices: they stay as they are, with levels from 0 to 1."""
    sized = [i for i, image in enumerate(images) if image.mode == "L" and image.size == (FRAME_SIDE, FRAME_SIDE)]
    if not sized:
        return {}
    pixels = np.frombuffer(b"".join([images[index].tobytes() for index in sized]), np.uint8)
    pixels = pixels.reshape(-1, FRAME_SIDE, FRAME_SIDE)
    frames: list[Map] = list(pixels / np.float32(255))
    return {index: frame for index, frame, is_one in zip(sized, frames, are_frames(pixels), strict=True) if is_one}


def frame_or_error(image: Image.Image, digit: Map | None) -> Map | Exception:
    """The frame of a decoded image, or why there is none; its digit may have been found already."""
    try:
        return frame_from_ink(find_closely(image) if digit is None else digit)
    except Exception as error:  # whatever is wrong with one image, the others have their frames
        return error


def digit_from_image(image: Image.Image) -> Map:
    """The digit's ink on an image, cropped to its box: (h, w) float32 in [0, 1]."""
    (digit,) = small_digits([image])
    return find_closely(image) if digit is None else digit


def find_closely(image: Image.Image) -> Map:
    """The digit's ink on an image of any kind.

    The image is looked at as a whole, reduced, and where the digit on it is small once more from closer.
    """
    box, digit = find_digit(ink_map(image))
    if shrinkage(image) > 1 and box.size < NEAR_SIDE:
        _, digit = find_digit(ink_map(around(image, box)))
    return digit


def around(image: Image.Image, box: Box) -> Image.Image:
    """The part of an image around a box on its ink map, with a margin as wide as the box."""
    factor = shrinkage(image)
    margin = max(8, box.size)
    return image.crop(
        (
            max(0, box.left - margin) * factor,
            max(0, box.top - margin) * factor,
            min(image.width, (box.right + margin) * factor),
            min(image.height, (box.bottom + margin) * factor),
        )
    )
