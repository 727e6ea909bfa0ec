// Two networks of one target side by side: their figures, and layer by layer their blocks and times.

// The slots of both, each of b's that a has not after the one that it follows in b.
function mergedSlots(a, b) {
  const order = [...a];
  b.forEach((slot, i) => {
    if (!order.includes(slot)) order.splice(i ? order.indexOf(b[i - 1]) + 1 : 0, 0, slot);
  });
  return order;
}

function slotTimes(view, id) {
  const roofline = view.target.roofline;
  const network = roofline && roofline.networks[id];
  if (!network) return null;
  const times = new Map();
  for (const k of network.kernels) {
    const slot = roofline.kernels.slot[k];
    times.set(slot, (times.get(slot) || 0) + roofline.kernels.seconds[k]);
  }
  return times;
}

const slotOf = (block, i) => block.slot || `${block.kind || "block"} ${i + 1}`;

// What the second network has otherwise than the first, in words; nothing where the blocks are alike.
function blockChange(a, b) {
  if (!a) return "only in the second";
  if (!b) return "only in the first";
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => a[key] !== b[key])
    .map((key) => `${words(key)} ${a[key] ?? "none"} → ${b[key] ?? "none"}`)
    .join(", ");
}

function timeCell(seconds, longest, unit) {
  if (seconds === undefined) return html("td", { class: "track" }, "");
  const bar = html("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${Math.max(1, (100 * seconds) / longest)}%`;
  return html("td", { class: "track" }, bar, html("span", { class: "small" }, latency(seconds, unit)));
}

function layersTable(view, pair) {
  const blocks = pair.map(
    (m) => new Map(m.drawing.groups.flatMap((g) => g.blocks).map((b, i) => [slotOf(b, i), b])),
  );
  const times = pair.map((m) => slotTimes(view, m.id));
  const timed = times.every(Boolean);
  const slots = mergedSlots(...blocks.map((found) => [...found.keys()]));
  const longest = timed ? Math.max(...times.flatMap((found) => [...found.values()])) : 1;
  const unit = timed ? latencyUnit(times.flatMap((found) => [...found.values()])) : null;
  const cell = (block) =>
    html("td", {}, block ? blockBox(block, "div") : html("span", { class: "small" }, "not there"));
  return html(
    "table",
    { class: "layers" },
    html("caption", { class: "hidden-text" }, `Networks ${pair[0].id} and ${pair[1].id}, layer by layer`),
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        html("th", { scope: "col" }, "Layer"),
        pair.map((m) => [
          html("th", { scope: "col" }, `Network ${m.id}`),
          timed && html("th", { scope: "col" }, "predicted time"),
        ]),
      ),
    ),
    html(
      "tbody",
      {},
      slots.map((slot) => {
        const [a, b] = blocks.map((found) => found.get(slot));
        const change = blockChange(a, b);
        return html(
          "tr",
          { class: change ? "differs" : "same" },
          html("th", { scope: "row" }, slot, html("span", { class: "mark" }, change || "the same")),
          cell(a),
          timed && timeCell(times[0].get(slot), longest, unit),
          cell(b),
          timed && timeCell(times[1].get(slot), longest, unit),
        );
      }),
    ),
  );
}

function decisionsTable(view, ids) {
  const taken = ids.map((id) => view.evaluations.genotype[view.position.get(id)]);
  const differing = view.decisions.map((_, k) => k).filter((k) => taken[0][k] !== taken[1][k]);
  const rest = view.decisions.length - differing.length;
  return [
    html("p", { class: "small" }, `${plural(rest, "decision")} of ${whole(view.decisions.length)} alike.`),
    differing.length > 0 &&
      html(
        "table",
        { class: "plain" },
        html("caption", { class: "hidden-text" }, "Decisions in which the two differ"),
        html(
          "thead",
          {},
          html(
            "tr",
            {},
            ["Decision", ...ids.map((id) => `Network ${id}`)].map((text) =>
              html("th", { scope: "col" }, text),
            ),
          ),
        ),
        html(
          "tbody",
          {},
          differing.map((k) => {
            const { name, options } = view.decisions[k];
            return html(
              "tr",
              {},
              html("th", { scope: "row" }, name),
              taken.map((genotype) => html("td", {}, String(options[genotype[k]]))),
            );
          }),
        ),
      ),
  ];
}

function comparedFigures(view, ids) {
  const { evaluations, target, unit } = view;
  const rows = ids.map((id) => view.position.get(id));
  const members = ids.map((id) => view.byId.get(id));
  const relative = (values) =>
    values.some((v) => v === null || v === undefined) ? "–" : signedPercent(values[1] / values[0] - 1);
  const points = (values) =>
    values.some((v) => v === null || v === undefined)
      ? "–"
      : `${values[1] < values[0] ? "−" : "+"}${Math.abs(100 * (values[1] - values[0])).toFixed(2)} points`;
  const of = (key) => members.map((m) => (m ? m[key] : null));
  const lines = [
    ["Test accuracy", of("test_accuracy"), (v) => percent(v, view.testDecimals), points],
    ["Search accuracy", rows.map((i) => evaluations.accuracy[i]), (v) => percent(v, view.decimals), points],
    ["Predicted latency", rows.map((i) => target.latency_s[i]), (v) => latency(v, unit), relative],
    ["Measured latency", of("measured_s"), (v) => latency(v, unit), relative],
    ["Parameters", rows.map((i) => evaluations.params[i]), count, relative],
    ["MACs", rows.map((i) => evaluations.macs[i]), count, relative],
    ["Peak activations", of("peak_activation_bytes"), (v) => (v === null ? "–" : bytes(v)), relative],
  ];
  return html(
    "table",
    { class: "plain" },
    html("caption", { class: "hidden-text" }, "Figures of both"),
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        ["Figure", ...ids.map((id) => `Network ${id}`), "Difference"].map((text) =>
          html("th", { scope: "col" }, text),
        ),
      ),
    ),
    html(
      "tbody",
      {},
      lines
        .filter(([, values]) => values.some((v) => v !== null && v !== undefined))
        .map(([name, values, say, difference]) =>
          html(
            "tr",
            {},
            html("th", { scope: "row" }, name),
            values.map((value) => html("td", {}, say(value))),
            html("td", {}, difference(values)),
          ),
        ),
    ),
  );
}

// Shows something once a network is pinned and another one is selected.
function comparisonCard(view) {
  const element = html("section", { class: "card comparison", "aria-label": "Comparison", hidden: true });
  const show = (id) => {
    const ids = [view.pinned, id];
    element.hidden = view.pinned === null || id === null || view.pinned === id;
    element.replaceChildren();
    if (element.hidden) return;
    const pair = ids.map((key) => view.byId.get(key));
    const drawn = pair.every(Boolean);
    fill(element, {}, [
      html("h3", {}, `Network ${ids[1]} beside network ${ids[0]}, which is pinned`),
      html(
        "div",
        { class: "scroll", role: "region", tabindex: 0, "aria-label": "Figures of both" },
        comparedFigures(view, ids),
      ),
      html("h4", {}, drawn ? "Layer by layer" : "Decisions"),
      drawn
        ? html(
            "div",
            { class: "scroll", role: "region", tabindex: 0, "aria-label": "Layers of both" },
            layersTable(view, pair),
          )
        : decisionsTable(view, ids),
    ]);
  };
  return { element, show };
}
