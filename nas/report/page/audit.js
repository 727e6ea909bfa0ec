// How the predictions held: predicted against measured latency of the members.

// At least half an octave wide, so that a single network does not look far off.
function predictionDomain(measured) {
  const [low, high] = extent(measured.flatMap((m) => [m.predicted_s, m.measured_s]));
  const widen = Math.max(1.05, Math.sqrt((1.4 * low) / high));
  return [low / widen, high * widen];
}

function predictionChart(view) {
  const measured = view.members.filter((m) => m.measured_s);
  const title = "Predicted against measured";
  if (!measured.length) {
    const why = view.target.measurable
      ? "No member of this front has been measured, so there is nothing to compare."
      : "This target cannot be measured here. Its latencies are predictions, with nothing to check them against.";
    return { element: figure(title, null, html("p", { class: "empty" }, why)), show() {} };
  }
  const holder = html("div", { class: "plot" });
  const dots = new Map();
  let current = null;
  const show = (id) => {
    current = id;
    for (const [key, dot] of dots) dot.classList.toggle("selected", key === id);
  };
  responsive(holder, (width) => {
    const height = Math.round(Math.max(260, Math.min(360, width * 0.8)));
    const { xRange, yRange } = plotBox(width, height);
    const domain = predictionDomain(measured);
    const [x, y] = [latencyScale(domain, xRange), latencyScale(domain, yRange)];
    const format = (v) => plainNumber(v / view.unit.seconds);
    const limit = view.target.latency_limit_s;
    const clamp = (v) => Math.max(xRange[0], Math.min(xRange[1], x(v)));
    dots.clear();
    holder.replaceChildren(
      svg(
        "svg",
        {
          width,
          height,
          role: "img",
          "aria-label": `Measured against predicted latency of ${plural(measured.length, "network")}; the table holds the figures.`,
        },
        axes({
          x,
          y,
          width,
          height,
          margin: NARROW_MARGIN,
          xFormat: format,
          yFormat: format,
          xLabel: `predicted, ${view.unit.name}`,
          yLabel: `measured, ${view.unit.name}`,
        }),
        svg("line", {
          class: "diagonal",
          x1: x(domain[0]),
          y1: y(domain[0]),
          x2: x(domain[1]),
          y2: y(domain[1]),
        }),
        limit &&
          limit < domain[1] &&
          limit > domain[0] &&
          svg(
            "g",
            { class: "limit" },
            svg("line", { x1: xRange[0], x2: xRange[1], y1: y(limit), y2: y(limit) }),
            svg("text", { x: xRange[0] + 6, y: y(limit) + 15 }, `limit ${plainLatency(limit, view.unit)}`),
          ),
        measured.map((m) => {
          const at = y(m.measured_s);
          return svg("line", {
            class: "interval",
            x1: clamp(m.interval_low_s),
            x2: clamp(m.interval_high_s),
            y1: at,
            y2: at,
          });
        }),
        measured.map((m) => {
          const [px, py] = [x(m.predicted_s), y(m.measured_s)];
          const dot = svg(
            "path",
            {
              class: m.noisy ? "measured noisy" : "measured",
              d: diamond(6),
              transform: `translate(${px} ${py})`,
              onclick: () => view.select(m.id),
            },
            svg("title", {}, memberLabel(view, m)),
          );
          dots.set(m.id, dot);
          return dot;
        }),
      ),
    );
    show(current);
  });
  const level = Math.round(100 * view.target.interval_level);
  const entries = [
    [svg("path", { class: "measured", d: diamond(5) }), "member"],
    [svg("line", { class: "interval", x1: -10, x2: 10, y1: 0, y2: 0 }), `${level}${NARROW}% interval`],
    [svg("line", { class: "diagonal", x1: -10, x2: 10, y1: 0, y2: 0 }), "prediction exact"],
  ];
  if (measured.some((m) => m.noisy)) {
    entries.splice(1, 0, [svg("path", { class: "measured noisy", d: diamond(5) }), "noisy measurement"]);
  }
  return {
    element: figure(
      title,
      "On the line the prediction was exact; above it the device was slower.",
      holder,
      legend(entries),
    ),
    show,
  };
}
