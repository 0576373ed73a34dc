"""The pretrained files: read only if they are the very ones."""

import hashlib

import onnx
import pytest

from paths import LINES_MODEL, PAGES_MODEL
from tensors import pretrained
from training import pages
from training.errors import TrainingError
from training.pretrained import HALF
from training.reader import recogniser

OTHER = "another network, another version or a truncated file"
REFUSED = {
    "missing": (None, "no such file"),
    "another": (LINES_MODEL.read_bytes(), OTHER),
    "truncated": (pretrained().SerializeToString()[:5000], OTHER),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    "wanted",
    [recogniser.PRETRAINED, pages.PRETRAINED],
    ids=lambda wanted: wanted.target,
)
def test_another_file_is_refused_with_what_was_expected(wanted, name, tmp_path):
    path = tmp_path / "pretrained.onnx"
    content, cause = REFUSED[name]
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError) as raised:
        wanted.read(path)
    expected = (
        f"expected {wanted.name} of rapidocr 3.10.0. To fetch it: make {wanted.target}"
    )
    assert str(raised.value) == f"{path}: {cause}; {expected}"


def test_the_file_itself_is_read(tmp_path):
    path = tmp_path / "pretrained.onnx"
    original = pretrained()
    onnx.save_model(original, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    stand_in = recogniser.PRETRAINED._replace(sha256=sha256)
    assert stand_in.read(path) == original


@pytest.mark.parametrize(
    ("file", "most"), [(LINES_MODEL, 6_500_000), (PAGES_MODEL, 5_500_000)]
)
def test_the_shipped_files_are_small_with_weights_in_16_bits(file, most):
    assert file.stat().st_size <= most
    arrays = onnx.load(file).graph.initializer
    stored = [array.data_type for array in arrays if array.name.endswith(HALF)]
    assert len(stored) > 100
    assert {*stored} == {onnx.TensorProto.FLOAT16}
