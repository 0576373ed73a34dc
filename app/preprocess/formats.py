"""The formats of pictures that are read, and how the names of their files end."""

FORMATS = ("PNG", "JPEG", "WEBP", "HEIF", "AVIF", "GIF", "BMP", "TIFF")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".heif", ".heic", ".avif", ".gif", ".bmp", ".tif", ".tiff")


def names_a_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's does; hidden files do not count."""
    return name.lower().endswith(ENDINGS) and not name.startswith(".")
