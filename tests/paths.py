"""Where the project's files are."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "digits.onnx"
LINES_MODEL = ROOT / "models" / "lines.onnx"
PAGES_MODEL = ROOT / "models" / "pages.onnx"
MODELS = MODEL, LINES_MODEL, PAGES_MODEL
