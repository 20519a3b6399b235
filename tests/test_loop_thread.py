"""Work on a thread's loop, waited for on others: what it returns, raises, and that giving up reaches it."""

import asyncio
import threading

import pytest

from openhorizon.engines.loop_thread import LoopThread


@pytest.fixture
def thread():
    made = LoopThread()
    yield made
    made.close()


async def double(n: int, after: float = 0.0) -> tuple[int, int]:
    await asyncio.sleep(after)
    if n < 0:
        raise ValueError(n)
    return 2 * n, threading.get_ident()


def test_each_waiter_gets_its_own_result_from_another_thread(thread):
    async def main():
        return await asyncio.gather(*(thread.awaited(double(n, n % 3 / 500)) for n in range(500)))

    for _ in range(3):  # from several loops, one after another
        found = asyncio.run(main())
        assert [n for n, _ in found] == [2 * n for n in range(500)]
        assert {t for _, t in found} != {threading.get_ident()}
    assert len(thread._back) == 1
    assert thread.run(double(4))[0] == 8


def test_what_it_raises_is_raised_where_it_is_waited_for(thread):
    async def main():
        return await asyncio.gather(*(thread.awaited(double(n)) for n in (1, -1, 2)), return_exceptions=True)

    one, error, two = asyncio.run(main())
    assert (one[0], two[0]) == (2, 4)
    assert isinstance(error, ValueError)


def test_several_threads_ask_at_once(thread):
    wrong: list[object] = []

    def ask(first: int) -> None:
        async def main():
            for n in range(first, first + 200):
                if (await thread.awaited(double(n)))[0] != 2 * n:
                    wrong.append(n)

        asyncio.run(main())

    asking = [threading.Thread(target=ask, args=(n * 1000,)) for n in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join(20)
    assert not wrong
    assert not any(one.is_alive() for one in asking)


def test_work_that_is_given_up_is_cancelled_there(thread):
    ended = threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def main() -> None:
        waiting = asyncio.ensure_future(thread.awaited(long()))
        at_once = asyncio.ensure_future(thread.awaited(long()))
        await thread.awaited(double(1, 0.01))
        at_once.cancel()
        waiting.cancel()
        for one in (waiting, at_once):
            with pytest.raises(asyncio.CancelledError):
                await one
        assert (await thread.awaited(double(2)))[0] == 4

    asyncio.run(main())
    assert ended.wait(5)
