// The front of one target: every evaluated network as a dot on a canvas (quick with many thousands), and above it in SVG
// the members with their intervals, the measured latencies and the limit.

const MARGIN = { left: 58, right: 16, top: 38, bottom: 44 };

function frontDomains(view, everything) {
  const { target, members, evaluations } = view;
  const known = members.flatMap((m) => [m.predicted_s, m.measured_s]);
  let all = extent([...target.latency_s, ...known]);
  const accuracies = extent(evaluations.accuracy);
  if (everything || members.length < 3) {
    const limit = target.latency_limit_s;
    if (limit && limit > all[0] / 20 && limit < all[1] * 3) all = extent([...all, limit]);
    return { x: padded(all, 0.03, all[0] * 0.9), y: padded(accuracies, 0.05, 0, 1.005) };
  }
  const [low, high] = extent(members.map((m) => m.search_accuracy));
  const bottom = Math.max(accuracies[0], low - Math.max((high - low) / 4, 0.02));
  const slowest = extent(known)[1];
  const reach = Math.max(
    slowest * 1.08,
    Math.min(extent(members.map((m) => m.interval_high_s))[1], slowest * 1.5),
  );
  const limit = target.latency_limit_s;
  const right = limit && limit > reach && limit < reach * 1.6 ? limit * 1.06 : reach;
  const left = Math.min(all[0], limit || Infinity) * 0.96;
  return { x: [left, right], y: padded([bottom, high], 0.06, 0, 1.005) };
}

function drawCloud(canvas, view, { x, y, width, height }) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.beginPath();
  pen.rect(
    MARGIN.left,
    MARGIN.top - 8,
    width - MARGIN.left - MARGIN.right + 8,
    height - MARGIN.top - MARGIN.bottom + 8,
  );
  pen.clip();
  const { latency_s: seconds, violation } = view.target;
  const accuracy = view.evaluations.accuracy;
  pen.fillStyle = pen.strokeStyle = getComputedStyle(canvas).color;
  pen.globalAlpha = seconds.length > 3000 ? 0.3 : seconds.length > 600 ? 0.5 : 0.75;
  const radius = seconds.length > 3000 ? 2 : 2.8;
  for (let i = 0; i < seconds.length; i++) {
    pen.beginPath();
    pen.arc(x(seconds[i]), y(accuracy[i]), radius, 0, 2 * Math.PI);
    if (violation[i] > 0) pen.stroke();
    else pen.fill();
  }
}

function outsideNote(view, { x, y }) {
  const { latency_s: seconds } = view.target;
  let outside = 0;
  for (let i = 0; i < seconds.length; i++) {
    if (seconds[i] < x.domain[0] || seconds[i] > x.domain[1] || view.evaluations.accuracy[i] < y.domain[0])
      outside++;
  }
  const notes = [];
  if (outside)
    notes.push(
      `${plural(outside, "evaluated network")} ${outside === 1 ? "lies" : "lie"} outside this view.`,
    );
  const limit = view.target.latency_limit_s;
  if (limit && limit < x.domain[0])
    notes.push(`The limit of ${plainLatency(limit, view.unit)} lies to the left of this view.`);
  if (limit > x.domain[1])
    notes.push(`The limit of ${plainLatency(limit, view.unit)} lies to the right of this view.`);
  return notes.join(" ");
}

function frontLegend(view) {
  const entries = [];
  if (view.target.violation.some((v) => v > 0)) {
    if (view.target.feasible)
      entries.push([svg("circle", { class: "cloud-key", r: 3 }), "meets the constraints"]);
    entries.push([svg("circle", { class: "cloud-key hollow", r: 3 }), "breaks a constraint"]);
  } else entries.push([svg("circle", { class: "cloud-key", r: 3 }), "evaluated"]);
  if (!view.members.length) return legend(entries);
  const level = `${Math.round(100 * view.target.interval_level)}${NARROW}% interval`;
  entries.push([
    svg("circle", { class: "dot-key", r: 5 }),
    view.target.feasible ? "on the front" : "closest",
  ]);
  entries.push([svg("line", { class: "interval", x1: -10, x2: 10, y1: 0, y2: 0 }), level]);
  if (view.members.some((m) => m.measured_s))
    entries.push([svg("path", { class: "measured", d: diamond(5) }), "measured"]);
  if (view.target.baselines.length)
    entries.push([
      svg("g", { class: "baselines" }, svg("path", { d: "M0 -6L6 5H-6Z" })),
      list(view.target.baselines.map((b) => b.name)),
    ]);
  return legend(entries);
}

function frontChart(view) {
  const canvas = html("canvas", { class: "cloud", "aria-hidden": "true" });
  const holder = html("div", { class: "plot" });
  const tooltip = html("div", { class: "tooltip", "aria-hidden": "true", hidden: true });
  const note = html("p", { class: "small", role: "status" });
  const markers = new Map();
  let [everything, current, frame] = [false, null, null];

  const show = (id) => {
    current = id;
    const layer = holder.querySelector("svg");
    if (!layer) return;
    layer.querySelector(".picked").replaceChildren();
    for (const [key, marker] of markers) {
      marker.classList.toggle("selected", key === id);
      marker.classList.toggle("pinned", key === view.pinned);
      marker.setAttribute("aria-pressed", String(key === id));
      if (markers.has(id)) marker.setAttribute("tabindex", key === id ? 0 : -1);
    }
    for (const [key, kind] of [
      [id, "chosen"],
      [view.pinned, "pinned"],
    ]) {
      if (key === null || markers.has(key)) continue;
      const i = view.position.get(key);
      layer
        .querySelector(".picked")
        .append(
          svg("circle", {
            class: kind,
            r: 7,
            cx: frame.x(view.target.latency_s[i]),
            cy: frame.y(view.evaluations.accuracy[i]),
          }),
        );
    }
  };

  const draw = (width) => {
    const height = Math.round(Math.max(300, Math.min(460, width * 0.62)));
    const domains = frontDomains(view, everything);
    const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
    const x = latencyScale(domains.x, [MARGIN.left, right]);
    const y = linearScale(domains.y, [bottom, MARGIN.top]);
    frame = {
      x,
      y,
      width,
      height,
      margin: MARGIN,
      xLabel: `predicted latency, ${view.unit.name}`,
      yLabel: "accuracy on the search split",
      xFormat: (v) => plainNumber(v / view.unit.seconds),
      yFormat: (v) => plainNumber(100 * v) + NARROW + "%",
    };
    const focused = holder.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    markers.clear();
    const line = staircase(view.members.map((m) => [x(m.predicted_s), y(m.search_accuracy)]));
    const layer = svg(
      "svg",
      {
        width,
        height,
        role: "group",
        "aria-label":
          "Accuracy against predicted latency. " +
          "Arrow keys move along the front, P pins a network; the table below holds the same figures.",
      },
      svg(
        "defs",
        {},
        svg(
          "clipPath",
          { id: "front-clip" },
          svg("rect", { x: MARGIN.left, y: 0, width: right - MARGIN.left + 8, height: bottom + 1 }),
        ),
      ),
      limitMark(view, frame),
      axes(frame),
      line.length > 1 &&
        svg("path", {
          class: "front-line",
          d: path(line),
          "clip-path": "url(#front-clip)",
          "aria-hidden": "true",
        }),
      memberMarks(view, frame),
      baselineMarks(view, frame),
      svg("g", { class: "picked", "aria-hidden": "true" }),
      memberButtons(view, frame, markers),
    );
    attachPointer(layer, tooltip, view, frame);
    holder.replaceChildren(canvas, layer, tooltip);
    drawCloud(canvas, view, frame);
    note.textContent = outsideNote(view, frame);
    show(current);
    if (focused) markers.get(Number(focused))?.focus();
  };

  const title = view.target.feasible
    ? "Accuracy against latency"
    : "Accuracy against latency: nothing meets the constraints";
  if (!view.evaluations.id.length) {
    return {
      element: figure(title, null, html("p", { class: "empty" }, "Nothing has been evaluated yet.")),
      show() {},
    };
  }
  const render = responsive(holder, draw);
  const zoom = html(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-pressed": "false",
      onclick: () => {
        everything = !everything;
        zoom.setAttribute("aria-pressed", String(everything));
        render();
      },
    },
    "Show all evaluations",
  );
  const element = figure(
    title,
    "Higher is more accurate, further left is faster. Select a point to see its network; hold shift to pin it for comparison.",
    holder,
    html("div", { class: "under-plot" }, frontLegend(view), view.members.length < 3 ? null : zoom),
    note,
  );
  return { element, show };
}
