// The smaller charts: predicted against measured, hypervolume over evaluations, the supernet's training.

const NARROW_MARGIN = { left: 52, right: 16, top: 26, bottom: 44 };

const plotBox = (width, height) => ({
  xRange: [NARROW_MARGIN.left, width - NARROW_MARGIN.right],
  yRange: [height - NARROW_MARGIN.bottom, NARROW_MARGIN.top],
});

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

function lineChart({
  title,
  note,
  label,
  series,
  xLabel,
  yLabel,
  yFormat = plainNumber,
  yDomain,
  step = false,
}) {
  const holder = html("div", { class: "plot" });
  responsive(holder, (width) => {
    const height = Math.round(Math.max(230, Math.min(360, width * 0.6)));
    const { xRange, yRange } = plotBox(width, height);
    const points = series.flatMap((line) => line.points);
    const xDomain = extent(points.map((p) => p[0]));
    const x = linearScale(xDomain[0] < xDomain[1] ? xDomain : [xDomain[0] - 1, xDomain[1] + 1], xRange);
    const y = linearScale(padded(yDomain || extent(points.map((p) => p[1])), 0.06), yRange);
    holder.replaceChildren(
      svg(
        "svg",
        { width, height, role: "img", "aria-label": label },
        axes({ x, y, width, height, margin: NARROW_MARGIN, xLabel, yLabel, yFormat }),
        series.map((line) => {
          const at = line.points.map(([a, b]) => [x(a), y(b)]);
          return [
            svg("path", { class: `curve ${line.name}`, d: path(step ? staircase(at) : at) }),
            at.length < 40 &&
              at.map(([cx, cy]) => svg("circle", { class: `curve-dot ${line.name}`, cx, cy, r: 2.5 })),
          ];
        }),
      ),
    );
  });
  const named = series.filter((line) => line.text);
  return figure(
    title,
    note,
    holder,
    named.length
      ? legend(named.map((line) => [svg("path", { class: `curve ${line.name}`, d: "M-10 0H10" }), line.text]))
      : null,
  );
}

function hypervolumeChart(view) {
  const { hypervolume, reference } = view.target;
  const title = "Progress of the search";
  if (!hypervolume.length)
    return figure(title, null, html("p", { class: "empty" }, "No hypervolume has been recorded."));
  const whole_box = reference ? reference[0] * reference[1] : 1;
  const points = hypervolume.map(([done, value]) => [done, value / whole_box]);
  const say = (value) => (reference ? percent(value) : significant(value));
  const against = reference
    ? `, as a share of the box up to ${plainLatency(reference[0], view.unit)} and ${percent(reference[1], 0)} error`
    : "";
  const total = points.at(-1)[0];
  const halfway = points.filter(([done]) => done <= total / 2).at(-1);
  const late =
    points.length > 1 && halfway
      ? ` The second half of the evaluations took it from ${say(halfway[1])} to ${say(points.at(-1)[1])}.`
      : "";
  return lineChart({
    title,
    note: `Hypervolume: how much of the accuracy-latency plane the front covers${against}.${late}`,
    label: `Hypervolume goes from ${say(points[0][1])} to ${say(points.at(-1)[1])} over ${plural(total, "evaluation")}.`,
    series: [{ name: "first", points }],
    xLabel: "evaluations",
    yLabel: "hypervolume",
    step: true,
    yFormat: reference
      ? (v) => plainNumber(100 * v) + NARROW + "%"
      : (v) => (v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential(1) : plainNumber(v)),
  });
}

function trainingCharts(training) {
  if (!training.length) return [];
  const take = (key) =>
    training.filter((point) => point[key] !== null).map((point) => [point.epoch, point[key]]);
  const charts = [
    lineChart({
      title: "Supernet training: loss",
      label: `Loss falls to ${significant(training.at(-1).loss)}.`,
      series: [{ name: "first", points: take("loss") }],
      xLabel: "epoch",
      yLabel: "loss",
    }),
  ];
  const sampled = Object.keys(training.at(-1).sampled_accuracy).map((name, i) => ({
    name: "sampled",
    text: i ? null : "fixed sample between them",
    points: training
      .filter((point) => name in point.sampled_accuracy)
      .map((point) => [point.epoch, point.sampled_accuracy[name]]),
  }));
  const series = [
    ...sampled,
    { name: "first", text: "largest network", points: take("largest_accuracy") },
    { name: "second", text: "smallest network", points: take("smallest_accuracy") },
  ].filter((line) => line.points.length);
  if (series.length) {
    charts.push(
      lineChart({
        title: "Supernet training: accuracy",
        label: `Accuracy by epoch of the largest network, the smallest${sampled.length ? `, and ${sampled.length} between them` : ""}.`,
        series,
        xLabel: "epoch",
        yLabel: "accuracy",
        yFormat: (v) => plainNumber(100 * v) + NARROW + "%",
      }),
    );
  }
  return charts;
}
