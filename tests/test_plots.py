"""Plots of a run, from a history and weights made by hand."""

from io import BytesIO

import pytest

from training.plots import history_figure

pytestmark = pytest.mark.slow


def shown_ticks(axis) -> list[str]:
    """Return the labels of the ticks within the axis limits."""
    low, high = axis.get_view_interval()
    ticks = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
    return [label.get_text() for place, label in ticks if low <= place <= high]


@pytest.mark.parametrize("epochs", [1, 60])
def test_the_curves_have_whole_epochs_and_plain_ticks_in_percent(epochs):
    history = [
        {
            "epoch": n,
            "training_loss": 0.9 / n,
            "training_error": 0.1 / n,
            "validation_loss": 4e-4 / n,
        }
        | {"validation_error": 0.02 / n}
        for n in range(1, epochs + 1)
    ]
    figure = history_figure(history)
    figure.savefig(BytesIO())
    loss, accuracy = figure.axes
    assert [line.get_ydata()[0] for line in (*loss.lines, *accuracy.lines)] == [
        0.9,
        4e-4,
        90,
        98,
    ]
    for axes in (loss, accuracy):
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [
            "training",
            "validation",
        ]
        assert shown_ticks(axes.xaxis)
        assert all(1 <= int(text) <= epochs for text in shown_ticks(axes.xaxis))
    assert all(0 <= float(text) < 2 for text in shown_ticks(loss.yaxis))
    assert all(
        80 < float(text.removesuffix("%")) <= 100
        for text in shown_ticks(accuracy.yaxis)
    )
