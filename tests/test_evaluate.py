"""Measures of a model's answers, and the model card."""

import shutil

import numpy as np
import pytest

import evaluate
from evaluate import Answers
from support import MODEL
from tensors import as_digits


@pytest.fixture(scope="module")
def answers(classifier, digits, labels) -> Answers:
    return evaluate.answer(classifier, digits, labels)


def test_answers_come_from_the_served_code(answers, digits, labels):
    assert len(answers.mistakes) <= 0.02 * len(labels)
    assert np.abs(answers.frames - digits / 255).mean() < 0.001


def by_hand() -> Answers:
    """Four answers: two correct, and two 7s read as 1, the second with higher confidence."""
    probabilities = np.zeros((4, 10), np.float32)
    for row, (digit, confidence) in enumerate([(3, 1.0), (1, 0.55), (1, 0.8), (5, 0.6)]):
        probabilities[row] = (1 - confidence) / 9
        probabilities[row, digit] = confidence
    return Answers(np.zeros((4, 28, 28), np.float32), np.array([3, 7, 7, 5]), probabilities)


def test_mistakes_and_confusion_match_a_count_by_hand():
    assert by_hand().mistakes.tolist() == [2, 1]
    assert by_hand().confusion[7, 1] == 2
    assert by_hand().confusion.trace() == 2
    assert by_hand().confusion.sum() == 4


def test_the_calibration_error_matches_a_calculation_by_hand():
    expected = (0 + 0.55 + 0.8 + 0.4) / 4  # each alone in its bin
    assert by_hand().reliability.error == pytest.approx(expected, abs=1e-6)


def test_reliability_matches_a_calculation_by_hand():
    bins = evaluate.reliability([0.95, 0.97, 1.0, 0.5], [True, False, True, True])
    assert bins.counts.tolist() == [0] * 7 + [1] + [0] * 6 + [3]
    assert bins.confidence[[7, 14]] == pytest.approx([0.5, 2.92 / 3])
    assert bins.accuracy[[7, 14]] == pytest.approx([1, 2 / 3])
    assert bins.error == pytest.approx((0.5 + 3 * (2.92 / 3 - 2 / 3)) / 4)


@pytest.mark.parametrize(
    ("errors", "n", "low", "high"), [(0, 100, 0, 0.037), (50, 100, 0.404, 0.596), (100, 100, 0.963, 1)]
)
def test_the_wilson_interval_matches_published_values(errors, n, low, high):
    assert evaluate.wilson_interval(errors, n) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.slow
def test_the_card_reports_the_measurements(answers, tmp_path, classifier, line_network):
    evaluate.write_card(classifier, answers, line_network, "97.0% of 2,000 lines are read exactly", tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert classifier.version in card
    assert f"({len(answers.mistakes)} of 500; 95 % interval" in card
    assert classifier.metadata["recipe"] in card
    assert line_network.version in card
    assert "97.0% of 2,000 lines" in card
    assert "$" not in card
    for picture in ("confusion", "calibration", "mistakes"):
        assert f"({picture}.png)" in card
        assert (tmp_path / f"{picture}.png").stat().st_size > 1000


@pytest.mark.slow
def test_a_model_without_metadata_gets_a_card_too(answers, tmp_path, classifier, line_network, monkeypatch):
    monkeypatch.setattr(classifier, "metadata", {})
    evaluate.write_card(classifier, answers, line_network, "", tmp_path)
    assert "not recorded" in (tmp_path / "README.md").read_text()


@pytest.mark.slow
def test_lines_of_real_digits_are_read(shuffled, line_network, monkeypatch):
    monkeypatch.setattr(evaluate, "LINES", 200)
    assert evaluate.lines_right(line_network, as_digits(*shuffled)) >= 80
    assert "of 200 lines are read exactly" in evaluate.line_report(line_network, as_digits(*shuffled))


def test_the_committed_card_belongs_to_the_committed_models(classifier, line_network):
    card = (MODEL.parent / "README.md").read_text()
    assert line_network.version in card
    assert classifier.version in card
    assert classifier.metadata["seeds"] in card.replace("\n", " ")


@pytest.mark.slow
def test_only_a_model_card_is_overwritten(sample_mnist, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "LINES", 20)
    shutil.copy(MODEL, tmp_path)
    command = ["--model", str(tmp_path / MODEL.name), "--data", str(sample_mnist)]
    (tmp_path / "README.md").write_text("# My project")
    assert evaluate.main(command) == 1
    assert "README.md is not a model card" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "# My project"
    (tmp_path / "README.md").unlink()
    assert [evaluate.main(command), evaluate.main(command)] == [0, 0]
    assert (tmp_path / "README.md").read_text().startswith(evaluate.TITLE)


def test_a_missing_model_is_reported_in_one_sentence(tmp_path, capsys):
    assert evaluate.main(["--model", str(tmp_path / "none.onnx")]) == 1
    assert "no such file" in capsys.readouterr().err
