"""A roofline plot as one SVG document: what each operator reaches, under what the device allows.

Both axes are logarithmic: FLOPs a byte, and FLOPs a second. Sloping lines are bandwidths, level
ones peaks. A dot is an operator with all that is fused into it, its area the share of the time; the
slowest are numbered and listed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from latency_models.roofline import bandwidths_bytes_per_s, peak_flops_per_s

if TYPE_CHECKING:
    from latency_models.explain import ExplainedOp, Explanation

WIDTH, HEIGHT = 1120, 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 256, 76, 84
_LISTED, _LINE, _NAME_LETTERS = 12, 34, 30
# Pixels of radius if one dot took all the time, and the limits of it.
_WHOLE_RADIUS, _LARGEST_RADIUS, _SMALLEST_RADIUS = 60.0, 26.0, 3.0
_LETTER = 6.9  # width of a letter of 12 px, for what follows a text
_COLOURS = {"compute": "#d55e00", "memory": "#0072b2", "launch": "#6b6b6b"}
_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #333 }
.title { font-size: 16px; font-weight: 600; fill: #111 }
.small { font-size: 11px; fill: #555 }
.grid { stroke: #e6e6e6; stroke-width: 1 }
.roof { stroke: #222; stroke-width: 2; fill: none }
.inner { stroke: #888; stroke-width: 1.2; stroke-dasharray: 5 4; fill: none }
.number { font-size: 10px; font-weight: 700; fill: #111 }
.halo { paint-order: stroke; stroke: #fff; stroke-width: 3px; stroke-linejoin: round }
"""


@dataclass(frozen=True)
class _Dot:
    name: str
    bound: str
    intensity: float
    flops_per_s: float
    seconds: float
    share: float


@dataclass(frozen=True)
class _Axes:
    """Logarithmic scales from data to pixels."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        """Pixel of a FLOPs a byte."""
        low, high = self.x
        return _LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def up(self, value: float) -> float:
        """Pixel of a FLOPs a second."""
        low, high = self.y
        part = (math.log10(value) - low) / (high - low)
        return HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM)


def roofline_svg(explanation: "Explanation") -> str:
    """The plot; it refers to nothing outside itself."""
    dots, left_out = _dots(explanation.operators)
    peaks = _peaks(explanation)
    bandwidths = bandwidths_bytes_per_s(explanation.spec, threads=explanation.threads)
    axes = _axes(dots, list(peaks.values()), list(bandwidths.values()))
    body = [
        *_bands(axes, max(peaks.values()), bandwidths),
        *_grid(axes),
        *_circles(axes, dots),
        *_ceilings(axes, peaks, bandwidths),
        *_numbers(axes, dots[:_LISTED]),
        *_list(dots[:_LISTED]),
        *_captions(explanation, left_out),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            f' width="{WIDTH}" height="{HEIGHT}" role="img">',
            f"<title>{escape(_title(explanation))}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _title(explanation: "Explanation") -> str:
    return (
        f"{explanation.spec.name}: {explanation.latency_s * 1e3:.4g} ms,"
        f" batch {explanation.batch_size}, {explanation.dtype}"
    )


def _dots(operators: Sequence["ExplainedOp"]) -> tuple[list[_Dot], list["ExplainedOp"]]:
    """Operators with what is fused into them, the slowest first; and those that have no place."""
    kernels: dict[int, list[ExplainedOp]] = {}
    for op in operators:
        kernels.setdefault(op.kernel, []).append(op)
    dots: list[_Dot] = []
    left_out: list[ExplainedOp] = []
    for members in kernels.values():
        flops, moved, seconds, share = (
            sum(getattr(op, field) for op in members)
            for field in ("flops", "moved_bytes", "seconds", "share")
        )
        if flops > 0 and moved > 0 and seconds > 0:
            first = members[0]
            name = f"{first.name} #{first.kernel}"
            dots.append(_Dot(name, first.bound, flops / moved, flops / seconds, seconds, share))
        else:
            left_out += members
    return sorted(dots, key=lambda dot: -dot.seconds), left_out


def _peaks(explanation: "Explanation") -> dict[str, float]:
    """Ceilings of arithmetic by name, the vector units' only where it is another."""
    spec, dtype, threads = explanation.spec, explanation.dtype, explanation.threads
    matrix = peak_flops_per_s(spec, dtype, threads=threads)
    vector = peak_flops_per_s(spec, dtype, threads=threads, matrix=False)
    if vector == matrix:
        return {dtype: matrix}
    return {f"{dtype}, matrix units": matrix, f"{dtype}, vector units": vector}


def _axes(dots: Sequence[_Dot], peaks: Sequence[float], bandwidths: Sequence[float]) -> _Axes:
    """Scales that hold the dots and the ridges, the decades whole."""
    ridges = [max(peaks) / bandwidth for bandwidth in bandwidths]
    across = [dot.intensity for dot in dots] + [r * f for r in ridges for f in (0.1, 10)] or [1.0]
    up = [dot.flops_per_s for dot in dots] + [max(peaks) * f for f in (0.01, 2)]
    return _Axes(_decades(across), _decades(up))


def _decades(values: Sequence[float]) -> tuple[float, float]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return float(low), float(max(high, low + 1))


def _bands(axes: _Axes, peak: float, bandwidths: dict[str, float]) -> list[str]:
    """Where main memory bounds, and where arithmetic does."""
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    if not bandwidths:
        top = axes.up(peak)
        return [_polygon([(_LEFT, top), (right, top), (right, bottom), (_LEFT, bottom)], "compute")]
    bandwidth = bandwidths[next(reversed(bandwidths))]
    ridge = min(max(peak / bandwidth, 10 ** axes.x[0]), 10 ** axes.x[1])
    start = max(10 ** axes.x[0], 10 ** axes.y[0] / bandwidth)
    corner = (axes.across(ridge), axes.up(min(peak, bandwidth * ridge)))
    foot = (axes.across(start), axes.up(max(bandwidth * start, 10 ** axes.y[0])))
    memory = [foot, corner, (corner[0], bottom), (foot[0], bottom)]
    compute = [corner, (right, corner[1]), (right, bottom), (corner[0], bottom)]
    return [_polygon(memory, "memory"), _polygon(compute, "compute")]


def _polygon(points: Sequence[tuple[float, float]], bound: str) -> str:
    at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon points="{at}" fill="{_COLOURS[bound]}" opacity="0.07"/>'


def _grid(axes: _Axes) -> list[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    lines: list[str] = []
    for decade in range(int(axes.x[0]), int(axes.x[1]) + 1):
        x = axes.across(10**decade)
        lines.append(_line(x, _TOP, x, bottom, "grid"))
        lines.append(_text(x, bottom + 18, f"{10.0**decade:g}", anchor="middle"))
    for decade in range(int(axes.y[0]), int(axes.y[1]) + 1):
        y = axes.up(10**decade)
        lines.append(_line(_LEFT, y, right, y, "grid"))
        lines.append(_text(_LEFT - 8, y + 4, _rate(10.0**decade, "FLOP/s"), anchor="end"))
    middle = (_LEFT + right) / 2
    lines.append(_text(middle, bottom + 38, "arithmetic intensity, FLOPs a byte", anchor="middle"))
    return lines


def _ceilings(axes: _Axes, peaks: dict[str, float], bandwidths: dict[str, float]) -> list[str]:
    right = WIDTH - _RIGHT
    highest = max(peaks.values())
    main = next(reversed(bandwidths), None)
    lines: list[str] = []
    for name, peak in peaks.items():
        begin = 10 ** axes.x[0]
        if bandwidths:
            fastest = bandwidths[main] if main and peak == highest else max(bandwidths.values())
            begin = min(max(peak / fastest, begin), 10 ** axes.x[1])
        style = "roof" if peak == highest else "inner"
        y = axes.up(peak)
        lines.append(_line(axes.across(begin), y, right, y, style))
        label = f"{name}: {_rate(peak, 'FLOP/s')}"
        lines.append(_text(right - 4, y - 6, label, anchor="end", style="small halo"))
    for place, (name, bandwidth) in enumerate(bandwidths.items()):
        style = "roof" if name == main else "inner"
        label = f"{name}: {_rate(bandwidth, 'B/s')}"
        lines += _slope(axes, label, bandwidth, highest, style, place=place)
    return lines


def _slope(
    axes: _Axes, label: str, bandwidth: float, peak: float, style: str, *, place: int
) -> list[str]:
    """A bandwidth, with labels of neighbours at different places along their lines."""
    start = max(10 ** axes.x[0], 10 ** axes.y[0] / bandwidth)
    end = min(peak / bandwidth, 10 ** axes.x[1])
    if end <= start:
        return []
    x1, y1 = axes.across(start), axes.up(start * bandwidth)
    x2, y2 = axes.across(end), axes.up(end * bandwidth)
    angle = math.degrees(math.atan2(y2 - y1, x2 - x1))
    part = 0.04 + 0.36 * (place % 2)
    x, y = x1 + part * (x2 - x1), y1 + part * (y2 - y1) - 7
    return [
        _line(x1, y1, x2, y2, style),
        f'<text x="{x:.1f}" y="{y:.1f}" class="small halo"'
        f' transform="rotate({angle:.2f} {x:.1f} {y:.1f})">{escape(label)}</text>',
    ]


def _circles(axes: _Axes, dots: Sequence[_Dot]) -> list[str]:
    circles: list[str] = []
    for dot in dots:
        radius = _WHOLE_RADIUS * math.sqrt(dot.share)
        radius = min(max(radius, _SMALLEST_RADIUS), _LARGEST_RADIUS)
        hint = (
            f"{dot.name}: {_microseconds(dot)} ({dot.share:.1%}), {dot.bound}-bound,"
            f" {dot.intensity:.3g} FLOP/byte, {_rate(dot.flops_per_s, 'FLOP/s')}"
        )
        circles.append(
            f'<circle cx="{axes.across(dot.intensity):.1f}" cy="{axes.up(dot.flops_per_s):.1f}"'
            f' r="{radius:.1f}" fill="{_COLOURS[dot.bound]}" fill-opacity="0.4"'
            f' stroke="{_COLOURS[dot.bound]}"><title>{escape(hint)}</title></circle>'
        )
    return circles


def _numbers(axes: _Axes, dots: Sequence[_Dot]) -> list[str]:
    """The slowest dots' numbers in them; of two in one place the slower one's."""
    numbers: list[str] = []
    taken: list[tuple[float, float]] = []
    for number, dot in enumerate(dots, start=1):
        x, y = axes.across(dot.intensity), axes.up(dot.flops_per_s)
        if all(abs(x - left) > 15 or abs(y - top) > 11 for left, top in taken):
            taken.append((x, y))
            numbers.append(_text(x, y + 3.5, str(number), anchor="middle", style="number halo"))
    return numbers


def _list(dots: Sequence[_Dot]) -> list[str]:
    left = WIDTH - _RIGHT + 20
    lines = [_text(left, _TOP + 6, "The slowest", style="small")]
    for number, dot in enumerate(dots, start=1):
        y = _TOP + _LINE * number
        name = dot.name if len(dot.name) <= _NAME_LETTERS else "…" + dot.name[1 - _NAME_LETTERS :]
        lines += [
            f'<circle cx="{left + 9}" cy="{y - 4}" r="9" fill="{_COLOURS[dot.bound]}"'
            ' fill-opacity="0.4"/>',
            _text(left + 9, y, str(number), anchor="middle", style="number"),
            _text(left + 24, y - 3, name),
            _text(left + 24, y + 10, f"{_microseconds(dot)}, {dot.share:.1%}", style="small"),
        ]
    return lines


def _captions(explanation: "Explanation", left_out: Sequence["ExplainedOp"]) -> list[str]:
    parts = [_text(_LEFT, 30, _title(explanation), style="title")]
    x = float(_LEFT)
    for bound, share in explanation.share_by_bound().items():
        parts.append(f'<circle cx="{x + 6:.1f}" cy="50" r="6" fill="{_COLOURS[bound]}"/>')
        label = f"{bound}-bound {share:.0%} of the time"
        parts.append(_text(x + 18, 54, label))
        x += 36 + _LETTER * len(label)
    note = "A dot is an operator with what is fused into it; its area is its share of the time."
    if left_out:
        share = sum(op.share for op in left_out)
        note += f" Not drawn: {len(left_out)} without FLOPs or bytes ({share:.1%})."
    parts.append(_text(_LEFT, HEIGHT - 16, note, style="small"))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", style: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{style}">{escape(text)}</text>'


def _microseconds(dot: _Dot) -> str:
    return f"{dot.seconds * 1e6:.4g} us"


def _rate(value: float, unit: str) -> str:
    """Such as `1.5 TFLOP/s`."""
    for prefix, size in (("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size * 0.9995:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"
