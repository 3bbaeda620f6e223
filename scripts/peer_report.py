"""What bench-peers has measured, as text and as one HTML page with charts."""

import html
import math
import os
import pathlib
import platform
import re
import statistics
import time

from peer_works import (EDIT_SECONDS, NPM_FILES, NPM_PACKAGES, ONCE, PAGE_FILES,
                        STATES, UNPACK_FILES, WORKS)

WARMFS = "warmfs"
MEANING = {
    "walk": "names and attributes of all files",
    "read": "all files opened, read and closed, after the walk",
    "git status": "with the host's index when cold, with its own afterwards",
    "page": f"{PAGE_FILES} files, fetched from a server in the guest; warm is the "
            "second fetch",
    "unpack": f"a tar of {UNPACK_FILES} small files",
    "npm install": f"{NPM_PACKAGES} packages of {NPM_FILES} small files, without a "
                   "registry",
    "edit read": "from a write on the host until a program that reads the file "
                 "every millisecond has the new bytes",
    "edit event": "from a write on the host until a program has its inotify event",
}


def cpu():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    return f"{os.cpu_count()} x {model[1] if model else platform.machine()}"


def load():
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


def shown(time_ms):
    if time_ms is None:
        return f"not in {EDIT_SECONDS} s"
    if time_ms >= 1000:
        return f"{time_ms / 1000:.2f} s"
    return f"{time_ms:.1f} ms" if time_ms >= 1 else f"{time_ms * 1000:.0f} us"


class Report:
    """Begun before the measurement, so that it knows the load of then."""

    def __init__(self, bed, files, runs):
        self.files = files
        self.runs = runs
        self.load_before = load()
        self.bed = bed.machine.bed
        self.guest = f"{bed.machine.description()}; {bed.run('uname -sr')}"

    def title(self):
        return (f"bed {self.bed}: {self.guest}; {self.files} files, "
                f"{self.runs} runs")

    def take(self, bed, times):
        self.times = times
        self.peers = bed.peers
        self.left_out = bed.left_out
        self.load_after = load()

    def facts(self):
        behind = dict.fromkeys(p.behind for p in self.peers if p.behind)
        yield "bed", f"{self.bed}: {self.guest}"
        yield "host", f"{cpu()}; {platform.system()} {platform.release()}"
        yield "shares", "; ".join(behind)
        yield "load", (f"{self.load_before} before, {self.load_after} after (1, 5 "
                       "and 15 minutes)")
        yield "measured", (f"{time.strftime('%Y-%m-%d')}, {self.files} files of 0.2 "
                           f"to 12 KB, medians of {self.runs} runs; each run takes "
                           "every share once")
        for line in self.left_out:
            yield "left out", line

    def columns(self):
        """Work, state."""
        yield from ((work, state) for work in WORKS for state in STATES)
        yield from ((work, "once") for work in ONCE)

    def median(self, peer, work, state):
        """(there is one, its milliseconds); None for what did not come in time."""
        samples = self.times.get((peer.name, work, state))
        if not samples:
            return False, None
        late = [math.inf if s is None else s for s in samples]
        middle = statistics.median_low(late)
        return True, None if middle == math.inf else middle

    def ratio(self, peer, work, state):
        ours = self.median(self.peers[0], work, state)[1]
        theirs = self.median(peer, work, state)[1]
        return theirs / ours if ours and theirs is not None else None

    # --- text ---

    def text(self):
        lines = [self.title(), "median, and the ratio to warmfs"]
        for work in WORKS:
            lines += self.text_table(work, STATES)
        for work in ONCE:
            lines += self.text_table(work, ("once",))
        return "\n".join(lines)

    def text_table(self, work, states):
        yield ""
        yield f"{work:20}" + "".join(f"{state:>22}" for state in states)
        for peer in self.peers:
            cells = [self.text_cell(peer, work, state) for state in states]
            if any(cells):
                yield f"{peer.name:20}" + "".join(f"{c:>22}" for c in cells)

    def text_cell(self, peer, work, state):
        there, median = self.median(peer, work, state)
        ratio = self.ratio(peer, work, state)
        times = f" {ratio:7.2f}x" if ratio is not None else " " * 9
        return shown(median) + times if there else ""

    # --- the page ---

    def html(self):
        facts = "".join(f"<dt>{html.escape(name)}<dd>{html.escape(value)}"
                        for name, value in self.facts())
        charts = "".join(
            f"<h2>{work}</h2><p>{MEANING[work]}</p><div class=row>" +
            "".join(self.chart(work, state, state) for state in STATES) +
            "</div>" for work in WORKS)
        charts += ("<h2>unpack, npm install, and after an edit</h2><div class='row tall'>" + "".join(
            self.chart(work, "once", f"{work}: {MEANING[work]}")
            for work in ONCE) + "</div>")
        return PAGE.format(title=html.escape(f"warmfs beside its peers, bed "
                                             f"{self.bed}"),
                           facts=facts, charts=charts, table=self.table())

    def table(self):
        columns = list(self.columns())
        groups = "".join(
            f"<th colspan={len(STATES) if work in WORKS else 1}>{work}"
            for work in (*WORKS, *ONCE))
        states = "".join(f"<th>{'' if state == 'once' else state}"
                         for _, state in columns)
        rows = "".join(
            f"<tr class='{kind(peer)}'><th>{html.escape(peer.name)}" +
            "".join(self.html_cell(peer, *column) for column in columns)
            for peer in self.peers)
        return (f"<table><tr><th>{groups}<tr><th>{states}{rows}</table>")

    def html_cell(self, peer, work, state):
        there, median = self.median(peer, work, state)
        ratio = self.ratio(peer, work, state)
        if not there:
            return "<td>"
        small = f"<small>{ratio:.2f}x</small>" if ratio is not None else ""
        return f"<td>{shown(median)}{small}"

    def chart(self, work, state, heading):
        """Bars from left to right, the axis logarithmic; a thin line from the
        fastest to the slowest run."""
        rows = [(peer, median) for peer in self.peers
                for there, median in [self.median(peer, work, state)] if there]
        known = [median for _, median in rows if median is not None]
        if not known:
            return ""
        axis = Axis([sample for peer, _ in rows
                     for sample in self.times[peer.name, work, state]
                     if sample is not None])
        parts = [axis.lines(len(rows))]
        for number, (peer, median) in enumerate(rows):
            parts.append(self.bar(axis, number, peer, median, work, state))
        height = AXIS_HEIGHT + ROW * len(rows)
        return (f"<figure><h3>{heading}</h3><svg viewBox='0 0 {WIDTH} {height}' "
                f"role=img aria-label='{work} {state}'>{''.join(parts)}</svg>"
                "</figure>")

    def bar(self, axis, number, peer, median, work, state):
        y = AXIS_HEIGHT + ROW * number
        samples = [s for s in self.times[peer.name, work, state]
                   if s is not None]
        text = shown(median)
        ratio = self.ratio(peer, work, state)
        if ratio is not None and peer.name != WARMFS:
            text += f", {ratio:.2f}x"
        end = axis.x(median) if median is not None else LEFT
        parts = [f"<text class=name x={LEFT - 8} y={y + 13}>"
                 f"{html.escape(peer.name)}</text>"]
        after = end
        if median is not None:
            after = max(axis.x(max(samples)), end)
            parts += [f"<rect class='{kind(peer)}' x={LEFT} y={y + 2} rx=2 "
                      f"width={max(end - LEFT, 1):.1f} height={ROW - 6} />",
                      f"<line class=range x1={axis.x(min(samples)):.1f} "
                      f"x2={after:.1f} y1={y + 9} y2={y + 9} />"]
        parts.append(f"<text class=time x={after + 6:.1f} y={y + 13}>{text}"
                     "</text>")
        return "".join(parts)


def kind(peer):
    if peer.name == WARMFS:
        return "ours"
    return "share" if peer.is_share else "limit"


WIDTH, LEFT, RIGHT, ROW, AXIS_HEIGHT = 460, 124, 118, 20, 18


class Axis:
    """Powers of ten from below the smallest to the largest sample."""

    def __init__(self, samples):
        self.low = math.floor(math.log10(max(min(samples), 1e-3) * 0.8))
        self.high = max(math.log10(max(samples)), self.low + 1)

    def x(self, time_ms):
        share = ((math.log10(max(time_ms, 1e-3)) - self.low) /
                 (self.high - self.low))
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def lines(self, rows):
        parts = []
        for power in range(self.low, math.floor(self.high) + 1):
            x = self.x(10**power)
            parts.append(
                f"<line class=grid x1={x:.1f} x2={x:.1f} y1={AXIS_HEIGHT - 4} "
                f"y2={AXIS_HEIGHT + ROW * rows} /><text class=tick x={x:.1f} "
                f"y=10>{tick(power)}</text>")
        return "".join(parts)


def tick(power):
    if power >= 3:
        return f"{10**(power - 3)} s"
    return f"{10**power} ms" if power >= 0 else f"{10**(power + 3)} us"


PAGE = """<!doctype html>
<html lang=en><meta charset=utf-8>
<meta name=viewport content="width=device-width">
<title>{title}</title>
<style>
:root {{ --ink: #1c2430; --soft: #66707f; --line: #dfe3e8; --paper: #fff;
  --ours: #1f5fbf; --share: #a9b2bd; --limit: #6aa889; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e4e8ee; --soft: #98a2b0;
  --line: #363b44; --paper: #16191e; --ours: #5b93e6; --share: #5b6470;
  --limit: #3f8f68; }} }}
body {{ font: 15px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 1440px; margin: 2em auto; padding: 0 1.5em; }}
h1 {{ font-size: 1.6em; }} h2 {{ margin: 1.8em 0 0; font-size: 1.2em; }}
h3 {{ margin: 0 0 .3em; font-size: .95em; color: var(--soft);
  font-weight: 600; }}
p {{ margin: .1em 0 .8em; color: var(--soft); }}
dl {{ display: grid; grid-template-columns: max-content auto; gap: .15em 1em; }}
dt {{ color: var(--soft); }} dd {{ margin: 0; }}
.row {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr));
  gap: 1em 1.5em; }}
figure {{ margin: 0; max-width: 480px; }} .tall h3 {{ min-height: 2.9em; }} svg {{ width: 100%; display: block; }}
svg text {{ font: 12px system-ui, sans-serif; fill: var(--ink); }}
svg .name {{ text-anchor: end; }}
svg .tick {{ text-anchor: middle; fill: var(--soft); font-size: 10px; }}
svg .time {{ fill: var(--soft); font-size: 11px; }}
.grid {{ stroke: var(--line); }}
.range {{ stroke: var(--ink); opacity: .55; }}
rect.ours {{ fill: var(--ours); }} rect.share {{ fill: var(--share); }}
rect.limit {{ fill: var(--limit); }}
.scroll {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 12px; margin-top: 1em; }}
th, td {{ padding: .25em .6em; border-bottom: 1px solid var(--line);
  text-align: right; white-space: nowrap; }}
tr th:first-child {{ text-align: left; }}
th[colspan] {{ text-align: center; }}
th[colspan], td:nth-child(3n+2) {{ border-left: 1px solid var(--line); }}
td small {{ display: block; color: var(--soft); }}
tr.ours {{ color: var(--ours); font-weight: 600; }}
.key {{ display: inline-block; width: .8em; height: .8em; border-radius: 2px; }}
</style>
<h1>{title}</h1>
<dl>{facts}</dl>
<p>Bars are medians on a logarithmic axis, the thin line goes from the fastest run to
the slowest; ratios are to warmfs in the same state. Cold is mounted anew (warmfs with an
empty cache), remounted is mounted anew (warmfs with its cache on the virtual disk), warm
is once more.
<span class=key style="background: var(--ours)"></span> warmfs
<span class=key style="background: var(--share)"></span> other shares
<span class=key style="background: var(--limit)"></span> the guest's own file systems,
as limits</p>
{charts}
<h2>All of it</h2>
<div class=scroll>{table}</div>
</html>
"""
