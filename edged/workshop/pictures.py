"""The pictures of a report, as SVG; the only importer of matplotlib.

The same results give the same bytes: identifiers are salted with the picture's name, there is no date in them, and text
stays text, in whatever sans-serif the reader has. Nothing is rasterised, and nothing refers to anything outside.
"""

from __future__ import annotations

import importlib.util
import io
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from edged.errors import UserError
from edged.workshop.summary import condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from edged.workshop.results import ClipResult, Excerpt, StreamResult

INK: Final = "#1b2733"
COLOURS: Final = ("#0b6fa4", "#d1603d", "#3b8f5a", "#8a5aa8", "#b8860b", "#5f6b76")
"""Told apart by most eyes, and by their dashes by all."""
DASHES: Final = ("-", "--", ":")
LEAST_MISSED: Final = 5.0
"""Per cent of misses that a DET curve reaches up to at least."""
DARK: Final = 0.55
"""From this share on a cell of the confusion matrix is so dark that its number is written in white."""
MANY: Final = 12
"""Labels from which on a confusion matrix is written smaller."""


def see_matplotlib() -> None:
    """See, before hours of work, that there can be pictures of it.

    Raises:
        UserError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        way_out = "Type pip install 'edged[report]', or leave --report out"
        raise UserError("needs matplotlib", key="--report", way_out=way_out)


def det_curves(results: Sequence[StreamResult]) -> str:
    """Misses against false alarms an hour, over all thresholds; a dot where the model's own thresholds put it."""
    figure, (axes,) = _figure(7.2, 4.2)
    floor, highest = min(0.5 / result.hours for result in results), LEAST_MISSED
    for number, result in enumerate(results):
        events = result.total.events
        points = sorted((max(point.alarms / result.hours, floor), 100 * point.misses / events) for point in result.det)
        missed = list(accumulate((missed for _, missed in points), min))
        none = [missed for rate, missed in points if rate == floor]
        highest = max(highest, min(none, default=100.0), 100 * (1 - (result.recall or 0)))
        colour, dash = _look(number)
        rates = [rate for rate, _ in points]
        axes.step(rates, missed, dash, where="post", color=colour, label=condition(result.snr_db), linewidth=1.8)
        at = max(result.total.alarms / result.hours, floor)
        missed_now = 100 * (1 - (result.recall or 0))
        axes.plot([at], [missed_now], "o", color=colour, markersize=8, markeredgecolor="white", clip_on=False, zorder=3)
    axes.set_xscale("log")
    axes.set_xlabel(f"false alarms an hour (the left edge, {floor:.2g}, stands for none)")
    axes.set_ylabel("events missed, %")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(left=floor)
    axes.set_ylim(-0.04 * highest, min(102.0, 1.4 * highest))
    axes.legend(frameon=False, title="dot: the model's own thresholds")
    return _svg(figure, "det")


def confusion(result: ClipResult, *, labels: Sequence[str]) -> str:
    """What clips are, down, against what they were taken for, across: shares of each row, and counts."""
    known = [label for label in labels if label in result.confusion]
    side = max(3.6, 0.62 * len(labels) + 1.8)
    figure, (axes,) = _figure(side + 0.8, max(2.4, 0.5 * len(known) + 1.6))
    shares = [
        [result.confusion[label].get(taken, 0) / sum(result.confusion[label].values()) for taken in labels]
        for label in known
    ]
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    size = 9 if len(labels) <= MANY else 7
    for y, label in enumerate(known):
        for x, taken in enumerate(labels):
            if count := result.confusion[label].get(taken, 0):
                colour = "white" if shares[y][x] > DARK else INK
                axes.text(x + 0.5, y + 0.5, str(count), ha="center", va="center", fontsize=size, color=colour)
    axes.set_xticks([x + 0.5 for x in range(len(labels))], labels, rotation=35, ha="right", fontsize=size)
    axes.set_yticks([y + 0.5 for y in range(len(known))], known, fontsize=size)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    axes.invert_yaxis()
    axes.grid(visible=False)
    return _svg(figure, f"confusion {condition(result.snr_db)}")


def latencies(results: Sequence[StreamResult]) -> str:
    """How long after the event's end it was told."""
    figure, (axes,) = _figure(7.2, 3.2)
    values = [[each for label in result.latencies_s.values() for each in label] for result in results]
    low, high = min(map(min, filter(None, values))), max(map(max, filter(None, values)))
    step = max(0.02, round((high - low) / 25, 2))
    edges = [low + step * number for number in range(int((high - low) / step) + 2)]
    for number, (result, each) in enumerate(zip(results, values, strict=True)):
        colour, dash = _look(number)
        name = f"{condition(result.snr_db)}: {len(each)}"
        axes.hist(each, bins=edges, histtype="step", color=colour, linestyle=dash, linewidth=1.8, label=name)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("seconds after the event's end")
    axes.set_ylabel("events")
    axes.legend(frameon=False)
    return _svg(figure, "latency")


def timelines(excerpts: Sequence[Excerpt], *, name: str) -> str:
    """The scores around misses or false alarms, one small picture each: dashed the threshold, upright the moment."""
    rows = -(-len(excerpts) // 2)
    figure, axes = _figure(9.2, 1.9 * rows + 0.5, rows=rows, columns=2)
    for panel, each in zip(axes, excerpts, strict=False):
        panel.plot(each.times_s, each.scores, color=COLOURS[0], linewidth=1.5)
        panel.axhline(each.threshold, color=COLOURS[1], linestyle="--", linewidth=1.0)
        panel.axvline(each.at_s, color=INK, linewidth=0.8)
        panel.set_ylim(-0.03, 1.05)
        said = each.said or "nothing known"
        panel.set_title(f"{each.label} {each.score:.2f}, said: {said}", fontsize=9, loc="left")
        panel.set_xlabel(f"s of {each.stream}", fontsize=8)
        panel.tick_params(labelsize=8)
    for panel in axes[len(excerpts) :]:
        panel.set_visible(False)
    return _svg(figure, name)


def _look(number: int) -> tuple[str, str]:
    return COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]


def _figure(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of inches, with its axes; no pyplot, which would look for a screen."""
    see_matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra, 300 ms that only a report should pay

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(rows, columns, number + 1) for number in range(rows * columns)]
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(visible=True, color="#dde3e8", linewidth=0.6)
        each.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element, without the XML around it."""
    from matplotlib import rc_context  # noqa: PLC0415 - see _figure

    told: Mapping[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    text = io.StringIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(text, format="svg", metadata=told)
    svg = text.getvalue()
    return svg[svg.index("<svg") :].replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)
