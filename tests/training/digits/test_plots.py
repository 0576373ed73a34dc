"""Plots of a run, from a history and weights made by hand."""

from io import BytesIO

import pytest

from training.digits.plots import history_figure

pytestmark = pytest.mark.slow


def shown_ticks(axis) -> list[str]:
    """Return the labels of the ticks within the axis limits."""
    low, high = axis.get_view_interval()
    ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
    return [label.get_text() for place, label in ticks if low <= place <= high]


@pytest.mark.parametrize("epochs", [1, 60])
def test_the_curves_have_whole_epochs_and_plain_ticks_in_percent(epochs):
    first = {
        "training_loss": 0.9,
        "training_error": 0.1,
        "validation_loss": 4e-4,
        "validation_error": 0.02,
    }
    history = []
    for epoch in range(1, epochs + 1):
        measures = {name: value / epoch for name, value in first.items()}
        history.append({"epoch": epoch, **measures})
    figure = history_figure(history)
    figure.savefig(BytesIO())
    loss, accuracy = figure.axes
    begins = [line.get_ydata()[0] for line in (*loss.lines, *accuracy.lines)]
    assert begins == [0.9, 4e-4, 90, 98]
    for axes in (loss, accuracy):
        legend = [text.get_text() for text in axes.get_legend().get_texts()]
        assert legend == ["training", "validation"]
        assert all(1 <= int(text) <= epochs for text in shown_ticks(axes.xaxis))
