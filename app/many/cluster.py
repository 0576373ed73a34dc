"""Read parts of SOURCE with workers that Ray starts on a cluster.

Ray Data is not used: its checkpoints read every picture again to skip those that are
done.
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

# Otherwise Ray sends usage statistics to its developers.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray
from ray.actor import ActorHandle

from app.many.errors import CannotGoOn
from app.many.processes import RETRIES
from app.many.sources import Part
from app.many.worker import Job, Worker
from app.serving.networks import Files

PROJECT = Path(__file__).parents[2]  # the folder that contains `app`


def run(
    job: Job, parts: list[Part], address: str, most_workers: int | None
) -> Iterator[int]:
    """Read the parts; yield the number of pictures in each as it completes.

    Raises CannotGoOn.
    """
    try:
        with connected(address) as free_cores:
            worker = ray.remote(Worker).options(
                num_cpus=1, max_restarts=-1, max_task_retries=RETRIES
            )
            # Workers need no keys, and run in another folder.
            named = zip(Files._fields, job.settings.files, strict=True)
            files = {name: file.absolute() for name, file in named if file}
            settings = job.settings.model_copy(update={"api_keys": (), **files})
            job = job._replace(settings=settings)
            count = min(most_workers or free_cores, len(parts))
            workers = [worker.remote(job) for _ in range(count)]
            yield from read_by(workers, parts)
    except (ConnectionError, ray.exceptions.RayError) as error:
        reason = getattr(error, "cause", None) or error
        raise CannotGoOn(f"The job stopped: {reason}") from error


def read_by(workers: list[ActorHandle[Worker]], parts: list[Part]) -> Iterator[int]:
    """Give a part to each worker that has started or is done with one; yield the number
    of pictures in each part that is read.

    Ray's ActorPool would give parts to workers that wait for a free core, perhaps for
    ever.
    """
    left = deque(parts)
    starting = {worker.__ray_ready__.remote(): worker for worker in workers}
    reading: dict[ray.ObjectRef[int], ActorHandle[Worker]] = {}
    while left or reading:
        (ready,), _ = ray.wait([*starting, *reading])
        if ready in reading:
            worker = reading.pop(ready)
            yield ray.get(ready)
        else:
            worker = starting.pop(ready)
            ray.get(ready)  # raises an exception if it could not start
        if left:
            reading[worker.read.remote(left.popleft())] = worker


@contextmanager
def connected(address: str) -> Iterator[int]:
    """Connect to the cluster; yield the number of free cores."""
    # Ray's workers first import from the current folder, which may have another `app`.
    with chdir(PROJECT):
        try:
            if ":" in address:  # Ray would try for minutes
                host, _, port = address.removeprefix("ray://").rpartition(":")
                socket.create_connection((host, int(port)), timeout=10).close()
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # of many kinds
            first_line = str(error).strip().partition("\n")[0]
            reason = first_line or type(error).__name__
            raise CannotGoOn(
                f"There is no Ray cluster at {address}: {reason}."
            ) from error
    try:
        yield max(1, int(ray.available_resources().get("CPU", 0)))
    finally:
        ray.shutdown()
