"""The folder in which several workers share their metrics.

prometheus-client reads its variable on import, so this module does not import it.
"""

import os
import sys
from pathlib import Path

import structlog

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# As in prometheus-client.
METRICS_FILES = ("counter", "histogram", "gauge_livesum")
METRICS_FILE_BYTES = 1 << 20


def share_metrics(folder: Path) -> None:
    """Reserve disk space for this worker's metrics, or do not share them.

    The files are memory-mapped: writing to one on a full disk would kill the process.
    """
    files = [folder / f"{kind}_{os.getpid()}.db" for kind in METRICS_FILES]
    try:
        for file in files:
            file.write_bytes(bytes(METRICS_FILE_BYTES))
    except OSError as error:
        structlog.get_logger("digits").warning(
            "/metrics covers only one worker", reason=str(error)
        )
        for file in files:
            file.unlink(missing_ok=True)
        del os.environ[METRICS_FOLDER]
    else:
        forget_killed_workers(folder)


def forget_killed_workers(folder: Path) -> None:
    """Delete the gauges of workers that were killed; their counters stay."""
    if sys.platform == "win32":
        return  # signal 0 is Ctrl-C there
    for file in folder.glob("gauge_live*_*.db"):
        try:
            os.kill(int(file.stem.rsplit("_", 1)[-1]), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)  # another worker may have deleted it
