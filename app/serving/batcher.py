"""Pictures of concurrent requests → results, by steps whose frames share batches.

There is no timer: the next batch is whatever queues while the event loop is busy, and a
lone picture does not wait. The work runs on the event loop's thread, since handing a
small picture to another thread and back takes longer than reading it. Over 16
connections, batching raises the throughput of MNIST PNGs by a factor of 1.4.
"""

import asyncio
from collections import deque
from time import perf_counter_ns, thread_time_ns
from typing import Generic

import numpy as np

from app.digit.classifier import Classes, Classifier
from app.digit.reading import Result, Steps
from app.picture.maps import Map
from app.stage import Stage, Stopwatch

MAX_BATCH = 64  # pictures
# Of processor time; after such work, the event loop runs other tasks before more of it.
SLOW_NANOSECONDS = 5_000_000


class Job(Generic[Result]):
    """A picture that is being read."""

    def __init__(self, steps: Steps[Result], watch: Stopwatch) -> None:
        self.steps = steps
        self.watch = watch
        self.classes: Classes | None = None  # of its last frames
        self.result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

    def frames(self) -> Map | None:
        """Take the next step: return its frames, or None at the end, which sets the
        result.
        """
        if self.result.done():  # the caller was cancelled
            return None
        try:
            return (
                next(self.steps)
                if self.classes is None
                else self.steps.send(self.classes)
            )
        except StopIteration as end:
            self.result.set_result(end.value)
        except Exception as error:
            self.result.set_exception(error)
        return None


class Batcher(Generic[Result]):
    """A queue of pictures whose frames are classified in batches; used within one event
    loop.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        # `run` is scheduled unless it is empty.
        self.queue: deque[Job[Result]] = deque()

    async def __call__(self, steps: Steps[Result], watch: Stopwatch) -> Result:
        """Return the result of steps, or raise their error; if the caller is cancelled,
        they are dropped.

        The time that their frames are classified, and wait for that, is added to the
        watch.
        """
        job = Job(steps, watch)
        self.queue.append(job)
        if len(self.queue) == 1:
            asyncio.get_running_loop().call_soon(self.run, 1)
        return await job.result

    def run(self, seen: int) -> None:
        """Work on the queue, once it has not grown beyond `seen` pictures in the last
        iteration of the event loop.
        """
        if not seen < len(self.queue) < MAX_BATCH:
            # Not the time that other processes take on a busy core.
            deadline = thread_time_ns() + SLOW_NANOSECONDS
            self.work(deadline)
            while self.queue and thread_time_ns() < deadline:
                self.work(deadline)
        if self.queue:
            asyncio.get_running_loop().call_soon(self.run, len(self.queue))

    def work(self, deadline: int) -> None:
        """Take one step of as many pictures as the batch and the time allow, at least
        one; classify their frames.
        """
        batch: list[tuple[Job[Result], Map]] = []
        while self.queue and len(batch) < MAX_BATCH:
            job = self.queue.popleft()
            if (frames := job.frames()) is not None:
                batch.append((job, frames))
            if thread_time_ns() > deadline:
                break
        if not batch:
            return
        begin = perf_counter_ns()
        try:
            outputs = self.classifier(np.concatenate([frames for _, frames in batch]))
        except Exception as error:  # callers must never wait forever
            for job, _ in batch:
                job.result.set_exception(error)
            return
        stage = Stage("inference", begin, perf_counter_ns(), len(batch))
        for (job, _), job.classes in zip(
            batch, outputs.split([len(frames) for _, frames in batch]), strict=True
        ):
            job.watch.add(Stage("wait", job.watch.begin, begin))
            job.watch.add(stage)
        self.queue.extendleft(job for job, _ in reversed(batch))
