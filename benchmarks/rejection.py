"""How well a score tells what shows a digit from what shows none.

Ignores: where the scores come from.
"""

import numpy as np
from numpy.typing import ArrayLike


def auroc(digits: ArrayLike, others: ArrayLike) -> float:
    """Area under the ROC curve: how often a digit's score is above another picture's, ties counted half.

    Parameters
    ----------
    digits, others : array_like
        (N,) and (M,) scores, at least one each; higher is more like a digit.

    Returns
    -------
    float
        In [0, 1]; 0.5 where the score says nothing.

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
    """Correct-classification rate at a false-positive rate (Dhamija et al. 2018, "Reducing Network Agnostophobia").

    Parameters
    ----------
    digits, others : array_like
        (N,) and (M,) scores, at least one each; higher is more like a digit.
    correct : array_like
        (N,) bool: which digits were read right.
    fpr : float
        In [0, 1): the share of the other pictures that may be above the threshold.

    Returns
    -------
    float
        The share of the digits that are read right and above the lowest such threshold.

    Examples
    --------
    >>> ccr([0.9, 0.8, 0.2], [True, False, True], [0.5, 0.1], fpr=0)
    0.3333333333333333
    """
    threshold = np.sort(others)[::-1][int(fpr * len(np.asarray(others)))]
    return float(np.mean((np.asarray(digits) > threshold) & np.asarray(correct)))
