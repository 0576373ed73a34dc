"""Which of the pretrained network's characters stand for something else: those that it
sees in what is no number.
"""

import numpy as np
import onnxruntime as ort
import torch
from onnx import ModelProto
from tqdm import tqdm

from training.data import Digits
from training.line_ink import ink_line
from training.line_paper import batch_of, painted, strips_of
from training.line_writer import Glyphs
from training.omniglot import Characters
from training.recogniser import characters_of, most_active

ROWS = 1_000
PICTURES, SEED = 2_000, 0
# Of `training.line_text`: characters, words, and nothing but paper.
PATTERNS = "*", "*", "**", "Llll", "ll", ""


def rows_for_others(
    pretrained: ModelProto, digits: Digits, characters: Characters
) -> list[int]:
    """Choose the rows of the last layer that stand for something else, by their
    activity on painted lines of it.
    """
    rng, generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    session = ort.InferenceSession(
        pretrained.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    glyphs, highest = Glyphs(digits, characters, rng), []
    for _ in tqdm(range(PICTURES), "something else", leave=False, disable=None):
        line = ink_line(glyphs, str(rng.choice(PATTERNS)), rng)
        if line is not None:
            strip = strips_of(painted(batch_of([line], generator), generator))
            (shares,) = session.run(
                None, {"x": strip[:, None].expand(-1, 3, -1, -1).numpy()}
            )
            highest.append(shares[0].max(axis=0))
    return most_active(np.stack(highest), characters_of(pretrained), ROWS)
