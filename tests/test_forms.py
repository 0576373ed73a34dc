"""Filled sheets of printed forms over HTTP."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from answers import assert_problem
from app.form.crop import corners_of
from app.form.form import NotThisForm, form_in
from app.form.placement import applied
from app.form.reading import FormOptions, found_on
from app.main import create_app
from app.picture.opening import open_image
from app.serving.decoder import Limits, sheet_within
from app.serving.decoders import Decoders
from app.settings import Settings
from app.text.reading import decoded
from networks import page_network
from paths import MODELS
from pictures import document, encode, with_damaged_page
from sheets import CUT, PRINTS, SLANTED, UPSIDE_DOWN, form_of, sheet, turned


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder of forms, beside a file that is none of them."""
    folder = tmp_path_factory.mktemp("forms")
    for name in PRINTS:
        (folder / f"{name}.json").write_text(form_of(name))
    (folder.parent / "secret.json").write_text(form_of("lines"))
    return folder


@pytest.fixture(scope="module")
def service(folder) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(forms_dir=folder))) as client:
        yield client


def post(client: TestClient, picture: bytes, query: str = "", *forms: str):
    parts = [("file", picture), *(("form", form) for form in forms)]
    return client.post(f"/read{query}", files=parts)


def texts_of(answer: dict) -> dict[str, str]:
    return {name: field["text"] for name, field in answer["fields"].items()}


@pytest.mark.parametrize("name", PRINTS)
@pytest.mark.parametrize(
    ("number", "is_photo"),
    [(0, False), (UPSIDE_DOWN, False), (CUT, False), (SLANTED, True)],
)
def test_a_sheet_is_placed_within_a_tenth_of_a_field(name, number, is_photo):
    filled = sheet(name, number, is_photo)
    picture = decoded(open_image(filled.file))
    found = found_on(picture, page_network(), [form_in(form_of(name))])
    assert found.sheet.picture is picture
    for field, blank in zip(found.page.fields, PRINTS[name].blanks, strict=True):
        left, top, right, bottom = blank.box
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        expected = applied(filled.place, corners.astype(float))
        here = applied(found.placement.place, corners_of(field.box, found.page.size))
        assert np.hypot(*(here - expected).T).max() < 0.1 * (bottom - top)


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_fields_are_read_in_any_direction(client, degrees):
    filled = sheet("combs", 1)
    answer = post(client, turned(filled.file, degrees), "", form_of("combs")).json()
    assert answer["form"] == "combs"
    assert answer["fit"] > 0.8
    assert answer.get("turn", 0) == -degrees % 360
    texts = texts_of(answer)
    assert [*texts] == [blank.name for blank in PRINTS["combs"].blanks]
    right = [texts[name] == text for name, text in filled.written.items()]
    assert np.mean(right) >= 0.75


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number", "is_photo"),
    [("table", 1, False), ("table", 2, True), ("combs", 6, False)],
)
def test_fields_are_empty_where_nothing_is_written(client, name, number, is_photo):
    filled = sheet(name, number, is_photo)
    fields = post(client, filled.file, "", form_of(name)).json()["fields"]
    assert "" in filled.written.values()
    for name, text in filled.written.items():
        empty = fields[name]["empty"]
        assert empty < 0.05 if text else empty > 0.95


def test_a_sheet_of_another_form_is_refused(client):
    answer = post(client, sheet("table").file, "", form_of("lines"))
    assert_problem(answer, 422, "not-this-form", "/read")
    assert "of the form lines: send a scan" in answer.json()["detail"]


@pytest.mark.slow
def test_of_several_forms_the_right_one_is_named(service):
    picture = sheet("lines").file
    sent = [form_of("table"), form_of("lines")]
    assert post(service, picture, "", *sent).json()["form"] == "lines"
    assert post(service, picture, "?form=table,lines").json()["form"] == "lines"
    assert post(service, picture, "?form=table", form_of("lines")).status_code == 200
    assert service.get("/forms").json() == {"forms": ["combs", "lines", "table"]}


@pytest.mark.slow
def test_a_page_has_time_for_each_form_that_it_may_be_of():
    combs = form_in(form_of("combs"))
    forms = tuple(combs.model_copy(update={"name": name}) for name in "abcdefgh")
    page = document([Image.open(BytesIO(sheet("table", 1).file))])
    limits = Limits(memory_bytes=220_000_000, processor_seconds=0.3)
    decoders = Decoders(MODELS, 1, limits, 60.0, pytest.fail)
    read = partial(sheet_within, options=FormOptions(forms))
    try:
        with pytest.raises(NotThisForm, match="no sheet of the form a, b, c, d"):
            asyncio.run(decoders(page, read))
    finally:
        decoders.close()


@pytest.mark.slow
def test_a_document_has_a_sheet_for_each_page(service):
    grey = Image.open(BytesIO(sheet("combs").file))
    page = grey.point(lambda level: 255 * (level > 127))
    file = with_damaged_page(document([page] * 3, "TIFF"))
    answer = post(service, file, "?form=combs").json()
    first, second, third = answer["sheets"]
    assert second["page"] == 2
    assert second["error"]["type"] == "/problems/corrupt-image"
    assert {**first, "page": 3} == third
    alone = post(service, file, "?form=combs&page=3").json()
    assert alone == {name: each for name, each in third.items() if name != "page"} | {
        "model": answer["model"]
    }
    lines = service.post(
        "/read?form=combs&page=1-2",
        content=file,
        headers={"accept": "application/x-ndjson"},
    ).text.splitlines()
    assert [json.loads(line)["page"] for line in lines] == [1, 2]


@pytest.mark.slow
def test_pictures_alternatives_and_a_least_confidence_are_as_asked_for(service):
    picture = sheet("combs").file
    query = "?form=combs&picture=true&alternatives=2"
    answer = post(service, picture, query).json()
    for each in (answer, *answer["fields"].values()):
        assert each["picture"].startswith("data:image/jpeg;base64,")
    read = [field for field in answer["fields"].values() if field["text"]]
    assert all(len(field["alternatives"]) <= 2 for field in read)
    assert any(field["alternatives"] for field in read)
    unsure = post(service, picture, "?form=combs&min_confidence=1")
    assert_problem(unsure, 422, "not-sure", "/read")
    assert texts_of(unsure.json()["reading"]) == texts_of(answer)


@pytest.mark.parametrize("name", ["none", "../secret", "a/b", "combs.json", "/", "."])
def test_a_name_that_is_not_in_the_list_is_unknown_and_never_a_path(service, name):
    answer = post(service, b"no picture", f"?form={name}")
    assert_problem(answer, 404, "unknown-form", "/read")
    assert answer.json()["detail"].startswith(f"There is no form {name}: ")


@pytest.mark.slow
def test_a_form_that_changes_is_read_again(service, folder):
    picture = sheet("combs").file
    file = folder / "changes.json"
    content = json.loads(form_of("combs"))
    fields = content["pages"][0]["fields"]
    for count in (2, 1):
        content["pages"][0]["fields"] = fields[:count]
        file.write_text(json.dumps(content))
        answer = post(service, picture, "?form=changes").json()
        assert len(answer["fields"]) == count
    file.write_text("{")
    answer = post(service, picture, "?form=changes")
    assert_problem(answer, 422, "invalid-form", "/read")
    file.unlink()
    assert post(service, picture, "?form=changes").status_code == 404


def test_a_form_in_a_request_that_is_invalid_names_the_place(client):
    content = json.loads(form_of("combs"))
    content["pages"][0]["fields"][1]["box"]["width"] = 2
    answer = post(client, sheet("combs").file, "", json.dumps(content))
    assert_problem(answer, 422, "invalid-form", "/read")
    assert "pages[0].fields[1].box.width: " in answer.json()["detail"]


@pytest.mark.slow
def test_a_form_is_proposed_by_the_service_and_finds_its_sheets(client):
    proposal = client.post("/forms/new", content=encode(PRINTS["combs"].picture))
    assert proposal.status_code == 200
    answer = post(client, sheet("combs").file, "", proposal.text)
    assert answer.json()["form"] == "form"


def test_without_a_network_for_pages_there_are_no_forms():
    with TestClient(create_app(Settings(pages_model="none"))) as client:
        answer = post(client, sheet("combs").file, "", form_of("combs"))
        assert_problem(answer, 404, "no-page-network", "/read")
        answer = client.post("/forms/new", content=sheet("combs").file)
        assert_problem(answer, 404, "no-page-network", "/forms/new")


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (3, 3), (40, 40)])
def test_pictures_of_any_size_are_no_sheets(client, size):
    picture = encode(Image.new("L", size, 200))
    answer = client.post("/forms/new", content=picture)
    assert_problem(answer, 422, "invalid-form", "/forms/new")
