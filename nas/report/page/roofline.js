// The roofline of a target's device, and on it the operators of the selected network.
// Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.

const BOUNDS = {
  compute: { series: 1, text: "compute-bound" },
  memory: { series: 0, text: "memory-bound" },
  launch: { series: 3, text: "launch-bound" },
};

// A figure with the prefix of its power of a thousand.
function prefixed(value, unit) {
  const power = Math.max(0, Math.min(5, Math.floor(Math.log10(value) / 3 + 1e-9)));
  return (
    plainNumber(Number((value / 1000 ** power).toPrecision(3))) +
    NARROW +
    ["", "k", "M", "G", "T", "P"][power] +
    unit
  );
}

// The kernels of a network as objects, the slowest first.
function kernelsOf(view, id) {
  const roofline = view.target.roofline;
  const network = roofline && roofline.networks[id];
  if (!network) return null;
  const columns = roofline.kernels;
  return network.kernels
    .map((k) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[k]])))
    .sort((a, b) => b.seconds - a.seconds);
}

const onRoofline = (kernel) => kernel.flops > 0 && kernel.moved_bytes > 0 && kernel.seconds > 0;

function rooflineDomain(roofline, dots) {
  const peak = Math.max(...Object.values(roofline.peaks));
  const ridges = Object.values(roofline.bandwidths).map((rate) => peak / rate);
  const across = extent([
    ...dots.map((d) => d.flops / d.moved_bytes),
    ...ridges.flatMap((r) => [r / 4, r * 4]),
  ]) || [1, 10];
  const up = extent([...dots.map((d) => d.flops / d.seconds), peak]);
  return { x: [across[0] / 1.6, across[1] * 1.6], y: [up[0] / 2, up[1] * 2] };
}

function roofs(roofline, { x, y }) {
  const peaks = Object.entries(roofline.peaks);
  const top = peaks[0][1];
  const [low, high] = x.domain;
  const lines = Object.entries(roofline.bandwidths).map(([name, rate], i, all) => {
    const from = Math.max(low, y.domain[0] / rate);
    const to = Math.min(top / rate, high);
    if (from >= to) return null;
    const angle = (Math.atan2(y(to * rate) - y(from * rate), x(to) - x(from)) * 180) / Math.PI;
    const at = Math.exp(Math.log(from) + (Math.log(to) - Math.log(from)) * 0.08);
    return [
      svg("line", {
        class: i === all.length - 1 ? "roof" : "roof inner",
        x1: x(from),
        y1: y(from * rate),
        x2: x(to),
        y2: y(to * rate),
      }),
      svg(
        "text",
        { transform: `translate(${x(at)} ${y(at * rate) - 6}) rotate(${angle})` },
        `${name}, ${prefixed(rate, "B/s")}`,
      ),
    ];
  });
  const fastest = Math.max(...Object.values(roofline.bandwidths), 0);
  const levels = peaks.map(([name, rate], i) => [
    svg("line", {
      class: i ? "roof inner" : "roof",
      x1: x(Math.max(low, fastest ? Math.min(high, rate / fastest) : low)),
      x2: x(high),
      y1: y(rate),
      y2: y(rate),
    }),
    svg("text", { x: x(high), y: y(rate) - 6, "text-anchor": "end" }, `${name}, ${prefixed(rate, "FLOP/s")}`),
  ]);
  return svg("g", { class: "roofs" }, lines, levels);
}

function rooflineChart(view) {
  const { roofline } = view.target;
  if (!roofline) return null;
  const holder = html("div", { class: "plot" });
  const note = html("p", { class: "small", role: "status" });
  const tooltip = html("div", { class: "tooltip", "aria-hidden": "true", hidden: true });
  let current = null;
  const draw = (width) => {
    const kernels = kernelsOf(view, current);
    if (!kernels) {
      holder.replaceChildren(
        html(
          "p",
          { class: "empty" },
          "Operators are kept for networks on the front. Select one of those to see its own.",
        ),
      );
      note.textContent = "";
      return;
    }
    const height = Math.round(Math.max(300, Math.min(420, width * 0.7)));
    const { xRange, yRange } = plotBox(width, height);
    const dots = kernels.filter(onRoofline);
    const domain = rooflineDomain(roofline, dots);
    const frame = {
      x: logScale(domain.x, xRange),
      y: logScale(domain.y, yRange),
      width,
      height,
      margin: NARROW_MARGIN,
      xLabel: "FLOPs a byte",
      yLabel: "FLOPs a second",
      yFormat: (v) => prefixed(v, ""),
    };
    const total = kernels.reduce((sum, k) => sum + k.seconds, 0);
    const radius = (k) => Math.max(2.5, Math.min(16, 34 * Math.sqrt(k.seconds / total)));
    const points = dots.map((k) => ({ k, x: k.flops / k.moved_bytes, y: k.flops / k.seconds }));
    const layer = svg(
      "svg",
      {
        width,
        height,
        role: "img",
        "aria-label": `Roofline of ${roofline.device} with ${plural(dots.length, "operator")} of network ${current}; the tables beside it hold the figures.`,
      },
      axes(frame),
      roofs(roofline, frame),
      points.map(({ k, x, y }) =>
        svg(
          "g",
          { class: `series ${seriesClass(BOUNDS[k.bound].series)}` },
          svg("path", {
            class: "kernel",
            d: seriesShape(BOUNDS[k.bound].series, radius(k)),
            transform: `translate(${frame.x(x)} ${frame.y(y)})`,
          }),
        ),
      ),
    );
    layer.addEventListener("pointermove", (event) => {
      const p = nearestPoint(points, frame, event, layer);
      tooltip.hidden = !p;
      if (!p) return;
      tooltip.replaceChildren();
      fill(tooltip, {}, [
        html("strong", {}, `${p.k.slot}: ${words(p.k.name)}`),
        html("span", {}, `${words(p.k.kind)}, ${BOUNDS[p.k.bound].text}`),
        html(
          "span",
          {},
          `${latency(p.k.seconds, latencyUnit([p.k.seconds]))}, ${percent(p.k.seconds / total)} of the operators`,
        ),
        html("span", {}, `${percent(p.k.bound_s / p.k.seconds, 0)} of what the device allows`),
      ]);
      placeTooltip(tooltip, frame.x(p.x), frame.y(p.y), width);
    });
    layer.addEventListener("pointerleave", () => (tooltip.hidden = true));
    holder.replaceChildren(layer, tooltip);
    const left = kernels.length - dots.length;
    note.textContent = left
      ? `${plural(left, "operator")} without arithmetic or without memory traffic ${left === 1 ? "has" : "have"} no place here.`
      : "";
  };
  const render = responsive(holder, draw);
  const show = (id) => {
    current = id;
    render();
  };
  const keys = Object.values(BOUNDS).map(({ series, text }) => [
    svg(
      "g",
      { class: `series ${seriesClass(series)}` },
      svg("path", { class: "kernel", d: seriesShape(series, 5) }),
    ),
    text,
  ]);
  return {
    element: figure(
      "What the device allows",
      `Operators of the selected network under the roofline of ${roofline.device}: larger marks take more of the predicted time, and those far below the roof leave most of the hardware unused.`,
      holder,
      legend(keys),
      note,
    ),
    show,
  };
}
