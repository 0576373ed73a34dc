"""A PDF → the number of its pages, and a page as an image."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from PIL import Image
from pypdfium2 import PdfDocument, PdfFormEnv, PdfiumError
from pypdfium2.raw import (
    FORMTYPE_XFA_FULL,
    FPDF_ERR_PASSWORD,
    FPDF_FORMFILLINFO,
    FPDFDOC_InitFormFillEnvironment,
)

from app.picture.errors import CorruptImage, NotAnImage

SIDE = 2048  # longer side of the image, in pixels: 175 dots per inch on A4
ONE_AT_A_TIME = Lock()  # PDFium is not thread-safe


@contextmanager
def opened(data: bytes) -> Iterator[PdfDocument]:
    """Open a PDF, while no other is open; raise NotAnImage or CorruptImage."""
    with ONE_AT_A_TIME:
        try:
            document = PdfDocument(data)
        except PdfiumError as error:
            # The code may be that of an earlier file.
            if error.err_code == FPDF_ERR_PASSWORD and b"/Encrypt" in data:
                raise NotAnImage(
                    "The PDF needs a password: remove it and send it again."
                ) from error
            raise CorruptImage(
                "The PDF is damaged or has no pages: save it again as a PDF."
            ) from error
        with document:
            if document.get_formtype() == FORMTYPE_XFA_FULL:
                raise NotAnImage(
                    "The PDF is a dynamic XFA form, which only Adobe's programs show: "
                    "print it to a PDF and send that."
                )
            yield document


def drawn(document: PdfDocument, index: int) -> Image.Image:
    """Draw a page with what is filled in, by its index; raise CorruptImage."""
    try:
        prepare_fields(document)
        sheet = document[index]
        scale = SIDE / max(sheet.get_size())
        image: Image.Image = sheet.render(scale=scale).to_pil()
        return image.copy()  # the document's memory ends with it
    except MemoryError:
        raise
    except ZeroDivisionError as error:
        raise CorruptImage(
            "The page of the PDF has no area: save it again as a PDF."
        ) from error
    except Exception as error:  # PDFium's binding raises several kinds
        raise CorruptImage(f"The page of the PDF is damaged: {error}") from error


def prepare_fields(document: PdfDocument) -> None:
    """Have the fields of forms drawn, on the pages that are loaded from now on.

    The binding's `init_forms` leaves out fields that are in no form, as after a merge,
    and warns of each XFA form. Without a platform for it, no JavaScript runs.
    """
    config = FPDF_FORMFILLINFO(version=2)
    handle = FPDFDOC_InitFormFillEnvironment(document, config)
    document.formenv = PdfFormEnv(handle, config)  # which the document closes
