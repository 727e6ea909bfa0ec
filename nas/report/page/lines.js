// Line charts: one or more series over a common axis, with bands where a spread is known.

const NARROW_MARGIN = { left: 52, right: 16, top: 26, bottom: 44 };

const plotBox = (width, height) => ({
  xRange: [NARROW_MARGIN.left, width - NARROW_MARGIN.right],
  yRange: [height - NARROW_MARGIN.bottom, NARROW_MARGIN.top],
});

// The look of the n-th series, the same everywhere: colours of Okabe and Ito, told apart by dashes and shapes too.
const SERIES = 8;
const seriesClass = (n) => (Number.isInteger(n) ? `s${n % SERIES}` : n);

const SHAPES = [
  (r) => `M${-r} 0A${r} ${r} 0 1 1 ${r} 0A${r} ${r} 0 1 1 ${-r} 0Z`,
  (r) => `M${-r * 0.9} ${-r * 0.9}H${r * 0.9}V${r * 0.9}H${-r * 0.9}Z`,
  (r) => diamond(r * 1.25),
  (r) => `M0 ${-r * 1.2}L${r * 1.15} ${r * 0.85}H${-r * 1.15}Z`,
  (r) => `M0 ${r * 1.2}L${r * 1.15} ${-r * 0.85}H${-r * 1.15}Z`,
  (r) =>
    `M${-r * 0.4} ${-r}h${r * 0.8}v${r * 0.6}h${r * 0.6}v${r * 0.8}h${-r * 0.6}v${r * 0.6}h${-r * 0.8}v${-r * 0.6}h${-r * 0.6}v${-r * 0.8}h${r * 0.6}Z`,
  (r) =>
    `M0 ${-r * 1.3}L${r * 0.4} ${-r * 0.4}L${r * 1.3} 0L${r * 0.4} ${r * 0.4}L0 ${r * 1.3}L${-r * 0.4} ${r * 0.4}L${-r * 1.3} 0L${-r * 0.4} ${-r * 0.4}Z`,
  (r) => `M${-r} ${-r * 0.6}H${r}V${r * 0.6}H${-r}Z`,
];
const seriesShape = (n, size) => SHAPES[Number.isInteger(n) ? n % SHAPES.length : 0](size);

function seriesMarks(line, at, x, y) {
  const shown = line.dots || (at.length <= 40 && !line.step) ? at : [];
  return svg(
    "g",
    { class: `series ${seriesClass(line.series)}` },
    line.band &&
      svg("path", {
        class: "band",
        d:
          path([
            ...staircase(line.band.map(([a, low]) => [x(a), y(low)])),
            ...staircase(line.band.map(([a, , high]) => [x(a), y(high)])).reverse(),
          ]) + "Z",
      }),
    svg("path", { class: "curve", d: path(line.step ? staircase(at) : at) }),
    shown.map(([a, b]) =>
      svg("path", {
        class: "curve-dot",
        d: seriesShape(line.series, 2.8),
        transform: `translate(${a} ${b})`,
      }),
    ),
  );
}

const seriesKey = (line) =>
  svg(
    "g",
    { class: `series ${seriesClass(line.series)}` },
    svg("path", { class: "curve", d: "M-10 0H10" }),
    (line.dots || !line.step) && svg("path", { class: "curve-dot", d: seriesShape(line.series, 3) }),
  );

// A vertical line where something happened.
const eventMark = (at, [bottom, top], text) =>
  svg(
    "g",
    { class: "limit event" },
    svg("line", { x1: at, x2: at, y1: bottom, y2: top }),
    svg("text", { x: at + 5, y: top + 10 }, text),
  );

// `series` holds {series: its number or a class, text, points: [[x, y]], band: [[x, low, high]], step, dots}, or is a function that
// returns them, as `xLabel` may be; `marks` are events {at: x, text}; `controls` is given what draws the chart anew.
function lineChart({
  title,
  note,
  label,
  series,
  xLabel,
  yLabel,
  xFormat,
  yFormat = plainNumber,
  xScale = linearScale,
  marks = [],
  controls,
}) {
  const holder = html("div", { class: "plot" });
  const current = () => (typeof series === "function" ? series() : series);
  const redraw = responsive(holder, (width) => {
    const height = Math.round(Math.max(230, Math.min(360, width * 0.6)));
    const { xRange, yRange } = plotBox(width, height);
    const lines = current();
    const across = extent(lines.flatMap((line) => line.points.map((p) => p[0])));
    const up = extent(
      lines.flatMap((line) => [...line.points, ...(line.band || [])].flatMap((p) => p.slice(1))),
    );
    if (!across) return;
    const x = xScale(across[0] < across[1] ? across : [across[0] - 1, across[1] + 1], xRange);
    const y = linearScale(padded(up, 0.06), yRange);
    const named = typeof xLabel === "function" ? xLabel() : xLabel;
    holder.replaceChildren(
      svg(
        "svg",
        { width, height, role: "img", "aria-label": label },
        axes({ x, y, width, height, margin: NARROW_MARGIN, xLabel: named, yLabel, xFormat, yFormat }),
        marks.map((mark) => eventMark(x(mark.at), yRange, mark.text)),
        lines.map((line) =>
          seriesMarks(
            line,
            line.points.map(([a, b]) => [x(a), y(b)]),
            x,
            y,
          ),
        ),
      ),
    );
  });
  const keys = current().filter((line) => line.text);
  return figure(
    title,
    note,
    controls && controls(redraw),
    holder,
    keys.length ? legend(keys.map((line) => [seriesKey(line), line.text])) : null,
  );
}
