"""The report as one HTML page that fetches nothing: figures with their intervals, charts, and how to read them."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from math import isnan

import numpy as np

from models.evaluation.analysis import Analysis, Fewer, Group, Second
from models.evaluation.burden import Burden, Load
from models.evaluation.charts import Axis, Line, bars, chart
from models.evaluation.elsewhere import Elsewhere
from models.evaluation.stays import LATER_THAN, StayFigures
from models.utility import Interval


def html(found: Analysis, others: Sequence[Elsewhere] = ()) -> str:
    """The page; ``others`` are what the model does at other hospitals."""
    title = f"{found.question.title}: {found.model.name} {found.model.version}"
    sections = (
        _head(found),
        _tiles(found),
        _charts(found),
        _stays(found),
        _groups(found),
        _elsewhere(others),
        _burden(found.burden),
        _text("notes.html"),
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_text('report.css')}</style></head>"
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _head(found: Analysis) -> str:
    question, model = found.question, found.model
    off = "" if model.switched_on else " <strong>It is switched off: it scores in shadow and tells nobody.</strong>"
    return (
        f"<h1>{escape(question.title)}</h1>"
        f'<p class="soft">Model {escape(model.name)} {escape(model.version)} '
        f"(<code>{escape(model.sha256[:16])}</code>), judged on {escape(found.data)}.</p>"
        f"<p>{found.stays:,} stays, {found.days:,.0f} patient-days; {found.struck:,} stays have the event, of these "
        f"{found.at_start:,} from their first row. Judged: {escape(question.asked)}. That is {found.hours:,} hours, "
        f"{found.events:,} of them with the event ({100 * found.events / found.hours:.2f} %). The model abstained at "
        f"{100 * found.abstained:.1f} % of all hours; an abstained score counts as given. It is high from a "
        f"probability of {model.threshold:.4f} and alerts from {model.alert_from:.4f}.{off} Intervals are 95 %, by "
        "bootstrap over patients.</p>"
    )


def _tiles(found: Analysis) -> str:
    told, line = found.told, found.calibration
    tiles = [
        ("AUROC, by hour", _number(found.own.auroc, 3)),
        ("AUPRC, by hour", _number(found.own.auprc, 3)),
        ("Stays with an alert", _share(told.alerted)),
        ("Onsets found", _share(told.sensitivity)),
        ("Predictive value", _share(told.predictive_value)),
        ("Alerts / 100 patient-days", _number(told.alerts, 1)),
        ("Median lead, hours", _number(told.lead, 1)),
        ("Calibration slope", _number(line.slope, 2)),
        ("Observed / expected, top tenth", _number(line.top_tenth, 2)),
        ("Brier skill", _number(line.brier_skill, 3)),
    ]
    if found.utility is not None:
        tiles.append(("Utility (challenge of 2019)", _number(found.utility, 3)))
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in tiles)
    return f'<dl class="tiles">{cells}</dl>'


def _charts(found: Analysis) -> str:
    share = Axis("", 0, 1, percent=True)
    name = f"{found.question.title} {_plain(found.own.auroc)}"
    roc = [
        Line(name, found.own.roc.x, found.own.roc.y, found.own.roc.low, found.own.roc.high),
        *(Line(f"{rival} {_plain(one.auroc)}", one.roc.x, one.roc.y) for rival, one in found.rivals.items()),
    ]
    curve = found.own.precision_recall
    precision = [
        Line(found.question.title, curve.x[1:], curve.y[1:], curve.low[1:], curve.high[1:]),
        *(Line(rival, one.precision_recall.x[1:], one.precision_recall.y[1:]) for rival, one in found.rivals.items()),
    ]
    top = min(1.0, 1.15 * max(float(np.max(np.asarray(line.y)[4:])) for line in precision))
    figures = [
        chart(
            "ROC, by hour",
            _named(share, "1 - specificity"),
            _named(share, "sensitivity"),
            roc,
            "The area after each name.",
        ),
        chart("Precision and recall, by hour", _named(share, "recall"), Axis("precision", 0, top, True), precision),
        _calibration(found),
        _decision(found),
        _lead(found),
    ]
    rows = [
        [escape(rival), _number(one.auroc, 3), _number(one.auprc, 3), _number(found.margin[rival], 3)]
        for rival, one in found.rivals.items()
        if rival in found.margin
    ]
    own = [escape(found.question.title), _number(found.own.auroc, 3), _number(found.own.auprc, 3), ""]
    beside = _table(["by hour", "AUROC", "AUPRC", "model's AUROC less this"], [own, *rows], own=1)
    return f'<h2>By hour</h2><div class="charts">{"".join(figures)}</div>{beside}{_second(found.second)}'


def _second(second: Second | None) -> str:
    if second is None:
        return ""
    rows = [[escape(name), _number(one, 3)] for name, one in second.auroc.items()]
    said = f"<p>{escape(second.asked)}: {second.hours:,} hours, {second.events:,} with the event.</p>"
    return f"{said}{_table(['by hour', 'AUROC'], rows, own=1)}"


def _calibration(found: Analysis) -> str:
    line = found.calibration
    most = 1.1 * float(np.nanmax([*line.predicted, *line.high, 0.01]))
    return chart(
        "Calibration",
        Axis("predicted probability", 0, most, True),
        Axis("observed share", 0, most, True),
        [
            Line(
                "tenths of the hours, with intervals", line.predicted, line.observed, line.low, line.high, points=True
            ),
            Line("ideal", [0, most], [0, most], dashed=True),
        ],
        f"Slope {_plain(line.slope, 2)}; observed / expected {_plain(line.in_the_large, 2)} over all hours, "
        f"{_plain(line.top_tenth, 2)} in the top tenth; Brier skill {_plain(line.brier_skill)}.",
    )


def _decision(found: Analysis) -> str:
    curve = found.benefit
    high = 1.1 * float(max(np.max(curve.high), found.act_always[0], 1e-4))
    return chart(
        "Decision curve",
        Axis("threshold probability", 0, float(curve.x[-1]), True),
        Axis("net benefit, per 1,000 hours", -200 * high, 1000 * high),
        [
            Line(found.question.title, curve.x, 1000 * curve.y, 1000 * curve.low, 1000 * curve.high),
            *(Line(name, curve.x, 1000 * one) for name, one in found.rules_benefit.items()),
            Line("act on every hour", curve.x, 1000 * found.act_always, dashed=True),
            Line("never act", [0, curve.x[-1]], [0, 0], dashed=True),
        ],
        "True alarms less false ones, these weighed by the threshold's odds: the highest line is the best there.",
    )


def _lead(found: Analysis) -> str:
    window = found.question.window
    step = window / 12
    edges = [number * step for number in range(13)]
    counts = np.histogram(found.lead, edges)[0].tolist()
    return bars(
        "Lead time",
        Axis("hours from the first alert that found it to the onset", 0, window),
        edges,
        counts,
        "stays",
        f"{len(found.lead)} onsets found. Median among those found that came later than {LATER_THAN:g} h: "
        f"{_plain(found.told.lead, 1)} h.",
    )


def _stays(found: Analysis) -> str:
    window = f"{found.question.window:g}"
    text = (
        "<h2>By stay</h2><p>A stay has an alert when one was raised, escalated or updated at any time and not held "
        f"back. An onset is found when that happened 0-{window} h before it. The predictive value is the share of "
        "stays with an alert that have the event; beside it the share whose alert found the onset. What is compared "
        "alerts in the same share of stays, at every hour that reaches its threshold and without being held back: "
        "that favours it.</p>"
    )
    header = [
        "",
        "stays with an alert",
        "onsets found",
        "… not there from the first row",
        "… there from the first row",
        "predictive value",
        "found / alerted",
        "alerts / 100 patient-days",
        "one a stay / 100 patient-days",
        "median lead, h",
    ]
    beside = _table(header, [_told(one) for one in (found.told, *found.beside)], own=1)
    usual = _table(header, [_told(one) for one in found.usual]) if found.usual else ""
    usual = f"<h3>At their usual thresholds</h3>{usual}{_fewer(found.fewer)}" if usual else ""
    return f"{text}{beside}{usual}"


def _fewer(fewer: Fewer | None) -> str:
    if fewer is None:
        return ""
    return (
        f"<p>At the sensitivity of {escape(fewer.rule)} ({_plain_share(fewer.sensitivity)} of onsets), with the "
        f"threshold {fewer.threshold:.4f}, the model alerts in {_plain_share(fewer.stays)} fewer stays, crosses its "
        f"threshold {_plain_share(fewer.crossings)} less often, and is above it for {_plain_share(fewer.hours)} fewer "
        "hours.</p>"
    )


def _groups(found: Analysis) -> str:
    header = [
        "", "stays", "with the event", "AUROC", "observed / expected", "stays with an alert", "onsets found",
        "predictive value", "alerts / 100 patient-days",
    ]  # fmt: skip
    rows = [_group(one) for one in found.groups]
    return f"<h2>By sex, age and unit</h2>{_table(header, rows)}"


def _group(group: Group) -> list[str]:
    told = group.told
    return [
        escape(f"{group.by}: {group.name}"),
        f"{group.stays:,}",
        f"{group.struck:,}",
        _number(group.auroc, 3),
        _number(group.in_the_large, 2),
        _share(told.alerted),
        _share(told.sensitivity),
        _share(told.predictive_value),
        _number(told.alerts, 1),
    ]


def _elsewhere(others: Sequence[Elsewhere]) -> str:
    if not others:
        return ""
    return f"<h2>At other hospitals</h2>{''.join(map(_other, others))}"


def _other(found: Elsewhere) -> str:
    text = (
        f"<p>{escape(found.data)}: {found.stays:,} stays, {found.days:,.0f} patient-days. The model abstained at "
        f"{100 * found.abstained:.1f} % of the hours and alerted in {_plain_share(found.alerted)} of the stays, with "
        f"{_plain(found.alerts, 1)} alerts per 100 patient-days. Nobody labelled infections there."
    )
    proxy = found.proxy
    if proxy is None:
        return f"{text}</p>"
    rows = [[escape(name), _number(one, 3)] for name, one in proxy.auroc.items()]
    return (
        f"{text} Death in hospital stands in for them ({proxy.deaths:,} died): a proxy, which tells whether the score "
        f"falls apart and not how good it is. Of the stays with an alert {_plain_share(proxy.died_of_alerted)} died, "
        f"of the others {_plain_share(proxy.died_of_others)}.</p>"
        f"{_table(['highest score of the stay, for death', 'AUROC'], rows, own=1)}"
    )


def _burden(found: Burden) -> str:
    critical = found.critical
    every = (
        f"All {critical.told + critical.repeats:,} findings of critical results were delivered"
        if not critical.missed
        else f"{critical.missed:,} findings of critical results were <strong>not delivered</strong>; the others were"
    )
    header = [
        "kind", "warnings and critical / 100 patient-days", "… one a stay", "… in stays that no other kind alerts",
        "stays", "for information / 100 patient-days", "held back", "escalations", "retractions",
    ]  # fmt: skip
    return (
        f"<h2>The load of all alerts together</h2>"
        f"<p>Told as a warning or critical at any time, and counted by alert: <strong>{_plain(found.loud, 1)} per 100 "
        f"patient-days</strong> over {found.days:,.0f} patient-days, of these {_plain(found.critical_severity, 1)} "
        f"critical. "
        f"{every}: {critical.told:,} told, {critical.repeats:,} repeats of what was told within a week.</p>"
        f"{_table(header, [_load(one) for one in found.kinds])}"
    )


def _load(load: Load) -> list[str]:
    held = ", ".join(f"{escape(reason)} {number:,}" for reason, number in load.held.items()) or "0"
    return [
        escape(load.kind),
        _number(load.loud, 1),
        _number(load.one_a_stay, 1),
        _number(load.added, 1),
        _share(load.stays),
        _number(load.quiet, 1),
        held,
        f"{load.escalated:,}",
        f"{load.retracted:,}",
    ]


def _told(one: StayFigures) -> list[str]:
    return [
        escape(one.name),
        _share(one.alerted),
        _share(one.sensitivity),
        _share(one.sensitivity_later),
        _share(one.sensitivity_at_start),
        _share(one.predictive_value),
        _share(one.found_of_alerted),
        _number(one.alerts, 1),
        _number(one.one_a_stay, 1),
        _number(one.lead, 1),
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], own: int = 0) -> str:
    """A table; the first ``own`` rows are the model's."""
    head = "".join(f"<th>{escape(one)}</th>" for one in header)
    body = "".join(
        f"<tr{' class=own' if number < own else ''}>{''.join(f'<td>{one}</td>' for one in row)}</tr>"
        for number, row in enumerate(rows)
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _named(axis: Axis, name: str) -> Axis:
    return Axis(name, axis.low, axis.high, axis.percent)


def _number(value: Interval, digits: int) -> str:
    if isnan(value.estimate):
        return "–"
    bounds = "" if isnan(value.low) else f"<small>{value.low:.{digits}f} to {value.high:.{digits}f}</small>"
    return f"{value.estimate:.{digits}f}{bounds}"


def _share(value: Interval) -> str:
    if isnan(value.estimate):
        return "–"
    bounds = "" if isnan(value.low) else f"<small>{100 * value.low:.1f} to {100 * value.high:.1f}</small>"
    return f"{100 * value.estimate:.1f} %{bounds}"


def _plain(value: Interval, digits: int = 3) -> str:
    if isnan(value.estimate):
        return "–"
    return f"{value.estimate:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"


def _plain_share(value: Interval) -> str:
    if isnan(value.estimate):
        return "–"
    return f"{100 * value.estimate:.0f} % ({100 * value.low:.0f} to {100 * value.high:.0f})"


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
