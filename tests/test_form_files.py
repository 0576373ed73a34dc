"""The files of forms: what is wrong with one, and where."""

import json
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from app.form.form import MAX_BYTES, Form, InvalidForm, form_in
from app.form.landmarks import Landmarks
from app.form.placement import affine, applied, placed, projective, similarity
from paths import ROOT

BOX = {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.05}
BELOW = {**BOX, "top": 0.3}


def content() -> dict:
    """Return a form with two fields."""
    fields = [{"name": "reading", "box": BOX}, {"name": "persons", "box": BELOW}]
    writing = [[0.1, top, 0.5, top] for top in (0.02, 0.8, 0.9)]
    landmarks = {"writing": writing, "rules": []}
    page = {"width": 800, "height": 1000, "landmarks": landmarks, "fields": fields}
    return {"name": "meter", "pages": [page]}


def first(change: dict) -> Callable[[dict], None]:
    """Change the first field."""
    return lambda form: form["pages"][0]["fields"][0].update(change)


def many(form: dict) -> None:
    form["pages"][0]["fields"] = [{"name": str(n), "box": BOX} for n in range(10_000)]


FIRST = "pages[0].fields[0]"
WRONG = {
    "a sample without landmarks": (
        lambda form: form["pages"][0]["landmarks"].update(writing=[]),
        "pages[0].landmarks: 3 lines of print or printed lines are needed at least, by "
        "which sheets are found.",
    ),
    "a sum of no field": (
        lambda form: form["pages"][0].update(
            sums=[{"fields": ["reading"], "total": "all"}]
        ),
        "pages[0].sums[0]: the form has no field all.",
    ),
    "an empty box": (
        first({"box": {**BOX, "width": 0}}),
        f"{FIRST}.box.width: Input should be greater than 0.",
    ),
    "a box beyond the sheet": (
        first({"box": {**BOX, "left": 0.9}}),
        f"{FIRST}.box: must end on the page: left + width and top + height <= 1.",
    ),
    "boxes that overlap": (
        first({"box": {**BELOW, "top": 0.32}}),
        "pages[0].fields[1] (persons): its box overlaps that of fields[0] (reading).",
    ),
    "two fields of one name": (
        first({"name": "persons"}),
        "pages[0].fields[1]: pages[0].fields[0] is called persons, too.",
    ),
    "a name that a spreadsheet would run": (
        first({"name": "=1+1"}),
        f"{FIRST}.name: must not begin with =: a spreadsheet would run it as a "
        "formula.",
    ),
    "a name of a column that tables have": (
        first({"name": "edited"}),
        f"{FIRST}.name: must not be edited: tables have such a column.",
    ),
    "a name of two lines": (
        first({"name": "a\nb"}),
        f"{FIRST}.name: must be one line of text, without spaces around it.",
    ),
    "an unknown format": (first({"format": "roman"}), f"{FIRST}.format: "),
    "an unknown key": (first({"size": 4}), f"{FIRST}.size: "),
    "a list of a million values": (
        first({"values": ["1"] * 1_000_000}),
        f"{FIRST}.values: has more than 100,000.",
    ),
    "10,000 fields": (many, "pages[0].fields: has more than 200."),
    "no pages": (lambda form: form.update(pages=[]), "pages: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_form_names_the_place(name):
    change, expected = WRONG[name]
    form = content()
    change(form)
    with pytest.raises(InvalidForm) as refused:
        form_in(json.dumps(form))
    assert str(refused.value).startswith(expected)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "The form is no JSON: "),
        ("[]", "The form: "),
        ("\xff".encode("latin-1"), "The form is no JSON: "),
        (" " * (MAX_BYTES + 1), f"The form is larger than {MAX_BYTES:,} bytes."),
    ],
)
def test_what_is_no_form_is_refused(text, expected):
    with pytest.raises(InvalidForm) as refused:
        form_in(text)
    assert str(refused.value).startswith(expected)


@pytest.mark.parametrize(
    "file",
    [
        ("ids.txt", "\ufeff1047\r\n\n 2047\n"),
        ("ids.CSV", '\ufeff"1047",Ada\r\n\n,Bob\n" 2047","one, two"\n'),
    ],
)
def test_values_may_be_in_a_file_beside_the_form(tmp_path, file):
    form = content()
    name, text = file
    first({"values": name})(form)
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = form_in(json.dumps(form), tmp_path)
    assert found.fields[0].values == ["1047", "2047"]
    # As a service gets it.
    sent = form_in(found.model_dump_json(exclude_unset=True))
    assert sent.fields[0].values == ["1047", "2047"]


@pytest.mark.parametrize(
    ("values", "is_sent", "expected"),
    [
        ("ids.txt", True, "must be a list: a file of values is not sent with a form"),
        ("none.txt", False, "none.txt cannot be read: No such file or directory"),
        ("picture", False, "picture must be a text in UTF-8"),
        ("../ids.txt", False, "must be a list, or the name of a file beside the form"),
        ("..", False, ".. cannot be read: Is a directory"),
    ],
)
def test_a_file_of_values_that_cannot_be_used_is_refused(
    tmp_path, values, is_sent, expected
):
    folder = tmp_path / "forms"
    folder.mkdir()
    for beside in (folder, tmp_path):
        (beside / "ids.txt").write_text("1")
    (folder / "picture").write_bytes(b"\x89PNG")
    form = content()
    first({"values": values})(form)
    with pytest.raises(InvalidForm) as refused:
        form_in(json.dumps(form), None if is_sent else folder)
    assert str(refused.value) == f"{FIRST}.values: {expected}."


def test_a_form_keeps_what_it_says():
    form = content()
    assert form_in(json.dumps(form)).model_dump(exclude_unset=True, mode="json") == form


def test_the_published_schema_is_current():
    """To renew it, write what this compares."""
    published = json.loads((ROOT / "docs" / "form.schema.json").read_text())
    assert published == Form.model_json_schema()


def test_the_form_in_the_documentation_is_valid():
    content = (ROOT / "docs" / "exam.json").read_bytes()
    assert len(form_in(content).fields) == 8


MAPS = {
    similarity: [[0.8, -0.3, 40], [0.3, 0.8, -70], [0, 0, 1]],
    affine: [[0.8, -0.3, 40], [0.1, 1.2, -70], [0, 0, 1]],
    projective: [[0.8, -0.3, 40], [0.1, 1.2, -70], [1e-4, -2e-4, 1]],
}


@pytest.mark.parametrize("fitted", MAPS, ids=lambda each: each.__name__)
def test_a_known_map_is_recovered(fitted):
    points = np.random.default_rng(0).uniform(0, 1000, (12, 2))
    place = np.array(MAPS[fitted])
    found = fitted(points, applied(place, points))
    assert np.allclose(applied(found, points), applied(place, points), atol=1e-6)


@pytest.mark.slow
def test_placing_a_dense_page_takes_bounded_memory():
    rng = np.random.default_rng(0)
    begin = rng.uniform(0, 1000, (2000, 2))
    segments = np.hstack([begin, begin + rng.uniform(-90, 90, (2000, 2))])
    dense = Landmarks(segments, segments[::-1], (1000, 1400))
    tracemalloc.start()
    placement = placed(dense, dense)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert placement is not None
    assert placement.place == pytest.approx(np.eye(3), abs=0.01)
    assert peak < 60_000_000
