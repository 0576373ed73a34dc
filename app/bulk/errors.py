"""Why `digits bulk` cannot run, and why a picture has no bytes."""


class BulkError(Exception):
    """The job cannot run; the message says why and what to do."""


class UnreadableFile(Exception):
    """The bytes of a picture cannot be read; the message says why."""
