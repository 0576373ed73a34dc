"""The batcher, with a classifier that can be read off: a frame's probabilities are its first ten pixels."""

import asyncio
from functools import partial

import numpy as np
import pytest

from app.batching import Batcher, WrongCount
from app.limits import Overloaded


def first_pixels(frames: np.ndarray) -> np.ndarray:
    return frames.reshape(len(frames), -1)[:, :10]


def frame(number: float) -> np.ndarray:
    return np.full((28, 28), number, np.float32)


class Counting:
    """A batcher, and the sizes of its batches."""

    def __init__(self, classify=first_pixels, max_batch=32, max_queue=64):
        self.sizes, self.waits = [], []
        self.batcher = Batcher(classify, max_batch, max_queue, self.observe)

    def observe(self, waits, seconds):
        assert seconds >= 0
        self.sizes.append(len(waits))
        self.waits += waits


async def ask(batcher: Batcher, *numbers: float) -> list:
    return await asyncio.gather(*(batcher(frame(number)) for number in numbers), return_exceptions=True)


def test_each_frame_gets_its_own_probabilities():
    counting = Counting()
    answers = asyncio.run(ask(counting.batcher, 1, 2, 3))
    assert [row.tolist() for row in answers] == [[n] * 10 for n in (1, 2, 3)]
    assert counting.sizes == [3]
    assert all(wait >= 0 for wait in counting.waits)


def test_a_lone_frame_waits_for_nobody():
    counting = Counting()

    async def one_after_another():
        for number in range(3):
            await counting.batcher(frame(number))

    asyncio.run(one_after_another())
    assert counting.sizes == [1, 1, 1]


def test_a_batch_is_no_larger_than_allowed():
    counting = Counting(max_batch=4)
    answers = asyncio.run(ask(counting.batcher, *range(10)))
    assert [row[0] for row in answers] == list(range(10))
    assert counting.sizes == [4, 4, 2]


def test_frames_that_come_while_a_batch_runs_are_the_next_one():
    async def come_and_go():
        tasks = []

        def classify(frames):
            if not tasks:
                tasks.extend(asyncio.ensure_future(counting.batcher(frame(number))) for number in (2, 3))
            return first_pixels(frames)

        counting.batcher.classify = classify
        await counting.batcher(frame(1))
        await asyncio.gather(*tasks)

    counting = Counting()
    asyncio.run(come_and_go())
    assert counting.sizes == [1, 2]


def test_cancelling_one_of_four_leaves_three():
    async def cancel():
        tasks = [asyncio.ensure_future(counting.batcher(frame(number))) for number in range(4)]
        await asyncio.sleep(0)  # all are in the queue, none is classified
        assert len(counting.batcher.queue) == 4
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    counting = Counting()
    answers = asyncio.run(cancel())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[n][0] for n in (0, 2, 3)] == [0, 2, 3]
    assert counting.sizes == [3]


def test_when_all_are_cancelled_the_network_is_not_asked():
    async def cancel():
        tasks = [asyncio.ensure_future(counting.batcher(frame(number))) for number in range(4)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await ask(counting.batcher, 5)

    counting = Counting()
    assert asyncio.run(cancel())[0][0] == 5
    assert counting.sizes == [1]


def failing(frames: np.ndarray) -> np.ndarray:
    raise RuntimeError("no network")


@pytest.mark.parametrize(
    ("classify", "error"),
    [(failing, RuntimeError), (lambda frames: first_pixels(frames)[:-1], WrongCount), (lambda frames: [], WrongCount)],
)
def test_a_model_that_fails_is_told_to_every_caller_and_the_next_batch_runs(classify, error):
    counting = Counting(classify)

    async def fail_and_go_on():
        answers = await ask(counting.batcher, 1, 2, 3)
        counting.batcher.classify = first_pixels
        return answers, await ask(counting.batcher, 4)

    failed, ((*row,),) = asyncio.run(fail_and_go_on())
    assert [type(answer) for answer in failed] == [error] * 3
    assert row == [4] * 10


def test_a_full_queue_refuses_at_once_and_takes_frames_again_when_it_is_not():
    counting = Counting(max_queue=3)

    async def overload():
        first = await ask(counting.batcher, *range(5))
        return first, await ask(counting.batcher, 7)

    answers, (later,) = asyncio.run(overload())
    assert [isinstance(answer, Overloaded) for answer in answers] == [False] * 3 + [True] * 2
    assert "again in a second" in str(answers[3])
    assert later[0] == 7


def test_what_is_queued_when_the_callers_stop_waiting_is_dropped():
    counting = Counting(max_queue=3)

    async def leave_while_full():
        asyncio.get_running_loop().call_soon(partial(counting.batcher.classify, np.zeros((1, 28, 28))))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.gather(*(counting.batcher(frame(number)) for number in range(3)))
        return await ask(counting.batcher, 8)

    (row,) = asyncio.run(leave_while_full())
    assert row[0] == 8
