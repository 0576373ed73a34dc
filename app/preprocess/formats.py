"""The formats of pictures that are read, and how the names of their files end."""

FORMATS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".heif", ".heic", ".avif", ".gif", ".bmp", ".tif", ".tiff")
BEGINNINGS = {  # of files, by the ending of their names
    ".png": (b"\x89PNG",),
    ".jpg": (b"\xff\xd8",),
    ".webp": (b"RIFF",),
    ".gif": (b"GIF8",),
    ".bmp": (b"BM",),
    ".tif": (b"II", b"MM"),
}


def names_a_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does; hidden files do not count."""
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def ending_of(picture: bytes) -> str:
    """How to end the name of a picture's file, by how the file begins; it is in one of FORMATS."""
    for ending, beginnings in BEGINNINGS.items():
        if picture.startswith(beginnings):
            return ending
    return ".avif" if picture[4:11] == b"ftypavi" else ".heic"
