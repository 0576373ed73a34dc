"""PDFs, written by hand."""

from collections.abc import Sequence

from PIL import Image


def pdf_of(
    *pages: tuple[bytes, bytes],
    more: bytes = b"",
    catalog: bytes = b"",
    objects: Sequence[bytes] = (),
) -> bytes:
    """Write a PDF of pages, each given by its dictionary's entries and its content.

    `more` is added to the trailer, and `catalog` to the catalogue. Further objects have
    the numbers after those of the pages: of one page, from 5 on.
    """
    kids = b" ".join(b"%d 0 R" % (3 + 2 * place) for place in range(len(pages)))
    numbered = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
    ]
    page = b"<</Type/Page/Parent 2 0 R%s/Contents %d 0 R>>"
    for entries, content in pages:
        numbered.append(page % (entries, len(numbered) + 2))
        numbered.append(stream_of(content))
    numbered += objects
    pdf = b"%PDF-1.7\n"
    places = b"0000000000 65535 f \n"
    for index, each in enumerate(numbered, 1):
        places += b"%010d 00000 n \n" % len(pdf)
        pdf += b"%d 0 obj\n%s\nendobj\n" % (index, each)
    size = len(numbered) + 1
    end = b"xref\n0 %d\n%strailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF"
    return pdf + end % (size, places, size, more, len(pdf))


def stream_of(content: bytes, entries: bytes = b"") -> bytes:
    """Write a stream of a PDF."""
    head = b"<<%s/Length %d>>" % (entries, len(content))
    return b"%sstream\n%s\nendstream" % (head, content)


def filled_in(
    field: bytes, form: bytes = b"", catalog: bytes = b"", content: bytes = b""
) -> bytes:
    """Write a PDF with a field of a form, given by its entries.

    Object 7 is an appearance with this content, by default 4075. `form` is added to the
    form, and `catalog` to the catalogue.
    """
    fonts = b"/Font<</F 6 0 R>>"
    appearance = stream_of(
        content or b"BT /F 40 Tf 0 g 4 14 Td (4075) Tj ET",
        b"/Type/XObject/Subtype/Form/BBox[0 0 200 60]/Resources<<%s>>" % fonts,
    )
    return pdf_of(
        (A4 + b"/Annots[5 0 R]", b""),
        catalog=b"/AcroForm<</Fields[5 0 R]/DA(/F 40 Tf 0 g)/DR<<%s>>%s>>%s"
        % (fonts, form, catalog),
        objects=[
            b"<</Type/Annot/Rect[100 500 300 560]/F 4/T(a)%s>>" % field,
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            appearance,
        ],
    )


def shown(picture: Image.Image) -> bytes:
    """Write a grey picture as the content of a PDF's page, 200 points wide."""
    width, height = picture.size
    levels = picture.tobytes().hex().encode()
    image = b"BI/W %d/H %d/CS/G/BPC 8/F/AHx ID %s> EI" % (width, height, levels)
    return b"q 200 0 0 %d 90 500 cm %s Q" % (200 * height // width, image)


# A page, and a stroke that is a 1.
A4 = b"/MediaBox[0 0 595 842]"
ONE = b"0 0 0 rg 290 300 14 200 re f"
# Dashed lines that take 7 s to draw.
COSTLY = b"[0.01 0.01] 0 d " + b"0 0 m 595 842 l S " * 20_000
KEY = b"00" * 32
ENCRYPTED = pdf_of(
    (A4, ONE),
    more=b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P -4>>" % (KEY, KEY),
)
