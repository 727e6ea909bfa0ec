// Where the selected network's time goes: by what bounds it, by stage, and operator by operator.

const SLOWEST = 12;

function shareBars(caption, rows, unit) {
  const longest = Math.max(...rows.map((row) => row.seconds), 1e-12);
  return html(
    "table",
    { class: "bars" },
    html("caption", { class: "hidden-text" }, caption),
    html(
      "tbody",
      {},
      rows.map((row) => {
        const bar = html("span", { class: "bar", "aria-hidden": "true" });
        const needed = html("span", { class: "bar needed", "aria-hidden": "true" });
        bar.style.width = `${Math.max(0.5, (100 * row.seconds) / longest)}%`;
        needed.style.width = `${Math.min(100, (100 * row.bound_s) / longest)}%`;
        return html(
          "tr",
          {},
          html("th", { scope: "row" }, row.name),
          html("td", { class: "track" }, bar, row.bound_s > 0 && needed),
          html("td", {}, latency(row.seconds, unit)),
          html("td", {}, percent(row.share, 0)),
        );
      }),
    ),
  );
}

function grouped(kernels, key, total) {
  const groups = new Map();
  for (const k of kernels) {
    const name = key(k);
    const group = groups.get(name) || { name, seconds: 0, bound_s: 0 };
    group.seconds += k.seconds;
    group.bound_s += k.bound_s;
    groups.set(name, group);
  }
  return [...groups.values()].map((group) => ({ ...group, share: group.seconds / total }));
}

function slowestTable(kernels, total, unit) {
  const head = ["Operator", "Kind", "Time", "Share", "Bound by", "Of what the device allows"];
  return html(
    "table",
    { class: "plain" },
    html("caption", { class: "hidden-text" }, "The slowest operators"),
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        head.map((text) => html("th", { scope: "col" }, text)),
      ),
    ),
    html(
      "tbody",
      {},
      kernels
        .slice(0, SLOWEST)
        .map((k) =>
          html(
            "tr",
            {},
            html("th", { scope: "row" }, `${k.slot}: ${words(k.name)}`),
            html("td", { class: "words" }, words(k.kind)),
            html("td", {}, latency(k.seconds, unit)),
            html("td", {}, percent(k.seconds / total)),
            html("td", { class: "words" }, k.bound),
            html("td", {}, k.seconds > 0 ? percent(k.bound_s / k.seconds, 0) : "–"),
          ),
        ),
    ),
  );
}

function timeCard(view) {
  if (!view.target.roofline) return null;
  const element = html("section", { class: "card time", "aria-label": "Where the time goes" });
  const show = (id) => {
    element.replaceChildren(html("h3", {}, "Where the time goes"));
    const found = kernelsOf(view, id);
    if (!found) {
      fill(element, {}, [html("p", { class: "empty" }, "Nothing is kept of a network off the front.")]);
      return;
    }
    const network = view.target.roofline.networks[id];
    const inside = found.reduce((sum, k) => sum + k.seconds, 0);
    const needed = found.reduce((sum, k) => sum + k.bound_s, 0);
    const total = Math.max(network.latency_s, inside);
    const beside = total - inside;
    const stages = grouped(
      [...found].sort((a, b) => stageOrder(view, id, a.slot) - stageOrder(view, id, b.slot)),
      (k) => stageName(k.slot),
      total,
    );
    const bounds = Object.keys(BOUNDS)
      .map(
        (name) =>
          grouped(
            found.filter((k) => k.bound === name),
            () => BOUNDS[name].text,
            total,
          )[0],
      )
      .filter(Boolean);
    if (beside > 0.005 * total)
      bounds.push({ name: "the call itself", seconds: beside, bound_s: 0, share: beside / total });
    fill(element, {}, [
      html(
        "p",
        { class: "above" },
        `Network ${id}: ${latency(network.latency_s, view.unit)} predicted. Arithmetic at the peak and memory at full ` +
          `bandwidth would take ${latency(needed, view.unit)}, ${percent(needed / total, 0)} of that` +
          (network.energy_j > 0
            ? `; about ${significant(network.energy_j * 1e3)}${NARROW}mJ an inference.`
            : "."),
      ),
      html("h4", {}, "By what bounds it"),
      shareBars("Time by what bounds it", bounds, view.unit),
      html("h4", {}, "By stage"),
      shareBars("Time by stage", stages, view.unit),
      html("p", { class: "small" }, "The strong part of a bar is what the device would need at its limits."),
      html(
        "details",
        {},
        html("summary", {}, "The slowest operators"),
        html(
          "div",
          { class: "scroll", role: "region", tabindex: 0, "aria-label": "The slowest operators" },
          slowestTable(found, inside, latencyUnit(found.slice(0, SLOWEST).map((k) => k.seconds))),
        ),
      ),
    ]);
  };
  return { element, show };
}

const stageName = (slot) => (slot.includes(".") ? slot.slice(0, slot.lastIndexOf(".")) : slot);

// Position of the slot's first kernel in the network.
function stageOrder(view, id, slot) {
  const { kernels, networks } = view.target.roofline;
  return networks[id].kernels.findIndex((k) => kernels.slot[k] === slot);
}
