// The marks of the front’s chart: the limit, members with interval and measurement, baselines, what can be selected.

function limitMark(view, { x, width, height }) {
  const limit = view.target.latency_limit_s;
  if (!limit || limit < x.domain[0] || limit > x.domain[1]) return null;
  const [at, bottom] = [x(limit), height - MARGIN.bottom];
  const room = width - MARGIN.right - at > 110;
  return svg(
    "g",
    { class: "limit", "aria-hidden": "true" },
    svg("rect", { x: at, y: MARGIN.top, width: width - MARGIN.right - at, height: bottom - MARGIN.top }),
    svg("line", { x1: at, x2: at, y1: MARGIN.top - 8, y2: bottom }),
    svg(
      "text",
      { x: at + (room ? 6 : -6), y: MARGIN.top + 2, "text-anchor": room ? "start" : "end" },
      `limit ${plainLatency(limit, view.unit)}`,
    ),
  );
}

// Intervals first, so that no network's interval covers another's measurement.
function memberMarks(view, { x, y }) {
  const measured = view.members.filter((m) => m.measured_s !== null);
  const across = (name, m, from, to) =>
    svg("line", { class: name, x1: x(from), x2: x(to), y1: y(m.search_accuracy), y2: y(m.search_accuracy) });
  return svg(
    "g",
    { "aria-hidden": "true", "clip-path": "url(#front-clip)" },
    view.members.map((m) => across("interval", m, m.interval_low_s, m.interval_high_s)),
    measured.map((m) => across("shift", m, m.predicted_s, m.measured_s)),
    measured.map((m) =>
      svg("path", {
        class: m.noisy ? "measured noisy" : "measured",
        d: diamond(5),
        transform: `translate(${x(m.measured_s)} ${y(m.search_accuracy)})`,
      }),
    ),
  );
}

// The smallest and the largest network, ringed and named, where they lie in view.
function baselineMarks(view, { x, y, width }) {
  const inside = (value, [low, high]) => value >= low && value <= high;
  return svg(
    "g",
    { class: "baselines", "aria-hidden": "true", "clip-path": "url(#front-clip)" },
    view.target.baselines.map((b) => {
      const i = view.position.get(b.id);
      const [seconds, accuracy] = [view.target.latency_s[i], view.evaluations.accuracy[i]];
      if (!inside(seconds, x.domain) || !inside(accuracy, y.domain)) return null;
      const [px, py] = [x(seconds), y(accuracy)];
      const left = px > width - 110;
      return [
        svg("path", { d: "M0 -11L10 7H-10Z", transform: `translate(${px} ${py})` }),
        svg("text", { x: px + (left ? -13 : 13), y: py + 17, "text-anchor": left ? "end" : "start" }, b.name),
      ];
    }),
  );
}

function memberLabel(view, m) {
  const parts = [
    `Network ${m.id}`,
    `search accuracy ${percent(m.search_accuracy, view.decimals)}`,
    `predicted ${latency(m.predicted_s, view.unit)}`,
  ];
  if (m.measured_s) parts.push(`measured ${latency(m.measured_s, view.unit)}`);
  return parts.join(", ");
}

function memberButtons(view, { x, y }, markers) {
  const move = (position) => {
    const member = view.members[Math.max(0, Math.min(view.members.length - 1, position))];
    view.select(member.id);
    markers.get(member.id).focus();
  };
  const keys = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity };
  return view.members.map((m, i) => {
    const marker = svg(
      "g",
      {
        class: "member",
        role: "button",
        tabindex: i ? -1 : 0,
        "data-id": m.id,
        "aria-label": memberLabel(view, m),
        "aria-pressed": "false",
        transform: `translate(${x(m.predicted_s)} ${y(m.search_accuracy)})`,
        onkeydown: (event) => {
          if (event.key === "Enter" || event.key === " ") view.select(m.id);
          else if (event.key === "p") view.pin(m.id);
          else if (event.key in keys) move(i + keys[event.key]);
          else return;
          event.preventDefault();
        },
      },
      svg("circle", { class: "reach", r: 13 }),
      svg("circle", { class: "halo", r: 10 }),
      svg("circle", { class: "dot", r: 5.5 }),
    );
    markers.set(m.id, marker);
    return marker;
  });
}
