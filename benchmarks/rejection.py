"""Measures of how well a score separates digits from everything else."""

import numpy as np
from numpy.typing import ArrayLike


def auroc(digits: ArrayLike, others: ArrayLike) -> float:
    """Compute the area under the ROC curve: how often a digit scores higher than another picture; ties count half.

    Parameters
    ----------
    digits, others : array_like
        (N,) and (M,) scores, at least one of each; higher means more like a digit.

    Returns
    -------
    float
        In [0, 1]; 0.5 for an uninformative score.

    Examples
    --------
    >>> auroc([0.9, 0.5], [0.5, 0.1])
    0.875
    """
    ordered = np.sort(others)
    above = np.searchsorted(ordered, digits, "left")
    tied = np.searchsorted(ordered, digits, "right") - above
    return float(np.mean(above + tied / 2) / len(ordered))


def ccr(digits: ArrayLike, correct: ArrayLike, others: ArrayLike, fpr: float) -> float:
    """Compute the correct classification rate at a false positive rate (Dhamija et al. 2018).

    Parameters
    ----------
    digits, others : array_like
        (N,) and (M,) scores, at least one of each; higher means more like a digit.
    correct : array_like
        (N,) bool, whether each digit was classified correctly.
    fpr : float
        In [0, 1): the share of other pictures that may score above the threshold.

    Returns
    -------
    float
        The share of digits that are classified correctly and score above the lowest such threshold.

    Examples
    --------
    >>> ccr([0.9, 0.8, 0.2], [True, False, True], [0.5, 0.1], fpr=0)
    0.3333333333333333
    """
    threshold = np.sort(others)[::-1][int(fpr * len(np.asarray(others)))]
    return float(np.mean((np.asarray(digits) > threshold) & np.asarray(correct)))
