"""Pictures → frames, on real digits in every form in which people send them."""

import struct
import time
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision.datasets import MNIST

from app.inference.reading import SIDE, read_digit
from app.preprocess import decode, errors, frame
from app.preprocess.formats import FORMATS
from app.preprocess.maps import Box
from support import (
    HOSTILE,
    MAX_PIXELS,
    PNG,
    apart,
    claiming,
    distance,
    drawing,
    encode,
    flat,
    frame_of,
    inflating_exif,
    picture_from_bytes,
    png_chunk,
    reading_of,
    reading_of_drawing,
    turned_jpeg,
)


def test_mnist_digits_pass_through_unchanged(digits):
    for digit in digits:
        reading = reading_of(digit)
        np.testing.assert_array_equal(reading.frame, digit / np.float32(255))
        assert reading.box == Box(0, 28, 0, 28)


@pytest.mark.slow
@pytest.mark.parametrize("train", [True, False])
def test_all_mnist_images_are_frames(train, mnist_root):
    for image in MNIST(mnist_root, train=train).data.numpy():
        assert frame.as_frame(Image.fromarray(image)) is not None


def test_a_faint_frame_stays_faint(seven):
    np.testing.assert_array_equal(frame_of(seven // 4), (seven // 4) / np.float32(255))


@pytest.mark.parametrize("change", ["inverted", "moved", "smaller", "larger", "nothing"])
def test_a_28_by_28_picture_that_is_no_frame_is_framed(seven, change):
    image = {
        "inverted": 255 - seven,
        "moved": np.roll(seven, (-3, -2), (0, 1)),
        "smaller": np.pad(np.asarray(Image.fromarray(seven).resize((20, 20))), 4),
        "larger": np.asarray(Image.fromarray(seven[2:26, 2:26]).resize((28, 28))),
        "nothing": np.zeros_like(seven),
    }[change]
    assert frame.as_frame(Image.fromarray(image)) is None
    if change != "nothing":
        assert apart(frame_of(image), seven / 255) < 0.04


@pytest.mark.slow
def test_a_frame_is_what_the_network_was_trained_on(digits):
    for digit in digits[::7]:
        frame = frame_of(drawing(digit))
        assert frame.shape == (28, 28)
        assert frame.dtype == np.float32
        assert frame.min() == 0
        assert frame.max() == 1
        for axis in (0, 1):
            profile = frame.sum(axis)
            assert 14 - 1e-4 < (np.arange(28) + 0.5) @ profile / profile.sum() < 15 + 1e-4
            ink = np.flatnonzero(profile > 0.1)
            assert ink[-1] - ink[0] < 20


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 2, 5, 20, 60])
def test_size_and_position_on_the_sheet_do_not_matter(digits, scale):
    distances = [distance(frame_of(drawing(digit, scale)), digit / 255) for digit in digits[::25]]
    assert np.mean(distances) < 0.04


def test_a_digit_smaller_than_the_box_is_enlarged_smoothly(seven):
    small = Image.fromarray(seven[4:24, 4:24]).resize((10, 10), Image.Resampling.BOX)
    assert apart(frame_of(small), seven / 255) < 0.07


def test_ink_may_be_darker_or_lighter_than_its_ground(digits):
    for digit in digits[::25]:
        dark_on_light = drawing(digit)
        assert apart(frame_of(dark_on_light), frame_of(ImageOps.invert(dark_on_light))) < 0.02


@pytest.mark.parametrize("ink", [(200, 30, 40), (20, 60, 200), (250, 240, 60)], ids=["red", "blue", "yellow"])
@pytest.mark.parametrize("ground", [(255, 255, 255), (15, 80, 50), (120, 120, 120)], ids=["white", "green", "grey"])
def test_ink_and_ground_may_have_any_colour(seven, ink, ground):
    colourful = ImageOps.colorize(drawing(seven), black=ink, white=ground)
    assert distance(frame_of(colourful), seven / 255) < 0.03


@pytest.mark.parametrize("colour", [0, 128, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_ink_may_be_in_the_alpha_channel_only(digits, colour, mode):
    for digit in digits[::60]:
        picture = Image.new("L", (600, 400), colour).convert(mode)
        picture.putalpha(ImageOps.invert(drawing(digit)))
        see_through, drawn = reading_of(picture), reading_of_drawing(digit.tobytes())
        assert see_through.probabilities.argmax() == drawn.probabilities.argmax()
        # Thick digits are found by a threshold, see `views`.
        assert apart(see_through.frame, drawn.frame) < 0.05


def test_an_opaque_alpha_channel_changes_nothing(seven):
    assert distance(frame_of(drawing(seven).convert("RGBA")), frame_of(drawing(seven))) < 1e-6


def test_a_sheet_may_have_transparent_margins(seven):
    sheet = drawing(seven).convert("RGBA")
    picture = Image.new("RGBA", (1000, 1000))
    picture.paste(sheet, (200, 300))
    assert distance(frame_of(picture), frame_of(sheet)) < 0.01


def as_16_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image).astype(np.uint16) * 257)


CONVERSIONS = {
    "grey": lambda image: image,
    "RGB": lambda image: image.convert("RGB"),
    "RGBA": lambda image: image.convert("RGBA"),
    "LA": lambda image: image.convert("LA"),
    "palette": lambda image: image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE),
    "1-bit": lambda image: image.convert("1", dither=Image.Dither.NONE),
    "16-bit": as_16_bit,
    "CMYK": lambda image: image.convert("CMYK"),
}
SAVED_AS = {
    "PNG": ["grey", "RGB", "RGBA", "LA", "palette", "1-bit", "16-bit"],
    "JPEG": ["grey", "RGB", "CMYK"],
    "MPO": ["grey", "RGB"],
    "HEIF": ["grey", "RGB", "RGBA"],
    "AVIF": ["grey", "RGB", "RGBA"],
    "WEBP": ["grey", "RGB", "RGBA"],
    "GIF": ["grey", "RGB", "palette", "1-bit"],
    "BMP": ["grey", "RGB", "palette", "1-bit"],
    "TIFF": ["grey", "RGB", "RGBA", "LA", "palette", "1-bit", "16-bit", "CMYK"],
}


@pytest.fixture(scope="module")
def two_levels(seven) -> tuple[Image.Image, np.ndarray]:
    """A drawn 7 in two levels, so that 1 bit is lossless, and its frame."""
    sheet = drawing(seven).point(lambda level: 255 * (level > 127))
    return sheet, frame_of(sheet)


@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format in SAVED_AS for mode in SAVED_AS[format]])
def test_formats_and_modes_give_the_same_frame(two_levels, format, mode):
    sheet, frame = two_levels
    assert distance(frame_of(CONVERSIONS[mode](sheet), format), frame) < 0.01


def test_every_accepted_format_is_tested():
    assert set(SAVED_AS) == {*FORMATS, "MPO"}  # MPO is what phones call JPEG with a depth map


def test_a_transparent_palette_entry_is_ground(seven):
    palette = drawing(seven).convert("1", dither=Image.Dither.NONE).convert("P")
    assert distance(frame_of(palette, "PNG", transparency=255), frame_of(palette)) < 0.01


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_turns_the_picture_upright(seven, orientation, format):
    sheet = drawing(seven)
    sensor = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # how the camera held it, as Image.Transpose
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = sheet if orientation == 1 else sheet.transpose(Image.Transpose(sensor[orientation]))
    assert distance(frame_of(turned, format, exif=exif), reading_of_drawing(seven.tobytes()).frame) < 0.01


def test_pillow_warns_of_nothing(seven):
    """Each warning would be logged, and remembered for ever."""
    entries = b"".join(struct.pack("<HHII", tag, 1, 6, 10**6) for tag in range(1, 500))  # whose data is missing
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 499) + entries
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        decode.prepare_plugins.cache_clear()
        reading_of(drawing(seven), "JPEG", exif=exif)
    assert not caught


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # Pillow warns and continues
def test_a_picture_with_broken_exif_is_read(seven):
    sheet = drawing(seven)
    assert distance(frame_of(sheet, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"), frame_of(sheet)) < 0.01


def test_an_animation_is_read_by_its_first_frame(seven, digits):
    first, second = drawing(seven), drawing(digits[0])
    frame = frame_of(first, "GIF", save_all=True, append_images=[second])
    assert distance(frame, frame_of(first)) < 0.02


@pytest.mark.parametrize(("side", "size"), [(SIDE, (500, 375)), (320, (500, 375)), (700, (1000, 750))])
def test_a_twelve_megapixel_photo_is_read_at_reduced_size(seven, side, size, monkeypatch):
    data = encode(drawing(seven).resize((4000, 3000)), "JPEG", quality=90)
    decoded, plain = [], decode.plain
    monkeypatch.setattr(decode, "plain", lambda image: (decoded.append(image.size), plain(image))[1])
    assert max(picture_from_bytes(data, side).image.size) < 1.5 * side
    assert decoded == [size]


def test_exif_that_inflates_takes_little_time():
    started = time.process_time()
    assert picture_from_bytes(inflating_exif(), SIDE).image.getbbox()
    assert time.process_time() - started < 0.5  # 0.01 s; if all of it were read, 3 s


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_text_that_inflates_takes_little_memory(before):
    text = png_chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress("😀".encode() + bytes(1_000_000), 9))
    end = PNG.index(before) - 4
    tracemalloc.start()
    try:
        assert picture_from_bytes(PNG[:end] + text + PNG[end:], SIDE).image.getbbox()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # 9 MB if it were inflated
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_picture_of_any_format_is_turned_upright(format):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = picture_from_bytes(encode(Image.new("L", (40, 20)), format, exif=exif), SIDE)
    assert (picture.width, picture.height) == picture.image.size == (20, 40)


@pytest.mark.parametrize("is_turned", [False, True])
@pytest.mark.parametrize("size", [(479, 480), (480, 479)])
def test_an_almost_square_picture_keeps_its_size(size, is_turned):
    image = Image.new("L", size, 255)
    picture = picture_from_bytes(turned_jpeg(image) if is_turned else encode(image), SIDE)
    assert (picture.width, picture.height) == size


def test_a_box_in_a_margin_around_the_picture_is_moved_into_it():
    picture = decode.Picture(Image.new("L", (20, 10)), 60, 30, scale=3.0, left=-1, top=-1)
    assert picture.box(Box(0, 10, 0, 20)) == Box(0, 27, 0, 57)
    assert picture.box(Box(11, 12, 0, 1)) == Box(29, 30, 0, 1)


def test_specks_do_not_widen_the_box(seven):
    clean = drawing(seven)
    dusty = clean.copy()
    for place in [(3, 3), (590, 390), (400, 10)]:
        dusty.paste(0, (*place, place[0] + 4, place[1] + 4))
    assert distance(frame_of(dusty), frame_of(clean)) < 0.001


def test_a_speck_inside_the_box_is_left_out(seven):
    digit = np.pad(seven, 4)  # not a frame
    digit[24, 10] = 255  # below the bar of the 7
    assert frame_of(digit)[18:23, 4:9].max() == 0


def test_background_noise_is_not_ink(seven):
    noise = np.random.default_rng(0).normal(0, 4, (400, 600))
    noisy = np.clip(np.asarray(drawing(seven)) * 0.8 + 30 + noise, 0, 255).astype(np.uint8)
    assert distance(frame_of(noisy), frame_of(drawing(seven))) < 0.02


def test_jpeg_noise_does_not_widen_the_box(digits, classifier):
    for digit in digits[::25]:
        noisy, clean = (
            read_digit(data, classifier)
            for data in (encode(drawing(digit), "JPEG", quality=40), encode(drawing(digit)))
        )
        assert noisy.box == pytest.approx(clean.box, abs=4)  # the image has a quarter of the drawing's resolution


@pytest.mark.parametrize("name", HOSTILE)
def test_an_unreadable_picture_is_a_named_error(name, classifier):
    data, error, message = HOSTILE[name]
    with pytest.raises(error, match=message):
        read_digit(data, classifier, MAX_PIXELS)


def test_only_the_setting_limits_the_number_of_pixels():
    assert decode.open_image(claiming(20_000, 10_000), 200_000_000).size == (20_000, 10_000)
    with pytest.raises(errors.TooManyPixels, match="has 200,010,000 pixels, more than 200,000,000"):
        decode.open_image(claiming(20_001, 10_000), 200_000_000)


def test_a_progressive_jpeg_is_read(seven):
    progressive = frame_of(drawing(seven), "JPEG", quality=95, progressive=True)
    plain = frame_of(drawing(seven), "JPEG", quality=95)
    np.testing.assert_array_equal(progressive, plain)


def test_data_after_the_end_of_a_jpeg_is_ignored(seven, classifier):
    photo = encode(drawing(seven), "JPEG", quality=95)
    with_video = photo + b"\xff\xda\xff\xd8\xff\xc2" * 1_300_000  # as in phones' motion photos
    frames = [read_digit(data, classifier, MAX_PIXELS).frame for data in (with_video, photo)]
    np.testing.assert_array_equal(*frames)


@pytest.mark.parametrize(("width", "height"), [(7000, 300), (300, 7000), (16_000, 9)])
def test_a_jpeg_of_any_shape_is_reduced_while_decoding(width, height, monkeypatch):
    decoded, plain = [], decode.plain
    monkeypatch.setattr(decode, "plain", lambda image: (decoded.append(image.size), plain(image))[1])
    picture_from_bytes(encode(Image.new("RGB", (width, height)), "JPEG"), 320)
    assert decoded == [(-(-width // 8), -(-height // 8))]


def test_pixels_are_counted_before_decoding(classifier, monkeypatch):
    def decoded(*_):
        raise AssertionError("decoded")

    data = flat(255, (100, 101))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(errors.TooManyPixels, match="10,100 pixels"):
        read_digit(data, classifier, max_pixels=10_000)


def test_area_average_matches_a_calculation_by_hand():
    thirds = frame.area_average(2, 3)
    np.testing.assert_allclose(thirds, [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6)
    np.testing.assert_array_equal(frame.area_average(2, 4), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    np.testing.assert_array_equal(frame.area_average(3, 3), np.eye(3))


@pytest.mark.parametrize(("outputs", "inputs"), [(20, 1), (20, 7), (20, 20), (20, 21), (7, 2047), (1, 5)])
def test_area_average_keeps_a_flat_signal_flat(outputs, inputs):
    np.testing.assert_allclose(frame.area_average(outputs, inputs).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("centre", "length", "offset"),
    [
        (10.0, 20, 5),  # lands on 15
        (9.5, 20, 5),  # lands on 14.5
        (9.0, 20, 6),  # would land on 14 with 5, which is outside of (14, 15]
        (0.5, 20, 8),  # as far as the frame allows
        (19.5, 20, 0),
    ],
)
def test_placement_matches_a_calculation_by_hand(centre, length, offset):
    assert frame.placement(centre, length) == offset


def test_the_centre_of_mass_matches_a_calculation_by_hand():
    ink = np.zeros((4, 6), np.float32)
    ink[1, 2] = ink[1, 3] = 1
    assert frame.centre_of_mass(ink) == (1.5, 3.0)


def test_lopsided_ink_is_shrunk_to_fit():
    ink = np.zeros((20, 20), np.float32)
    ink[0, :] = ink[:, 0] = 0.01
    ink[:4, :4] = 1
    placed = frame.frame_from_ink(ink)
    assert frame.centre_of_mass(placed) == pytest.approx((14.5, 14.5), abs=1)
    assert np.flatnonzero(placed.any(axis=0)).size < 20
