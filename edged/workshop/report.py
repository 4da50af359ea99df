"""The report of an evaluation: one HTML file that needs nothing else, no network, no script.

It is read from top to bottom: what was found in words, then the tables, then the pictures, then what was heard and by
which model. It carries its own policy, which forbids a browser to load anything at all.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from edged.workshop import pictures
from edged.workshop.results import OTHER
from edged.workshop.summary import clip_rows, condition, duration, said_rows, sentences, stream_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edged.workshop.results import Evaluation
    from edged.workshop.summary import Rows

STYLE: Final = """
body{font:16px/1.5 sans-serif;color:#1b2733;background:#fff;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #c8d0d8}
h3{font-size:1rem;margin-bottom:.3rem}li{margin:.25rem 0}
table{border-collapse:collapse;font-size:.9rem;display:block;overflow-x:auto}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #e3e8ec;font-variant-numeric:tabular-nums}
th:first-child,td:first-child{text-align:left}th{border-bottom:2px solid #1b2733}
svg{max-width:100%;height:auto}code{font-size:.85em;word-break:break-all}p.note{color:#4a5865;font-size:.9rem}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}svg,table{break-inside:avoid}}
"""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
MOST_SAID: Final = 25
"""Rows of the table of what was said: those that were accepted most."""


def report(evaluation: Evaluation) -> str:
    """The whole page; the same evaluation gives the same bytes.

    Raises:
        UserError: matplotlib is not installed.
    """
    names = ", ".join(dict.fromkeys(facts.name for facts in evaluation.models))
    body = "\n".join(_body(evaluation, names))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(names)}: evaluation</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _body(evaluation: Evaluation, names: str) -> Iterator[str]:
    yield f"<h1>How good {escape(names)} is</h1>"
    yield f'<p class="note">{escape(_heard(evaluation))}</p>'
    yield "<ul>" + "".join(f"<li>{escape(each)}</li>" for each in sentences(evaluation)) + "</ul>"
    if evaluation.streams:
        yield from _streams(evaluation)
    if evaluation.clips:
        yield from _clips(evaluation)
    yield from _models(evaluation)


def _heard(evaluation: Evaluation) -> str:
    hours = sum(result.hours for result in evaluation.streams)
    clips = sum(result.total for result in evaluation.clips)
    parts = [f"{duration(hours)} of continuous sound"] if evaluation.streams else []
    parts += [f"{clips} clips"] if evaluation.clips else []
    by = "" if len(evaluation.models) == 1 else f", by {len(evaluation.models)} models, each its own part"
    return f"Heard: {' and '.join(parts) or 'nothing'}{by}."


def _streams(evaluation: Evaluation) -> Iterator[str]:
    results = evaluation.streams
    yield "<h2>Streams</h2>" + table(stream_rows(evaluation))
    yield (
        f'<p class="note">An event counts as recognised when its label is told between its beginning and '
        f"{evaluation.tolerance_s:g} s past its end; what is told again within that is a duplicate, and anything else "
        f"a false alarm. Where there was none, the rate is the one that the hours heard exclude, at 95 %.</p>"
    )
    if with_events := [result for result in results if result.total.events and result.det]:
        yield _section("Misses against false alarms", pictures.det_curves(with_events))
    if told := [result for result in results if result.total.hits]:
        yield _section("How soon it is told", pictures.latencies(told))
    for result in results:
        where = condition(result.snr_db)
        if result.misses:
            picture = pictures.timelines(result.misses, name=f"misses, {where}")
            yield _section(f"The worst misses, {where}", picture + _note("the event's end"))
        if result.alarms:
            picture = pictures.timelines(result.alarms, name=f"false alarms, {where}")
            yield _section(f"The worst false alarms, {where}", picture + _note("the alarm"))
    for result in results:
        if result.said:
            yield _section(f"What was said, and taken for something else, {condition(result.snr_db)}", _said(result))


def _clips(evaluation: Evaluation) -> Iterator[str]:
    yield "<h2>Clips</h2>" + table(clip_rows(evaluation))
    yield (
        '<p class="note">Each clip is taken for the label with the highest score over its threshold, or for '
        f"{OTHER}. The ratio to the noise is that of the sound's active samples: frames of 20 ms within 30 dB of the "
        "loudest, and a third of the way, in dB, out of the clip's own floor.</p>"
    )
    labels = [*evaluation.models[0].thresholds, OTHER]
    for result in evaluation.clips:
        picture = pictures.confusion(result, labels=labels)
        yield _section(f"What clips were taken for, {condition(result.snr_db)}", picture)
    for result in evaluation.clips:
        if any(accepts for _, accepts in result.said.values()):
            yield _section(f"Other clips that were taken for a label, {condition(result.snr_db)}", _said(result))


def _said(result: object) -> str:
    rows = said_rows(result)  # type: ignore[arg-type]
    left = len(rows) - 1 - MOST_SAID
    return table(rows[: MOST_SAID + 1]) + (f'<p class="note">and {left} more.</p>' if left > 0 else "")


def _models(evaluation: Evaluation) -> Iterator[str]:
    rows: Rows = [("model", "bytes", "thresholds", "sha256")]
    for facts in evaluation.models:
        thresholds = ", ".join(f"{label} {threshold:g}" for label, threshold in facts.thresholds.items())
        rows.append((facts.name, f"{facts.bytes:,}", thresholds, facts.sha256))
    yield "<h2>Heard by</h2>" + table(rows)


def _section(title: str, inner: str) -> str:
    return f"<h3>{escape(title)}</h3>\n{inner}"


def _note(upright: str) -> str:
    return f'<p class="note">Scores over time. Dashed: the threshold. Upright: {upright}.</p>'


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as an HTML table, the first as its head."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
