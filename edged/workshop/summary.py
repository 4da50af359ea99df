"""What an evaluation found, in sentences and in rows; for the terminal and for the report. Pure but for its records.

No sentence claims more than the counts allow: a share comes with Wilson's interval, a rate with the exact interval of
Poisson's law for the hours heard, and a rate without a single alarm as the bound that those hours exclude.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from edged.workshop.poisson import garwood, upper, wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edged.workshop.results import ClipResult, Evaluation, StreamResult

Rows: TypeAlias = list[tuple[str, ...]]
"""A table; its first row is its head."""


def condition(snr_db: float | None) -> str:
    """How much noise there was, in words."""
    return "no noise added" if snr_db is None else f"{snr_db:g} dB"


def percent(share: float) -> str:
    """A share, to a tenth of a per cent; never rounded to all or nothing."""
    text = f"{100 * share:.1f}"
    if text in {"0.0", "100.0"} and share not in {0.0, 1.0}:
        text = "< 0.1" if share < 0.5 else "> 99.9"  # noqa: PLR2004 - on which side of the middle
    return f"{text} %"


def share_in_words(hits: int, trials: int) -> str:
    """``97.5 % (95 % interval 87.1 to 99.6)``."""
    low, high = wilson(hits, trials)
    return f"{percent(hits / trials)} (95 % interval {100 * low:.1f} to {100 * high:.1f})"


def rate_in_words(alarms: int, hours: float) -> str:
    """False alarms an hour, with what so many hours allow to be said of them."""
    if alarms == 0:
        return f"none in {duration(hours)}, so at most {number(upper(0) / hours)} an hour (95 % upper bound)"
    low, high = garwood(alarms)
    interval = f"95 % interval {number(low / hours)} to {number(high / hours)}"
    return f"{alarms} in {duration(hours)}, {number(alarms / hours)} an hour ({interval})"


def duration(hours: float) -> str:
    """Minutes up to two hours, hours from there."""
    return f"{60 * hours:.1f} minutes" if hours < 2 else f"{hours:.1f} hours"  # noqa: PLR2004 - as the docstring says


def number(value: float) -> str:
    """Three digits that matter; whole from a hundred on."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - as the docstring says


def sentences(evaluation: Evaluation) -> Iterator[str]:
    """The headline numbers, a sentence each."""
    for streams in evaluation.streams:
        yield from _of_streams(streams)
    for clips in evaluation.clips:
        what = f"{clips.total} clips, {condition(clips.snr_db)}"
        yield f"{what}: {share_in_words(clips.right, clips.total)} taken for what they are."


def _of_streams(result: StreamResult) -> Iterator[str]:
    total, where = result.total, f"Streams, {condition(result.snr_db)}"
    if total.events:
        again = f"; {total.duplicates} told twice" if total.duplicates else ""
        yield f"{where}: {share_in_words(total.hits, total.events)} of {total.events} events recognised{again}."
    yield f"{where}: false alarms: {rate_in_words(total.alarms, result.hours)}."
    median, late = result.latency_s(0.5), result.latency_s(0.95)
    if median is not None and late is not None:
        yield f"{where}: told {median:.2f} s after the event's end (median), 95 % of them within {late:.2f} s."


def clip_rows(evaluation: Evaluation) -> Rows:
    """Clips by ratio of sound to noise: each label's share of right ones, and that of all."""
    labels = list(dict.fromkeys(label for result in evaluation.clips for label in result.confusion))
    rows: Rows = [("noise", "clips", *labels, "all", "95 % interval")]
    for result in evaluation.clips:
        low, high = wilson(result.right, result.total)
        shares = [_right(result, label) for label in labels]
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append(
            (condition(result.snr_db), str(result.total), *shares, percent(result.right / result.total), interval)
        )
    return rows


def stream_rows(evaluation: Evaluation) -> Rows:
    """Streams by ratio and label."""
    rows: Rows = [("noise", "label", "events", "recall", "95 % interval", "false alarms", "an hour", "duplicates")]
    for result in evaluation.streams:
        every = [("all", result.total)] if len(result.counts) > 1 else []
        for label, count in [*result.counts.items(), *every]:
            low, high = wilson(count.hits, count.events)
            recall = percent(count.hits / count.events) if count.events else "-"
            interval = f"{100 * low:.1f} to {100 * high:.1f}" if count.events else "-"
            rate = f"{number(count.alarms / result.hours)}" if count.alarms else f"≤ {number(upper(0) / result.hours)}"
            counts = (str(count.alarms), rate, str(count.duplicates))
            rows.append((condition(result.snr_db), label, str(count.events), recall, interval, *counts))
    return rows


def said_rows(result: ClipResult | StreamResult) -> Rows:
    """What raised a false alarm when it was said, the worst first."""
    rows: Rows = [("said", "times", "accepted", "share")]
    for name, (times, accepts) in sorted(result.said.items(), key=lambda each: (-each[1][1], each[0])):
        rows.append((name, str(times), str(accepts), percent(accepts / times)))
    return rows


def text_table(rows: Rows) -> str:
    """Columns side by side, the first to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    )


def _right(result: ClipResult, label: str) -> str:
    row = result.confusion.get(label, {})
    return percent(row.get(label, 0) / sum(row.values())) if row else "-"
