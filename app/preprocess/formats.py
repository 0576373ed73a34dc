"""Supported picture formats, their file extensions, and limits.

Imports nothing, so that the command line starts quickly.
"""

MAX_PIXELS = 50_000_000  # of a picture, by default
SMALL_BYTES = 8192  # maximum size of a small picture's file; such a picture takes longer to request than to read
PDF = b"%PDF-"  # the beginning of one
FORMATS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
FOLDER_ENDINGS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".heif",
    ".heic",
    ".avif",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
)  # of the pictures in a folder
ENDINGS = (*FOLDER_ENDINGS, ".pdf")
BEGINNINGS = {  # magic bytes by file extension
    ".png": (b"\x89PNG",),
    ".jpg": (b"\xff\xd8",),
    ".webp": (b"RIFF",),
    ".gif": (b"GIF8",),
    ".bmp": (b"BM",),
    ".tif": (b"II", b"MM"),
    ".pdf": (PDF,),
}
PAGED = BEGINNINGS[".pdf"] + BEGINNINGS[".tif"]  # of files that may have several pages


def names_a_picture(name: str) -> bool:
    """Return whether a file name has a picture's extension; hidden files do not count."""
    return name.lower().endswith(FOLDER_ENDINGS) and not name.startswith(".")


def ending_of(picture: bytes) -> str:
    """Return the file extension for a picture in one of FORMATS, by its magic bytes."""
    for ending, beginnings in BEGINNINGS.items():
        if picture.startswith(beginnings):
            return ending
    return ".avif" if picture[4:11] == b"ftypavi" else ".heic"
