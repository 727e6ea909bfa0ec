// Axes, scales and the parts that every chart shares. Charts are drawn to the width they have, and again when it changes.

function linearScale([low, high], [from, to]) {
  const scale = (value) => from + ((value - low) / (high - low)) * (to - from);
  scale.domain = [low, high];
  scale.ticks = (wanted) => {
    const raw = (high - low) / Math.max(1, wanted);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw * 0.75) || 10);
    const first = Math.ceil(low / step - 1e-9);
    const last = Math.floor(high / step + 1e-9);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) =>
      Number(((first + i) * step).toPrecision(12)),
    );
  };
  return scale;
}

function logScale([low, high], [from, to]) {
  const scale = (value) => from + (Math.log(value / low) / Math.log(high / low)) * (to - from);
  scale.domain = [low, high];
  scale.ticks = (wanted) => {
    const decades = Math.log10(high / low);
    const steps = decades > wanted ? [1] : decades > wanted / 2.5 ? [1, 3] : [1, 2, 5];
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const step of steps) {
        const value = Number(`${step}e${power}`);
        if (value >= low * 0.9999 && value <= high * 1.0001) ticks.push(value);
      }
    }
    return ticks;
  };
  return scale;
}

// A wide spread of latencies reads better on a logarithmic axis; a narrow one does not.
const latencyScale = (domain, range) => (domain[1] / domain[0] > 12 ? logScale : linearScale)(domain, range);

function padded([low, high], share, floor = -Infinity, ceiling = Infinity) {
  const pad = (high - low || Math.abs(high) * 0.2 || 1) * share;
  return [Math.max(floor, low - pad), Math.min(ceiling, high + pad)];
}

function axes(frame) {
  const { x, y, width, height, margin, xLabel, yLabel, xFormat = plainNumber, yFormat = plainNumber } = frame;
  const [left, right, top, bottom] = [margin.left, width - margin.right, margin.top, height - margin.bottom];
  const xTicks = x.ticks(Math.max(2, Math.floor((right - left) / 80)));
  const yTicks = y.ticks(Math.max(2, Math.floor((bottom - top) / 52)));
  return svg(
    "g",
    { class: "axes", "aria-hidden": "true" },
    yTicks.map((tick) => [
      svg("line", { class: "grid", x1: left, x2: right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: left - 8, y: y(tick), dy: "0.32em", "text-anchor": "end" }, yFormat(tick)),
    ]),
    xTicks.map((tick) => [
      svg("line", { class: "tick", x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 5 }),
      svg("text", { x: x(tick), y: bottom + 18, "text-anchor": "middle" }, xFormat(tick)),
    ]),
    svg("line", { class: "base", x1: left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { class: "axis-title", x: right, y: height - 4, "text-anchor": "end" }, xLabel),
    svg("text", { class: "axis-title", x: 0, y: 12 }, yLabel),
  );
}

const path = (points) =>
  points.map(([a, b], i) => `${i ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");

function staircase(points) {
  const steps = [];
  points.forEach(([a, b], i) => {
    if (i) steps.push([a, points[i - 1][1]]);
    steps.push([a, b]);
  });
  return steps;
}

const diamond = (size) => `M0 ${-size}L${size} 0L0 ${size}L${-size} 0Z`;

const observers = new Map();

// Draws now, whenever the width changes, and on redraw(). A new drawing in the same place replaces the old one.
function responsive(holder, draw) {
  let drawn = 0;
  const render = () => {
    drawn = holder.clientWidth;
    if (drawn > 0) draw(drawn);
  };
  const observer = new ResizeObserver(() => {
    if (holder.isConnected && holder.clientWidth !== drawn) render();
  });
  observer.observe(holder);
  observers.set(holder, { observer, render });
  return render;
}

function redrawAll() {
  for (const [holder, { observer, render }] of observers) {
    if (holder.isConnected) render();
    else {
      observer.disconnect();
      observers.delete(holder);
    }
  }
}

function legend(entries) {
  return html(
    "ul",
    { class: "legend" },
    entries.map(([mark, text]) =>
      html(
        "li",
        {},
        svg("svg", { width: 22, height: 14, viewBox: "-11 -7 22 14", "aria-hidden": "true" }, mark),
        text,
      ),
    ),
  );
}

function figure(title, note, ...content) {
  return html(
    "figure",
    { class: "card" },
    html("figcaption", {}, html("h3", {}, title), note && html("p", {}, note)),
    content,
  );
}
