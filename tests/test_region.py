"""A region of a picture is read as if it were all; boxes are those of the whole."""

import json
from functools import partial
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from answers import assert_problem
from app.picture.decode import decode_image
from app.picture.errors import OutsidePicture
from app.picture.maps import PixelBox
from app.picture.region import Region
from commands import invoked
from pictures import drawing, encode, flat, number, transparent, turned_jpeg


@pytest.fixture(scope="module")
def two(digits) -> tuple[Image.Image, str, str]:
    """Write 120 on the left of a sheet and 35 on its right, and say where they are."""
    sheet = Image.new("L", (900, 300), 255)
    sheet.paste(number(digits[[50, 120, 0]]), (30, 60))
    sheet.paste(number(digits[[150, 250]]), (600, 60))
    return sheet, "10,20,440,200", "0.5,0,0.5,1"


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("10,20,30,40", (20, 60, 10, 40)),
        ("0.25,0.5,0.5,0.5", (50, 100, 50, 150)),
        ("0,0,1,1", (0, 100, 0, 200)),
        ("0.3333333,0,0.6666667,1", (0, 100, 66, 200)),
        ("1.5,0,1.2,2", (0, 2, 1, 3)),
        ("199,99,1,1", (99, 100, 199, 200)),
    ],
)
def test_a_region_is_in_pixels_or_in_fractions(text, box):
    region = Region.of(text)
    assert region.box(200, 100) == PixelBox(*box)
    assert Region.of(str(region)) == region


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "-1,0,5,5", "nan,0,1,1", "1,2,3,0", "0,0,1e3,5"]
)
def test_a_text_that_is_no_region_is_refused(text):
    with pytest.raises(ValueError, match=r"^region must be"):
        Region.of(text)


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("write", [encode, partial(turned_jpeg, quality=95)])
def test_a_region_is_decoded_at_the_resolution_of_a_picture_of_its_own(write):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 255, (60, 80), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
    image = opened(write(Image.fromarray(levels)))
    picture = decode_image(image, 320, Region(800, 400, 320, 160))
    assert (picture.width, picture.height, picture.scale) == (3200, 2400, 1)
    assert picture.image.size == (320, 160)
    part = np.asarray(picture.image.convert("L"), float)
    assert np.abs(part - levels[400:560, 800:1120]).mean() < 3
    whole = PixelBox(0, 160, 0, 320)
    assert picture.box(whole) == PixelBox(400, 560, 800, 1120)
    assert picture.turned(90).turned(270).box(whole) == picture.box(whole)


def test_transparent_margins_of_a_region_are_cropped_too(digits):
    sheet = Image.new("L", (400, 300), 255)
    sheet.paste(Image.fromarray(255 - digits[350]), (250, 120))
    picture = decode_image(opened(transparent(sheet)), 320, Region(200, 100, 150, 100))
    ink = np.argwhere(np.asarray(sheet) < 255)
    top, left = ink.min(axis=0) - 1
    assert (picture.left, picture.top) == (left, top)
    empty = decode_image(opened(transparent(sheet)), 320, Region(0, 0, 50, 50))
    assert empty.image.size == (50, 50)


@pytest.mark.parametrize("where", ["390,0,20,10", "0,290,10,11", "0.5,0.5,0.51,0.5"])
def test_a_region_that_is_not_in_the_picture_is_refused(where):
    image = opened(flat(255, (400, 300)))
    with pytest.raises(OutsidePicture, match=r"in the picture, which is 400 × 300"):
        decode_image(image, 320, Region.of(where))


def boxes_in(line: dict) -> list[dict]:
    return [line["box"], *(digit["box"] for digit in line["digits"])]


@pytest.mark.slow
@pytest.mark.parametrize("write", [encode, turned_jpeg])
def test_only_the_region_is_read(client, two, write):
    sheet, left, right = two
    picture = write(sheet)
    for region, text, edges in ((left, "120", (10, 450)), (right, "35", (450, 900))):
        answer = client.post(f"/read?region={region}", content=picture).json()
        assert answer["text"] == text
        for box in boxes_in(answer["lines"][0]):
            assert edges[0] <= box["left"] < box["left"] + box["width"] <= edges[1]
    shown = client.post(f"/read?region={right}&picture=true", content=picture).json()
    assert shown["size"] == {"width": 900, "height": 300}


@pytest.mark.parametrize("route", ["predict", "explain"])
def test_a_digit_is_read_in_its_region(client, digits, route):
    sheet = Image.new("L", (1200, 400), 255)
    sheet.paste(drawing(digits[350]), (0, 0))
    sheet.paste(drawing(digits[150]), (600, 0))
    found = []
    for region in ("0,0,0.5,1", "600,0,600,400"):
        query = f"/{route}?region={region}" + ("&frame=true" * (route == "predict"))
        answer = client.post(query, content=encode(sheet)).json()
        found.append((answer["digit"], answer["box"]["left"] // 600))
    assert found == [(7, 0), (3, 1)]


@pytest.mark.parametrize("route", ["predict", "explain", "read"])
def test_what_is_wrong_with_a_region_is_a_problem(client, seven, route):
    picture = encode(drawing(seven))
    for region in ("1,2,3", "a,0,1,1", "1,2,0,4", "-1,0,5,5"):
        answer = client.post(f"/{route}?region={region}", content=picture)
        assert_problem(answer, 422, "invalid-parameter", f"/{route}")
        assert "region must be" in answer.json()["detail"]
    answer = client.post(f"/{route}?region=0,0,5000,10", content=picture)
    assert_problem(answer, 422, "outside-picture", f"/{route}")


@pytest.mark.slow
@pytest.mark.parametrize("is_local", [True, False])
def test_commands_read_a_region(two, url, tmp_path, is_local):
    sheet, _, right = two
    path = tmp_path / "two.png"
    path.write_bytes(encode(sheet))
    where = ("--local",) if is_local else ("--url", url)
    answer = json.loads(
        invoked("read", path, "--region", right, "--json", *where).stdout
    )
    assert answer["text"] == "35"
    left, top, width, height = answer["lines"][0]["digits"][1]["box"].values()
    five = f"{left - 5},{top - 20},{width + 10},{height + 40}"
    answer = json.loads(
        invoked("predict", path, "--region", five, "--json", *where).stdout
    )
    assert answer["digit"] == 5
    outside = invoked("read", path, "--region", "0,0,901,10", "--json", *where)
    assert json.loads(outside.stdout)["problem"] == "outside-picture"
    assert outside.exit_code == 1
    refused = invoked("read", path, "--region", "0,0,0,10", *where)
    assert refused.exit_code == 2
    assert "--region" in refused.stderr
