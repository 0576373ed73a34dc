"""Sheets of a printed form on the page: a form is made, sheets are read by it, and what
is in doubt is reviewed.
"""

import csv
import json
import os
import re
from io import BytesIO, StringIO
from pathlib import Path

import httpx2
import pytest
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator, Page, Route, expect

from app.corrections import corrections_in
from app.form.form import OWN_COLUMNS, RESERVED
from browsing import (
    DESKTOP,
    FILES,
    PHONE,
    boxes_of,
    button,
    check,
    choose,
    click,
    expect_count,
    expect_text,
    expect_words,
    fits,
    from_lists,
    opened,
    press,
    respond,
    stored_answers,
    touch,
)
from commands import invoked
from filled_forms import printed
from pictures import document, encode
from services import serving, until
from sheets import PRINTS, scan, sheet

pytestmark = pytest.mark.slow

BICUBIC = Image.Resampling.BICUBIC

SIZE = (1240, 1754)
LEFT, TOP, WIDTH, HEIGHT = 160, 320, 300, 80
NAMES = ["id", "count", "boxes", "weight", "meter", "room"]
BOXES = []
for place in range(6):
    across, down = 540 * (place % 2), 240 * (place // 2)
    BOXES.append((LEFT + across, TOP + down, WIDTH, HEIGHT))
RULES = [[0.1, 0.2, 0.9, 0.2], [0.1, 0.9, 0.9, 0.9]]
LANDMARKS = {"writing": [[0.1, 0.1, 0.3, 0.1]], "rules": RULES}
SIDES = ("left", "top", "width", "height")


def blank() -> Image.Image:
    """A printed form without anything written on it."""
    sheet = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(sheet)
    draw.text((LEFT, 120), "Meter card", 0, ImageFont.load_default(56))
    for name, (left, top, width, height) in zip(NAMES, BOXES, strict=True):
        draw.text((left, top - 48), name, 0, ImageFont.load_default(34))
        draw.rectangle((left, top, left + width, top + height), outline=0, width=3)
    return sheet


def proposed() -> dict:
    """The form that the service proposes for the sample."""
    fields = []
    for number, box in enumerate(BOXES, 1):
        shares = [side / SIZE[axis % 2] for axis, side in enumerate(box)]
        box = dict(zip(SIDES, shares, strict=True))
        fields.append({"name": f"field{number}", "box": box})
    width, height = SIZE
    page = {"width": width, "height": height, "landmarks": LANDMARKS}
    return {"name": "form", "pages": [{**page, "fields": fields}]}


class Sheets:
    """A service that proposes a form and reads sheets by it: of each, the third field
    is in doubt, and the sixth is empty.
    """

    def __init__(self, page: Page, count: int = 1) -> None:
        self.count = count
        self.forms: list[dict] = []
        page.route("**/forms/new?page=1", lambda route: route.fulfill(json=proposed()))
        page.route("**/read?*alternatives=*", self.read)

    def read(self, route: Route) -> None:
        body = route.request.post_data_buffer
        part = body.split(b'name="form"\r\n\r\n')[1]
        self.forms.append(json.loads(part.split(b"\r\n--")[0]))
        if b"%PDF" not in body:
            route.fulfill(json=self.answer(1))
            return
        lines = []
        for page in range(1, self.count + 1):
            answer = {"page": page, "pages": self.count, **self.answer(page)}
            lines.append(json.dumps(answer) + "\n")
        route.fulfill(body="".join(lines))

    def answer(self, page: int) -> dict:
        fields = {}
        for number, field in enumerate(self.forms[-1]["pages"][0]["fields"]):
            text = "" if number == 5 else f"{page}{number}"
            sure = 0.5 + 0.01 * page if number == 2 else 0.98
            others = [text, f"9{text}", f"8{text}"] if text else []
            fields[field["name"]] = {
                "text": text,
                "value": text,
                "confidence": sure,
                "empty": 0.01,
                "picture": "data:image/png;base64,AA==",
                "box": dict(zip(SIDES, BOXES[number], strict=True)),
                "alternatives": [{"text": each, "confidence": 0.1} for each in others],
            }
        name = self.forms[-1]["name"]
        return {"form": name, "fit": 0.97, "turn": 0, "fields": fields, "model": "m"}


def open_forms(page: Page) -> None:
    page.get_by_text("Read sheets of a printed form").click()


def make_form(page: Page) -> None:
    """Make a form from the sample; its fields keep the names that are proposed."""
    open_forms(page)
    choose(page, "sample.png", blank(), "New form from a sample")
    expect_count(page, "#fields li", 6)
    page.get_by_label("Name of the form", exact=True).fill("meter")


def read_sheets(page: Page, *pages: Image.Image) -> None:
    """Read a PDF by the form that is open."""
    click(page, "Read sheets by it")
    choose(page, "scan.pdf", document(pages))
    expect_count(page, "#records tbody tr", len(pages))


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    target = page.locator(selector)
    for _ in range(60):
        if target.evaluate("e => e === document.activeElement"):
            return
        press(page, "Tab")
    raise AssertionError(f"Tab does not reach {selector}")


def saved_table(page: Page) -> bytes:
    """Save the table; return the file."""
    with page.expect_download() as download:
        button(page, "Save as CSV").click()
    return download.value.path().read_bytes()


def table(page: Page) -> list[list[str]]:
    """Save the table; return its rows, with the names of the columns first."""
    return list(csv.reader(StringIO(saved_table(page).decode())))


def choose_by_key(page: Page, selector: str, name: str, data: bytes) -> None:
    """Choose a file with the keyboard, as far as the browser lets the page do it."""
    tab_to(page, selector)
    with page.expect_file_chooser() as chooser:
        press(page, "Enter")
    chooser.value.set_files({"name": name, "mimeType": "", "buffer": data})


def test_by_keyboard_alone_a_form_is_made_sheets_are_read_and_the_table_is_saved(
    browser, url, tmp_path
):
    with opened(browser, url, viewport=DESKTOP) as page:
        service = Sheets(page, 3)
        page.on("filechooser", lambda _: None)  # or the first one may be missed
        tab_to(page, "#forms > summary")
        press(page, "Enter")
        choose_by_key(page, "#sample", "sample.png", encode(blank()))
        expect(page.get_by_label("Name of the form", exact=True)).to_be_focused()
        page.keyboard.type("meter")
        for row, name in enumerate(NAMES):
            tab_to(page, f"#fields li:nth-child({row + 1}) [type=text]")
            page.keyboard.type(name)
        tab_to(page, "#fields li:nth-child(6) > select")
        page.keyboard.type("a whole")
        choose_by_key(page, "#use-form", "scan.pdf", document([blank()] * 3))
        expect_text(page, "#review-all", "Review (3)")
        [printed] = service.forms
        assert printed["name"] == "meter"
        fields = printed["pages"][0]["fields"]
        assert [field["name"] for field in fields] == NAMES
        assert fields[5]["format"] == "integer"
        assert fields[0]["box"] == proposed()["pages"][0]["fields"][0]["box"]
        tab_to(page, "#review-all")
        press(page, "Enter")
        expect_text(page, "#review-left", "3 left")
        expect_words(page, "#review-where", "page 1: not sure, 51.0 %")
        press(page, "2")  # the second of the other readings
        expect_words(page, "#review-where", "page 2: not sure, 52.0 %")
        press(page, "t")
        page.keyboard.type("4.5")
        press(page, "Enter")
        expect_text(page, "#review-left", "1 left")
        press(page, "e")
        expect_text(page, "#review-left", "All fields are checked.")
        press(page, "b", "s")  # back, and the sheet around it
        expect(page.locator("#review-text")).to_have_value("")
        expect(button(page, "S Sheet")).to_have_attribute("aria-pressed", "true")
        press(page, "1", "Enter")  # as it was read, and closes the review
        expect(page.locator("#review")).to_be_hidden()
        tab_to(page, "#save")
        with page.expect_download() as download:
            press(page, "Enter")
        assert download.value.suggested_filename == "meter.csv"
        header, *rows = download.value.path().read_text().splitlines()
        assert header == ",".join([*NAMES, *OWN_COLUMNS])
        for row, expected in zip(
            rows,
            (
                "10,11,812,13,14,,,boxes,scan.pdf,1,0.97,meter,,m,,,",
                "20,21,4.5,23,24,,,boxes,scan.pdf,2,0.97,meter,,m,,,",
                "30,31,32,33,34,,,boxes,scan.pdf,3,0.97,meter,,m,,,",
            ),
            strict=True,
        ):
            assert row.startswith(expected)  # and then the size and time of the file


def named_form(url: str) -> dict:
    """The form of the sample, with the landmarks that the service finds."""
    sample = encode(blank())
    form = httpx2.post(f"{url}/forms/new", content=sample, timeout=60).json()
    fields = proposed()["pages"][0]["fields"]
    for field, name in zip(fields, NAMES, strict=True):
        field["name"] = name
    form["pages"][0]["fields"] = fields
    return form


def filled_in(typeset, texts: list[str]) -> Image.Image:
    """A sheet with texts of real digits in its fields."""
    sheet = blank()
    for text, (left, top, _, _) in zip(texts, BOXES, strict=True):
        if text:
            sheet.paste(typeset(text, scale=2), (left + 20, top + 12))
    return sheet


def test_the_service_reads_scans_by_a_form_that_was_made_elsewhere(
    page, url, typeset, tmp_path, monkeypatch
):
    """Both together, with real digits, on sheets that are tilted or upside down, and
    one of another form. What is saved is what the command writes.
    """
    form = named_form(url)
    for place, rule in enumerate(({"length": 3}, {"max": 99}, {"format": "decimal"})):
        form["pages"][0]["fields"][place] |= rule
    texts = ["725", "10", "42.5", "-35", "3251", ""]
    filled = filled_in(typeset, texts)
    scans = []
    for degrees in (0, 2, 180):
        scans.append(filled.rotate(degrees, fillcolor=255, resample=BICUBIC))
    monkeypatch.chdir(tmp_path)
    meter, file = Path("meter.json"), Path("scan.pdf")
    meter.write_text(json.dumps(form))
    file.write_bytes(document([*scans, scan("combs")]))
    os.utime(file, ns=(0, 1_700_000_000_250_000_000))
    open_forms(page)
    page.get_by_label("Open a form").set_input_files(meter)
    click(page, "Read sheets by it")
    page.get_by_label(FILES).set_input_files(file)
    expect_count(page, "#records tbody tr", 4)
    expect(page.locator("#review-all")).to_have_text(re.compile(r"Review \(\d+\)"))
    expect_words(page, "#counts", "1 in all")
    header, *rows, other = table(page)
    assert header == [*NAMES, *OWN_COLUMNS]
    for number, row in enumerate(rows, 1):
        assert row[8:10] == ["scan.pdf", str(number)]
        assert float(row[10]) > 0.8
        assert sum(cell == text for cell, text in zip(row, texts, strict=False)) >= 5
        assert row[5] == ""
    assert other[-3] == "not-this-form"
    asked = ("read", file, "--form", meter, "--output", "all.csv", "--url", url)
    for options in ((), ("--spreadsheet",)):
        page.get_by_label("for a spreadsheet").set_checked(bool(options))
        invoked(*asked, "--min-confidence", 0.9, *options)
        assert Path("all.csv").read_bytes() == saved_table(page)
        Path("all.csv").unlink()
    page.get_by_label("for a spreadsheet").uncheck()
    page.locator("#review-all").click()
    press(page, "t", *"77", "Enter", "Escape")
    reviewed = saved_table(page)
    assert b",77," in reviewed
    os.utime(file, ns=(0, 1_700_000_000_250_999_999))  # which the browser cuts off
    Path("all.csv").write_bytes(reviewed)
    assert "1 not-this-form" in invoked(*asked, "--resume").stderr
    assert Path("all.csv").read_bytes() == reviewed


def test_a_number_outside_the_bounds_of_its_field_is_in_doubt(page, url, typeset):
    """The bounds are set on the page."""
    open_forms(page)
    form = json.dumps(named_form(url)).encode()
    choose(page, "meter.json", form, "Open a form")
    more(page, 1).get_by_label("lowest").fill("1000")
    expect_text(page, "#fields li:first-child summary", "More: lowest")
    more(page, 2).get_by_label("highest").fill("9")
    more(page, 3).get_by_label("highest").fill("9999")
    read_sheets(page, filled_in(typeset, ["725", "10", "3251", "", "", ""]))
    expect(page.locator("#records tbody .unsure")).to_have_count(2)
    header, row = table(page)
    assert row[header.index("unsure")] == "id count"
    page.locator("#review-all").click()
    expect_text(page, "#review-left", "2 left")


def test_what_a_reviewer_types_is_stored_with_the_picture_of_its_field(
    browser, typeset, tmp_path
):
    """A field that is emptied has the label none; one that was right is not stored."""
    with serving(DIGITS_CORRECTIONS_DIR=str(tmp_path)) as (_, url):
        form = named_form(url)
        for field in form["pages"][0]["fields"][1:4]:
            field |= {"format": "date"}
        texts = ["725", "10", "3251", "-35", "42.5", ""]
        with opened(browser, url) as page:
            open_forms(page)
            choose(page, "meter.json", json.dumps(form).encode(), "Open a form")
            read_sheets(page, filled_in(typeset, texts))
            page.locator("#review-all").click()
            expect_words(page, "#review-note", "is stored with the field's picture")
            emptied = ["t", "Delete"]
            changes = {"boxes": ["t", *"3257"], "weight": emptied, "count": emptied}
            while page.locator("#review-field").is_visible():
                name = page.locator("#review-name").text_content()
                press(page, *changes.get(name, []), "Enter")
            expect_text(page, "#review-note", "Thank you: your correction is stored.")
            assert until(lambda: len([*corrections_in(tmp_path)]) == 3)
        said = {}
        for correction in corrections_in(tmp_path):
            picture = correction.picture.read_bytes()
            answer = httpx2.post(f"{url}/read", content=picture, timeout=60).json()
            said[answer["text"]] = correction.label
        assert said == {"3251": "3257", "-35": "none", "10": "none"}


def test_the_last_label_of_a_field_counts_even_if_the_first_had_to_wait(
    browser, tmp_path
):
    labels = []

    def store(route: Route) -> None:
        labels.append(route.request.url.partition("label=")[2])
        if len(labels) == 1:
            route.fulfill(status=503, headers={"Retry-After": "1"}, json={})
        else:
            route.fulfill(status=201, json={"stored": True})

    with (
        serving(DIGITS_CORRECTIONS_DIR=str(tmp_path)) as (_, url),
        opened(browser, url) as page,
    ):
        Sheets(page)
        page.route("**/corrections?*", store)
        make_form(page)
        read_sheets(page, blank())
        click(page, "Review (1)")
        expect_words(page, "#review-note", "is stored with the field's picture")
        press(page, "t", "7", "Enter", "b", "e")
        assert until(lambda: page.wait_for_timeout(50) or len(labels) == 3)
    assert labels == ["7", "7", "none"]


def test_a_form_in_the_making_and_what_was_reviewed_survive_a_reload(page):
    Sheets(page, 2)
    make_form(page)
    read_sheets(page, blank(), blank())
    click(page, "Review (2)")
    press(page, "1")
    expect_text(page, "#review-left", "1 left")
    assert until(lambda: "912" in stored_answers(page))
    page.reload()
    expect_text(page, "#review-all", "Review (1)")
    expect(page.get_by_label("Read as")).to_have_value("sheets")
    expect(page.get_by_label("Name of the form", exact=True)).to_have_value("meter")
    expect_count(page, "#field-boxes rect", 6)
    expect(page.locator("#sample-picture")).to_be_visible()
    unsure = [row[2:7:4] for row in table(page)]
    assert unsure == [["field3", "unsure"], ["912", ""], ["22", "field3"]]
    press(page, "Control+z")
    expect_text(page, "#review-all", "Review (1)")  # the history does not survive


def test_a_saved_form_is_opened_again_to_change_it(page, tmp_path):
    service = Sheets(page)
    make_form(page)
    page.get_by_label("Format of field 2").select_option(label="a date, day first")
    more(page, 4).get_by_label("digits").fill("4")
    more(page, 6).get_by_label("required").check()
    with page.expect_download() as download:
        click(page, "Save the form")
    assert download.value.suggested_filename == "meter.json"
    saved = download.value.path().read_bytes()
    form = json.loads(saved)
    [sheet] = form["pages"]
    fields = sheet.pop("fields")
    assert (fields[1]["format"], fields[1]["date"]) == ("date", "dmy")
    assert (fields[3]["length"], fields[5]["required"]) == (4, True)
    assert fields[0] == proposed()["pages"][0]["fields"][0]
    assert sheet == {"width": 1240, "height": 1754, "landmarks": LANDMARKS}
    click(page, "Close")
    expect(page.locator("#draft")).to_be_hidden()
    choose(page, "page.png", b"no form", "Open a form")
    expect_words(page, "#form-note", "page.png is not a form")
    choose(page, "meter.json", saved, "Open a form")
    expect(page.get_by_label("Format of field 2")).to_have_value(
        "&format=date&date=dmy"
    )
    expect(page.locator("#sample-picture")).to_be_hidden()
    print_and_rules = page.locator("#landmarks path")
    paths = print_and_rules.evaluate_all("all => all.map(e => e.getAttribute('d'))")
    assert paths == ["M0.1 0.1L0.3 0.1", "M0.1 0.2L0.9 0.2M0.1 0.9L0.9 0.9"]
    page.get_by_label("Name of field 6").fill("room")
    read_sheets(page, blank())
    assert service.forms[0]["pages"][0]["fields"][5]["name"] == "room"
    expect_text(page, "#review-all", "Review (2)")  # the room is required


def more(page: Page, number: int) -> Locator:
    """Show what else a field may say."""
    row = page.locator(f"#fields li:nth-child({number})")
    if not row.locator("details").get_attribute("open"):
        row.locator("summary").click()
    return row


def saved_form(page: Page) -> dict:
    with page.expect_download() as download:
        click(page, "Save the form")
    return json.loads(download.value.path().read_text())


def test_a_field_says_what_may_stand_in_it_and_which_fields_add_up(page):
    """What does not fit the format is neither offered nor saved."""
    Sheets(page)
    make_form(page)
    first = more(page, 1)
    first.get_by_label("lowest").fill("-1.5")
    first.get_by_label("highest").fill("0")
    first.get_by_label("decimals").fill("0")
    expect(first.locator("summary")).to_have_text("More: decimals, lowest, highest")
    more(page, 2).get_by_label("check digit").select_option(label="mod 97")
    more(page, 3).get_by_label("values", exact=True).fill(" 101\n\n102 \n")
    fourth = more(page, 4)
    listed = {"name": "rooms.txt", "mimeType": "", "buffer": b"\xef\xbb\xbf7\r\n8\r\n"}
    fourth.get_by_label("Values from a file").set_input_files(listed)
    expect(fourth.locator("summary")).to_have_text("More: values")
    more(page, 5).get_by_label("highest").fill("12")
    sixth = more(page, 6)
    for name in ("field1", "field3", "field5"):
        sixth.get_by_label(name, exact=True).check()
    sixth.get_by_label("field3", exact=True).uncheck()
    expect(sixth.locator("summary")).to_have_text("More: sum")
    page.get_by_label("Name of field 5").fill("number")
    page.get_by_label("Format of field 1").select_option(label="an amount")
    expect(first.get_by_label("decimals")).to_be_hidden()
    form = saved_form(page)
    [sheet] = form["pages"]
    fields = []
    known = ("name", "box")
    for field in sheet["fields"]:
        fields.append({key: field[key] for key in field if key not in known})
    assert fields == [
        {"format": "amount", "min": -1.5, "max": 0},
        {"check": "mod97"},
        {"values": ["101", "102"]},
        {"values": ["7", "8"]},
        {"max": 12},
        {},
    ]
    assert sheet["sums"] == [{"fields": ["field1", "number"], "total": "field6"}]
    click(page, "Close")
    choose(page, "meter.json", json.dumps(form).encode(), "Open a form")
    expect_text(page, "#fields li:nth-child(4) summary", "More: values")
    expect(more(page, 6).get_by_label("number", exact=True)).to_be_checked()
    assert saved_form(page) == form
    assert until(lambda: "mod97" in stored_form(page))
    page.reload()
    expect_text(page, "#fields li:nth-child(6) summary", "More: sum")
    assert saved_form(page) == form
    click(page, "Remove field 5")
    click(page, "Remove field 1")
    assert "sums" not in saved_form(page)["pages"][0]


def stored_form(page: Page) -> str:
    stored = from_lists(page, "lists.get(`${sessionStorage.list} form`)")
    return json.dumps(stored)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "Field 2 has no name."),
        ("field1", "Two fields are named “field1”."),
        ("=1", "“=1” would be a formula: begin it with a letter."),
    ],
)
def test_a_name_that_cannot_be_a_column_is_refused(page, name, why):
    service = Sheets(page)
    make_form(page)
    page.get_by_label("Name of field 2").fill(name)
    click(page, "Read sheets by it")
    expect_text(page, "#form-note", why)
    expect(page.get_by_label("Name of field 2")).to_be_focused()
    assert service.forms == []


def test_a_name_of_a_column_that_tables_have_is_refused(page):
    Sheets(page)
    make_form(page)
    for name in RESERVED:
        page.get_by_label("Name of field 2").fill(name)
        click(page, "Save the form")
        why = f"“{name}” is a column of all tables: choose another name."
        expect_text(page, "#form-note", why)


def box_of(page: Page, index: int) -> list[float]:
    """Return a field's box in the form that is saved, in per mille of the sheet."""
    box = saved_form(page)["pages"][0]["fields"][index]["box"]
    return [round(1000 * box[side]) for side in SIDES]


def test_boxes_are_drawn_moved_and_resized_by_mouse_and_keys(page):
    Sheets(page)
    make_form(page)

    def drag(*places: tuple[float, float]) -> None:
        page.locator("#plan").scroll_into_view_if_needed()
        [plan] = boxes_of(page, "#plan")
        for index, (across, down) in enumerate(places):
            x = plan["x"] + across * plan["width"]
            y = plan["y"] + down * plan["height"]
            page.mouse.move(x, y)
            if index == 0:
                page.mouse.down()
        page.mouse.up()

    drag((0.3, 0.7), (0.2, 0.75), (0.5, 0.8))
    expect(page.get_by_label("Name of field 7")).to_have_value("field7")
    assert box_of(page, 6) == pytest.approx([300, 700, 200, 100], abs=3)
    drag((0.4, 0.75), (0.5, 0.85))
    assert box_of(page, 6) == pytest.approx([400, 800, 200, 100], abs=3)
    drag((0.595, 0.895), (0.695, 0.845))
    assert box_of(page, 6) == pytest.approx([400, 800, 300, 50], abs=3)
    before = box_of(page, 6)
    page.locator("#plan").focus()
    press(page, "ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown")
    expect_words(page, "#plan-note", "field7: from 39.")
    moved = [now - then for now, then in zip(box_of(page, 6), before, strict=True)]
    assert moved == [-5, -5, 5, 5]
    page.locator("#plan").focus()
    press(page, *["ArrowDown"] * 60)
    [_, top, _, height] = box_of(page, 6)
    assert top + height == 1000  # and not further
    page.locator("#plan").focus()
    press(page, "n", "PageDown", "Delete")
    expect_count(page, "#fields li", 7)
    assert box_of(page, 0)[0] > 500  # the first one is gone


def test_on_a_phone_a_finger_scrolls_or_moves_a_box_or_draws_one(browser, url):
    with opened(browser, url, viewport=PHONE, has_touch=True) as page:
        Sheets(page)
        make_form(page)
        assert fits(page)

        def drag(across: float, down: float) -> None:
            page.locator("#plan").scroll_into_view_if_needed()
            [plan] = boxes_of(page, "#plan")
            x, y = plan["x"] + across * plan["width"], plan["y"] + down * plan["height"]
            touch(page, "touchStart", (x, y))
            for step in range(1, 6):
                touch(page, "touchMove", (x + 7 * step, y + 7 * step))
            touch(page, "touchEnd")

        before = box_of(page, 0)
        drag(0.2, 0.2)
        assert box_of(page, 0)[0] > before[0] + 50
        drag(0.3, 0.7)
        expect_count(page, "#fields li", 6)
        click(page, "Add a field")
        drag(0.3, 0.7)
        expect_count(page, "#fields li", 7)


def test_a_sheet_of_another_form_is_a_row_that_says_so(page):
    Sheets(page)
    make_form(page)
    read_sheets(page, blank())
    problem = {"type": "/problems/not-this-form", "detail": "No sheet of meter."}
    respond(page, "**/read?*alternatives=*", status=422, json=problem)
    choose(page, "other.png", blank())
    expect_words(page, "#records tbody tr:last-child", "No sheet of meter.")
    _, first, second = table(page)
    assert first[6:15] == ["field3", "", "scan.pdf", "1", "0.97", "meter", "", "m", ""]
    assert second[:-2] == [
        *([""] * 8 + ["other.png"] + [""] * 5),
        *("No sheet of meter.", "not-this-form"),
    ]


def test_a_table_for_a_spreadsheet_keeps_zeros_and_texts(page):
    """As formulas; numbers are left where something is known of a field."""
    Sheets(page, 2)
    make_form(page)
    page.get_by_label("Format of field 3").select_option(label="a decimal")
    more(page, 4).get_by_label("lowest").fill("0")
    read_sheets(page, blank(), blank())
    for text in ("2.50", "007"):
        page.locator("#review-all").click()
        press(page, "t")
        page.keyboard.type(text)
        press(page, "Enter", "Escape", "Escape")
    page.get_by_label("for a spreadsheet").check()
    _, first, second = table(page)
    assert first[:6] == ['="10"', '="11"', "2.50", "13", '="14"', ""]
    assert second[2:8] == ['="007"', "23", '="24"', "", "", "field3"]


def test_a_sheet_of_several_pages_is_a_row(page):
    """The sample is a PDF of both pages; the sheets are scans, the last one a half."""
    prints = ("table", "combs")
    empty = [Image.open(BytesIO(printed(PRINTS[name]))) for name in prints]
    open_forms(page)
    choose(page, "sample.pdf", document(empty), "New form from a sample")
    choice = page.get_by_label("Page of the form")
    choice.select_option(label="Page 2")
    expect_count(page, "#fields li", 8)
    page.get_by_label("Name of field 8").fill("seat")
    expect(page.get_by_label("Name of field 7")).to_have_value("field23")
    expect(page.locator("#sample-picture")).to_be_visible()
    more(page, 8).get_by_label("field1", exact=True).check()
    choice.select_option(label="Page 1")
    expect_count(page, "#fields li", 16)
    form = saved_form(page)
    assert [len(each["fields"]) for each in form["pages"]] == [16, 8]
    assert form["pages"][1]["sums"] == [{"fields": ["field1"], "total": "seat"}]
    click(page, "Read sheets by it")
    pages = [scan("table", 1), scan("combs", 1), scan("table", 3), scan("combs", 3)]
    choose(page, "scan.pdf", document([*pages, scan("table")], quality=20))
    expect_words(page, "#counts", "1 in all")
    expect_count(page, "#records tbody tr", 3)
    header, *rows, half = table(page)
    assert header[:24] == [f"field{number}" for number in range(1, 24)] + ["seat"]
    for number, row in ((1, rows[0]), (3, rows[1])):
        written = [*sheet("table", number).written.values()]
        written += sheet("combs", number).written.values()
        assert sum(map(str.__eq__, row, written)) >= 20
        assert row[27] == str(number)
    assert half[27] == "5"
    assert "the file ends" in half[header.index("error")]


def test_forms_and_the_review_are_accessible(page):
    Sheets(page)
    make_form(page)
    more(page, 1)
    check(page, "form")
    read_sheets(page, blank())
    check(page, "table")
    click(page, "Review (1)")
    check(page, "review")
    press(page, "s")
    check(page, "sheet")
    press(page, "Enter")
    check(page, "reviewed")


def test_a_form_that_is_changed_reads_the_list_again_and_what_is_read_otherwise(page):
    """Drawings, and all that is read as something else, are read without a form."""
    service = Sheets(page)
    make_form(page)
    read_sheets(page, blank())
    page.get_by_label("Name of field 1").fill("number")
    click(page, "Read sheets by it")
    expect_words(page, "#records thead", "number")
    assert until(lambda: len(service.forms) == 2)
    assert table(page)[1][0] == "10"
    page.get_by_label("Read as").select_option(label="anything")
    expect(page.locator("#records")).to_be_hidden()
    expect(button(page, "Save as CSV")).to_be_visible()
