"""The batcher, with work whose results are easy to check: squaring numbers."""

import asyncio

import pytest

from app.inference.batcher import Batcher


def squares(numbers: list[int]) -> list[int | Exception]:
    return [ValueError(f"{number} is negative") if number < 0 else number**2 for number in numbers]


class Counting:
    """A batcher, and the sizes of its batches."""

    def __init__(self, work=squares, size=lambda number: 1, max_size=32):
        self.sizes, self.work = [], work
        self.batcher = Batcher(self.count, size, max_size)

    def count(self, numbers):
        self.sizes.append(len(numbers))
        return self.work(numbers)


async def ask(batcher: Batcher, *numbers: int) -> list:
    return await asyncio.gather(*(batcher(number) for number in numbers), return_exceptions=True)


def test_each_item_gets_its_own_result():
    counting = Counting()
    assert asyncio.run(ask(counting.batcher, 1, 2, 3)) == [1, 4, 9]
    assert counting.sizes == [3]


def test_a_failing_item_does_not_affect_others():
    first, second, third = asyncio.run(ask(Counting().batcher, 1, -2, 3))
    assert (first, third) == (1, 9)
    assert isinstance(second, ValueError)


def test_a_lone_item_is_processed_at_once():
    counting = Counting()

    async def one_after_another():
        for number in range(3):
            await counting.batcher(number)

    asyncio.run(one_after_another())
    assert counting.sizes == [1, 1, 1]


def test_a_batch_has_at_most_the_maximum_size():
    counting = Counting(max_size=4)
    answers = asyncio.run(ask(counting.batcher, *range(10)))
    assert answers == [number**2 for number in range(10)]
    assert counting.sizes == [4, 4, 2]


def test_a_large_item_is_processed_alone():
    counting = Counting(size=lambda number: number, max_size=4)
    assert asyncio.run(ask(counting.batcher, 2, 1, 9, 4, 1)) == [4, 1, 81, 16, 1]
    assert counting.sizes == [2, 1, 1, 1]


def test_items_that_arrive_during_a_batch_form_the_next_one():
    async def come_and_go():
        tasks = []

        def work(numbers):
            if not tasks:
                tasks.extend(asyncio.ensure_future(counting.batcher(number)) for number in (2, 3))
            return squares(numbers)

        counting.work = work
        await counting.batcher(1)
        await asyncio.gather(*tasks)

    counting = Counting()
    asyncio.run(come_and_go())
    assert counting.sizes == [1, 2]


def test_a_cancelled_item_is_left_out_of_the_batch():
    async def cancel():
        tasks = [asyncio.ensure_future(counting.batcher(number)) for number in range(4)]
        await asyncio.sleep(0)  # all are queued, none is being processed
        assert len(counting.batcher.queue) == 4
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    counting = Counting()
    answers = asyncio.run(cancel())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert [answers[n] for n in (0, 2, 3)] == [0, 4, 9]
    assert counting.sizes == [3]


def test_if_all_items_are_cancelled_no_batch_runs():
    async def cancel():
        tasks = [asyncio.ensure_future(counting.batcher(number)) for number in range(4)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await ask(counting.batcher, 5)

    counting = Counting()
    assert asyncio.run(cancel()) == [25]
    assert counting.sizes == [1]


def failing(numbers: list[int]) -> list[int]:
    raise RuntimeError("no network")


@pytest.mark.parametrize(
    ("work", "error"),
    [(failing, RuntimeError), (lambda numbers: squares(numbers)[:-1], ValueError), (lambda numbers: [], ValueError)],
)
def test_a_failed_batch_raises_in_every_caller_and_the_next_one_runs(work, error):
    counting = Counting(work)

    async def fail_and_go_on():
        answers = await ask(counting.batcher, 1, 2, 3)
        counting.work = squares
        return answers, await ask(counting.batcher, 4)

    failed, later = asyncio.run(fail_and_go_on())
    assert [type(answer) for answer in failed] == [error] * 3
    assert later == [16]


def test_items_whose_callers_time_out_are_dropped():
    counting = Counting()

    async def leave_while_full():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.gather(*(counting.batcher(number) for number in range(3)))
        return await ask(counting.batcher, 8)

    assert asyncio.run(leave_while_full()) == [64]
    assert counting.sizes == [1]


def test_the_event_loop_runs_between_batches():
    counting = Counting()
    seen = []

    async def look_on():
        while len(counting.sizes) < 3:
            seen.append(len(counting.sizes))
            await asyncio.sleep(0)

    async def ask_and_look_on():
        await asyncio.gather(ask(counting.batcher, *range(3 * counting.batcher.max_size)), look_on())

    asyncio.run(ask_and_look_on())
    assert {1, 2} <= set(seen)
