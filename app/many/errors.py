"""Errors of `digits bulk`: it cannot run, or a picture cannot be loaded."""


class BulkError(Exception):
    """The job cannot run; the message says why and what to do."""


class UnreadableFile(Exception):
    """A picture cannot be loaded; the message says why."""
