"""Which of the pretrained network's characters stand for something else: those that it
sees in what is no number.
"""

from functools import partial

import numpy as np
import onnxruntime as ort
import torch
from onnx import ModelProto

from training.data import Digits
from training.omniglot import Characters
from training.reader.ink_lines import ink_line
from training.reader.paper import painted_strips
from training.reader.recogniser import characters_of, most_active
from training.run import progress
from training.writing.writer import Glyphs, redrawn

SEED = 0
# Of `training.writing.patterns`: characters, words, and nothing but paper.
PATTERNS = ("*", "*", "**", "Llll", "ll", "")


def rows_for_others(
    pretrained: ModelProto,
    digits: Digits,
    characters: Characters,
    pictures: int,
    count: int,
) -> list[int]:
    """Choose the rows for something else: those most active on pictures of it."""
    rng = np.random.default_rng(SEED)
    generator = torch.Generator().manual_seed(SEED)
    session = ort.InferenceSession(
        pretrained.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    glyphs = Glyphs(digits, characters, partial(redrawn, rng=rng))
    highest = []
    for _ in progress(range(pictures), "something else"):
        line = ink_line(glyphs, str(rng.choice(PATTERNS)), rng)
        if line is None:
            continue
        strips = painted_strips([line], generator)
        coloured = strips[:, None].expand(-1, 3, -1, -1)  # (1, 3, H, W)
        (shares,) = session.run(None, {"x": coloured.numpy()})
        highest.append(shares[0].max(axis=0))
    return most_active(np.stack(highest), characters_of(pretrained), count)
