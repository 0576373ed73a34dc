"""From which confidence on numbers need no look."""

import pytest

from app.many.threshold import Judged, Threshold, threshold
from commands import invoked
from pictures import labelled_numbers

TEXTS = [
    *[Judged(0.99, True)] * 90,
    *[Judged(0.9, True)] * 9,
    Judged(0.9, False),
    *[Judged(0.5, True)] * 50,
    *[Judged(0.2, False)] * 50,
]


@pytest.mark.parametrize(
    ("errors", "found"),
    [
        (0.01, Threshold(0.201, 150, 1)),
        (0.005, Threshold(0.901, 90, 0)),
        (1, Threshold(0, 200, 51)),
    ],
)
def test_the_threshold_is_the_lowest_with_so_few_errors(errors, found):
    assert threshold(TEXTS, errors) == found


def test_there_is_none_if_the_surest_are_wrong():
    assert threshold([Judged(1, False), Judged(0.5, True)], 0.1) is None
    assert threshold([], 0.1) is None


@pytest.fixture
def folder(shuffled, tmp_path):
    """Two numbers, of which the second is labelled wrongly, and no picture."""
    digits, labels = shuffled
    of_four = ["".join(map(str, labels[place : place + 4])) for place in (0, 40)]
    named = {"a.png": of_four[0], "b.png": "1234", "c.png": "none"}
    folder = labelled_numbers(tmp_path / "mine", named, digits)
    (folder / "images" / "c.png").write_bytes(b"no picture")
    return folder


@pytest.mark.slow
def test_labelled_pictures_have_a_threshold(folder):
    done = invoked("threshold", folder, "--local", "--errors", "50", "--errors", "0")
    assert done.exit_code == 0
    right, unread, half, none = done.stdout.splitlines()
    assert right == "1 of 3 are as labelled (33.3 %)."
    assert unread == "1 cannot be read, and remain to be looked at."
    assert half == (
        "--min-confidence 0: 1 of the 2 that are accepted are wrong (at most 50 %), "
        "and 1 (33.3 %) remain to be looked at."
    )
    assert "(at most 0 %), and" in none or none.startswith("No confidence")


@pytest.mark.slow
def test_what_is_known_of_the_field_counts(folder):
    done = invoked("threshold", folder, "--local", "--length", "5")
    assert done.stdout.startswith("0 of 3")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "holds no labelled pictures"),
        ("file,label\na.png,1\n", "has no column 'filename'"),
        ("filename,label,page\na.png,1,x\n", "has a page that is not a number"),
        ("filename,label\na.png\n", "has a row without a label"),
    ],
)
def test_a_folder_without_labels_is_refused(table, message, tmp_path):
    if table:
        (tmp_path / "labels.csv").write_text(table)
    done = invoked("threshold", tmp_path, "--local")
    assert done.exit_code == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
