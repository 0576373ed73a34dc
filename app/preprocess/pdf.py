"""A page of a PDF → an image; needs the extra `pdf` (pypdfium2)."""

from PIL import Image

from app.preprocess.decode import index_of
from app.preprocess.errors import CorruptImage, NoSuchPage, NotAnImage

SIDE = 2048  # longer side of the image, in pixels: 175 dots per inch on A4


def drawn(data: bytes, page: int | None) -> Image.Image:
    """Draw a page; raise NotAnImage without pypdfium2, NoSuchPage, or CorruptImage."""
    try:
        from pypdfium2 import PdfDocument
    except ModuleNotFoundError as error:
        raise NotAnImage(
            "PDFs are read only where the extra `pdf` is installed: save the page as a PNG, or install it."
        ) from error
    try:
        with PdfDocument(data) as document:
            sheet = document[index_of(page, len(document))]
            image: Image.Image = sheet.render(scale=SIDE / max(sheet.get_size())).to_pil()
            return image.copy()  # the document's memory ends with it
    except (MemoryError, NoSuchPage):
        raise
    except Exception as error:  # as in `open_image`
        raise CorruptImage(f"The PDF cannot be opened: {error}.") from error
