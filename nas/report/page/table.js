// The members of a front as a table: sortable by every column, one row a network, missing figures last.

function memberColumns(view) {
  const level = Math.round(100 * view.target.interval_level);
  const seconds = (value) => latency(value, view.unit);
  const columns = [
    { key: "id", title: "Network", value: (m) => m.id },
    {
      key: "architecture",
      title: "Architecture",
      words: true,
      value: (m) => blockCount(m.drawing),
      text: (m) => drawSmall(m.drawing),
    },
    {
      key: "test",
      title: "Test accuracy",
      value: (m) => m.test_accuracy,
      text: (m) => percent(m.test_accuracy, view.testDecimals),
      largest: true,
    },
    {
      key: "search",
      title: "Search accuracy",
      value: (m) => m.search_accuracy,
      text: (m) => percent(m.search_accuracy, view.decimals),
      largest: true,
    },
    {
      key: "predicted",
      title: "Predicted",
      value: (m) => m.predicted_s,
      text: (m) => seconds(m.predicted_s),
    },
    {
      key: "interval",
      title: `${level}${NARROW}% interval`,
      value: (m) => m.interval_high_s,
      text: (m) =>
        `${significant(m.interval_low_s / view.unit.seconds)} to ${significant(m.interval_high_s / view.unit.seconds)}`,
    },
  ];
  if (view.target.measurable || view.members.some((m) => m.measured_s)) {
    columns.push({
      key: "measured",
      title: "Measured",
      value: (m) => m.measured_s,
      text: (m) => seconds(m.measured_s) + (m.noisy ? " (noisy)" : ""),
    });
    columns.push({
      key: "off",
      title: "Off by",
      value: (m) => m.measured_s && m.measured_s / m.predicted_s - 1,
      text: (m) => {
        if (!m.measured_s) return "–";
        const off = 100 * (m.measured_s / m.predicted_s - 1);
        return `${off < 0 ? "−" : "+"}${Math.abs(off).toFixed(0)}${NARROW}%`;
      },
    });
  }
  columns.push(
    { key: "params", title: "Params", value: (m) => m.params, text: (m) => count(m.params) },
    { key: "macs", title: "MACs", value: (m) => m.macs, text: (m) => count(m.macs) },
    {
      key: "memory",
      title: "Peak activations",
      value: (m) => m.peak_activation_bytes,
      text: (m) => bytes(m.peak_activation_bytes),
    },
  );
  if (view.target.constraints.length) {
    columns.push({
      key: "constraint",
      title: "Constraints",
      words: true,
      value: (m) => (m.broke_constraint === null ? null : Number(m.broke_constraint)),
      text: (m) => verdict(view, m),
    });
  }
  return columns;
}

function verdict(view, member) {
  if (member.broke_constraint === true) return html("span", { class: "bad" }, "✕ broken");
  if (member.broke_constraint === false) return html("span", { class: "good" }, "✓ kept");
  if (!view.target.feasible) return html("span", { class: "bad" }, "✕ predicted broken");
  return "not checked";
}

function compare(a, b, direction) {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  return direction * (a < b ? -1 : a > b ? 1 : 0);
}

function membersTable(view) {
  const columns = memberColumns(view);
  let [by, direction] = [columns.find((column) => column.key === "predicted"), 1];
  const rows = new Map(
    view.members.map((m) => [
      m.id,
      html(
        "tr",
        { "data-id": m.id, onclick: () => view.select(m.id) },
        columns.map((column) =>
          column.key === "id"
            ? html(
                "th",
                { scope: "row" },
                html(
                  "button",
                  {
                    type: "button",
                    class: "pick",
                    "aria-pressed": "false",
                    "aria-label": `Show network ${m.id}`,
                  },
                  String(m.id),
                ),
              )
            : html("td", { class: column.words ? "words" : null }, column.text(m)),
        ),
      ),
    ]),
  );
  const body = html("tbody");
  const heads = columns.map((column) =>
    html(
      "th",
      { scope: "col", class: column.words ? "words" : null },
      html(
        "button",
        {
          type: "button",
          class: "sort",
          onclick: () => {
            direction = by === column ? -direction : column.largest ? -1 : 1;
            by = column;
            arrange();
          },
        },
        column.title,
        html("span", { class: "arrow", "aria-hidden": "true" }),
      ),
    ),
  );
  const arrange = () => {
    const ordered = [...view.members].sort((a, b) => compare(by.value(a), by.value(b), direction));
    body.append(...ordered.map((m) => rows.get(m.id)));
    columns.forEach((column, i) => {
      if (column === by) heads[i].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else heads[i].removeAttribute("aria-sort");
    });
  };
  arrange();
  const title = view.target.feasible ? "The front, network by network" : "The closest network";
  const table = html(
    "table",
    { class: "members" },
    html("caption", { class: "hidden-text" }, `${title}: ${view.target.name}`),
    html("thead", {}, html("tr", {}, heads)),
    body,
  );
  const element = html(
    "section",
    { class: "card" },
    html("h3", {}, title),
    html(
      "div",
      { class: "scroll", role: "region", tabindex: 0, "aria-label": "Table of networks, scrolls sideways" },
      table,
    ),
  );
  const show = (id) => {
    for (const [key, row] of rows) {
      row.classList.toggle("selected", key === id);
      row.querySelector(".pick").setAttribute("aria-pressed", String(key === id));
    }
  };
  return { element, show };
}
