"""Who is stuck: only one that should have moved and has not."""

from __future__ import annotations

from edged.watch import Progress


def test_a_walker_that_moves_is_not_stuck() -> None:
    progress = Progress(deadline_s=10)
    for now_s in range(0, 100, 9):
        progress.move("mic", now_s)
        assert progress.stuck(now_s) == []


def test_one_stuck_walker_is_named_whatever_the_others_do() -> None:
    progress = Progress(deadline_s=10)
    progress.move("mic/wake", 0)
    progress.move("mic/sounds", 0)
    progress.move("mic/sounds", 11)
    assert progress.stuck(11) == ["mic/wake"]


def test_a_walker_that_has_left_is_not_missed() -> None:
    progress = Progress(deadline_s=10)
    progress.move("file", 0)
    progress.leave("file")
    progress.leave("file")
    assert progress.stuck(1000) == []
