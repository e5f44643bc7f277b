"""The report as one HTML file: every figure, and the plots as SVG. The file loads nothing from elsewhere.

pygal (the extra `bench`) draws the plots; without it, the file has only the figures.
"""

import html
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Final

from notify_sse.bench.report.results import Outcome, Plot, Report, number

WIDTH_PX: Final = 720
HEIGHT_PX: Final = 320
COLOURS: Final = ("#1f6feb", "#d1242f", "#bf8700", "#1a7f37", "#8250df", "#57606a")
# pygal puts its configuration and a link to its tooltips into each plot; a report needs neither.
_SCRIPT: Final = re.compile(r"<script.*?</script>|<!--.*?-->", re.DOTALL)
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1f2328; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
td, th { padding: .1rem 1rem .1rem 0; border-bottom: 1px solid #d0d7de; text-align: left; font-weight: normal; }
td { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 0 0 1.5rem; } svg { width: 100%; height: auto; }
.problem { color: #d1242f; }
"""


def rendered(report: Report) -> str:
    """The whole document."""
    about = report.machine
    hardware = f"{about.cores} cores of {about.cpu}, {about.memory_gb} GB"
    machine = f"{hardware}, {about.system}, Linux {about.kernel}, {about.python}"
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><title>notify-sse bench</title>',
            f"<style>{STYLE}</style></head><body>",
            "<h1>notify-sse bench</h1>",
            f"<p>{_text(report.started)}, version {_text(report.version)}, on {_text(machine)}.</p>",
            *(part for outcome in report.outcomes for part in _outcome(outcome)),
            "</body></html>\n",
        ]
    )


def drawn(plot: Plot) -> str:
    """`plot` as an SVG element."""
    import pygal  # noqa: PLC0415  (an extra)

    # pygal adds one for its plugins, so old that each later import warns of it. Others that came with it stay:
    # importlib_metadata puts its own in the place of the standard library's.
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != pygal.__name__]
    from pygal.style import Style  # noqa: PLC0415

    style = Style(
        background="transparent",
        plot_background="transparent",
        colors=COLOURS,
        font_family="system-ui, sans-serif",
        stroke_width="2",
    )
    chart = pygal.XY(
        style=style,
        title=plot.title,
        x_title=plot.x,
        y_title=plot.y,
        logarithmic=plot.logarithmic,
        width=WIDTH_PX,
        height=HEIGHT_PX,
        dots_size=2,
        js=(),
        disable_xml_declaration=True,
        value_formatter=number,
        x_value_formatter=number,
    )
    for name, points in plot.lines.items():
        # A logarithmic axis has no place for 0.
        chart.add(name, [point for point in points if point[1] > 0 or not plot.logarithmic])
    return _SCRIPT.sub("", chart.render(is_unicode=True))


def _outcome(outcome: Outcome) -> Iterator[str]:
    given = ", ".join(f"{name} {number(value)}" for name, value in outcome.given.items())
    yield f"<h2>{_text(outcome.scenario)} on {_text(outcome.target)}</h2>"
    yield f"<p>{_text(given)}; load average {outcome.load_average}</p>"
    for problem in outcome.problems:
        yield f'<p class="problem">{_text(problem)}</p>'
    rows = (f"<tr><th>{_text(name)}</th><td>{number(value)}</td></tr>" for name, value in outcome.figures.items())
    yield f"<table>{''.join(rows)}</table>"
    yield from _figures(outcome.plots)


def _figures(plots: Iterable[Plot]) -> Iterator[str]:
    if find_spec("pygal") is None:
        return
    for plot in plots:
        if any(plot.lines.values()):
            yield f"<figure>{drawn(plot)}</figure>"


def _text(text: str) -> str:
    return html.escape(text)
