// The fronts of all targets in one chart; latencies as they are, or relative to each target's largest network.

function overlayPoints(view, relative) {
  const largest = view.target.baselines.find((b) => b.name === "largest");
  const base = relative
    ? largest
      ? (largest.measured_s ?? view.target.latency_s[view.position.get(largest.id)])
      : Math.max(...view.members.map(latencyOf))
    : 1;
  return [...view.members]
    .sort((a, b) => latencyOf(a) - latencyOf(b))
    .map((m) => ({ m, view, x: latencyOf(m) / base, y: accuracyOf(view, m) }));
}

// What is better than everything faster: measured latencies may have changed the order of the front.
function bestSoFar(points) {
  let best = -Infinity;
  return points.filter((p) => p.y > best && ((best = p.y), true));
}

function nearestPoint(points, frame, event, layer) {
  const box = layer.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let [found, distance] = [null, 14 ** 2];
  for (const p of points) {
    const square = (frame.x(p.x) - px) ** 2 + (frame.y(p.y) - py) ** 2;
    if (square < distance) [found, distance] = [p, square];
  }
  return found;
}

function overlayChart(views, open) {
  const drawn = views.filter((view) => view.members.length && view.target.feasible);
  if (drawn.length < 2) return null;
  const hidden = new Set();
  let relative = false;
  const holder = html("div", { class: "plot" });
  const tooltip = html("div", { class: "tooltip", "aria-hidden": "true", hidden: true });
  const render = responsive(holder, (width) => {
    const height = Math.round(Math.max(300, Math.min(480, width * 0.5)));
    const shown = drawn.filter((view) => !hidden.has(view));
    const fronts = shown.map((view) => overlayPoints(view, relative));
    const points = fronts.flat();
    if (!points.length) {
      holder.replaceChildren(html("p", { class: "empty" }, "Every target is switched off."));
      return;
    }
    const unit = latencyUnit(points.map((p) => p.x));
    const [left, right, bottom] = [MARGIN.left, width - MARGIN.right, height - MARGIN.bottom];
    const [low, high] = extent(points.map((p) => p.x));
    const frame = {
      x: latencyScale([low * 0.93, high * 1.07], [left, right]),
      y: linearScale(padded(extent(points.map((p) => p.y)), 0.06, 0, 1.005), [bottom, MARGIN.top]),
      width,
      height,
      margin: MARGIN,
      xLabel: relative ? "latency, share of the largest network's" : `latency, ${unit.name}`,
      yLabel: shown.every(isTested) ? "accuracy on the test split" : "accuracy",
      xFormat: relative ? sharePercent : (v) => plainNumber(v / unit.seconds),
      yFormat: sharePercent,
    };
    const layer = svg(
      "svg",
      {
        width,
        height,
        role: "img",
        "aria-label": `The fronts of ${list(shown.map((v) => v.target.name))}; each target's table holds the figures.`,
      },
      axes(frame),
      shown.map((view, i) => {
        const series = drawn.indexOf(view);
        const line = staircase(bestSoFar(fronts[i]).map((p) => [frame.x(p.x), frame.y(p.y)]));
        return svg(
          "g",
          { class: `series ${seriesClass(series)}` },
          svg("path", { class: "curve", d: path(line) }),
          fronts[i].map((p) =>
            svg("path", {
              class: p.m.measured_s === null ? "spot hollow" : "spot",
              d: seriesShape(series, 4.6),
              transform: `translate(${frame.x(p.x)} ${frame.y(p.y)})`,
            }),
          ),
        );
      }),
    );
    layer.addEventListener("pointermove", (event) => {
      const p = nearestPoint(points, frame, event, layer);
      tooltip.hidden = !p;
      layer.classList.toggle("pointing", Boolean(p));
      if (!p) return;
      tooltip.replaceChildren();
      fill(tooltip, {}, [
        html("strong", {}, `${p.view.target.name}, network ${p.m.id}`),
        html(
          "span",
          {},
          `${percent(p.y, p.view.testDecimals)} ${isTested(p.view) ? "test" : "search"} accuracy`,
        ),
        html("span", {}, `${latency(latencyOf(p.m), p.view.unit)} ${kindOf(p.m)}`),
      ]);
      placeTooltip(tooltip, frame.x(p.x), frame.y(p.y), width);
    });
    layer.addEventListener("pointerleave", () => (tooltip.hidden = true));
    layer.addEventListener("click", (event) => {
      const p = nearestPoint(points, frame, event, layer);
      if (p) open(views.indexOf(p.view), p.m.id);
    });
    holder.replaceChildren(layer, tooltip);
  });
  const toggle = (view, i) => {
    const box = html("input", {
      type: "checkbox",
      checked: true,
      onchange: () => {
        if (box.checked) hidden.delete(view);
        else hidden.add(view);
        render();
      },
    });
    const key = svg(
      "svg",
      { width: 22, height: 14, viewBox: "-11 -7 22 14", "aria-hidden": "true" },
      seriesKey({ series: i }),
    );
    return html("label", {}, box, key, view.target.name);
  };
  const scale = html(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-pressed": "false",
      onclick: () => {
        relative = !relative;
        scale.setAttribute("aria-pressed", String(relative));
        render();
      },
    },
    "Relative to the largest network",
  );
  return figure(
    "All fronts together",
    "Filled marks are measured latencies, hollow ones predictions. Select a mark to see its network.",
    holder,
    html(
      "div",
      { class: "under-plot" },
      html(
        "fieldset",
        { class: "toggles" },
        html("legend", { class: "hidden-text" }, "Targets shown"),
        drawn.map(toggle),
      ),
      scale,
    ),
  );
}
