// The networks that were exported, and what int8 made of them: one row a network and way of running it.

function exportedRows(exported) {
  return exported.flatMap((network) =>
    (network.runs.length ? network.runs : [null]).map((run) => ({ network, run })),
  );
}

function exportedSection(exported) {
  if (!exported.length) return null;
  const rows = exportedRows(exported);
  const times = rows.flatMap(({ run }) => (run ? [run.float32_s, run.int8_s] : []));
  const unit = latencyUnit(times);
  const share = (found) => {
    if (!found) return "–";
    const [value, low, high] = [found.value, found.low, found.high].map((part) =>
      percent(part, decimalsFor(found.images)),
    );
    return `${value} (${low} to ${high})`;
  };
  const ratio = (run) =>
    run && run.float32_s && run.int8_s ? `${significant(run.float32_s / run.int8_s)}×` : "–";
  const setting = (run) => `${run.runtime}, batch of ${run.batch_size}, ${plural(run.threads, "thread")}`;
  const columns = [
    ["Network", ({ network }) => network.name],
    ["Formats", ({ network }) => network.formats.join(", ")],
    ["Test accuracy", ({ network }) => share(network.accuracy)],
  ];
  if (times.length) {
    columns.push(
      ["In int8", ({ network }) => share(network.int8_accuracy)],
      ["Run as", ({ run }) => (run ? setting(run) : "–")],
      ["float32", ({ run }) => latency(run && run.float32_s, unit)],
      ["int8", ({ run }) => latency(run && run.int8_s, unit)],
      ["Faster by", ({ run }) => ratio(run)],
    );
  }
  return html(
    "section",
    { class: "card" },
    html("h3", {}, "Exported networks"),
    html(
      "p",
      { class: "small" },
      `With 95${NARROW}% intervals, from the number of test images. ` +
        (times.length
          ? "Accuracies beside an int8 one are of both ONNX files in ONNX Runtime; latencies of both were measured one after the other, when they were exported."
          : "None was quantised: nas export --int8 measures accuracy and latency of both."),
    ),
    html(
      "div",
      { class: "scroll", role: "region", tabindex: 0, "aria-label": "Exported networks, scrolls sideways" },
      html(
        "table",
        { class: "plain exported" },
        html("caption", { class: "hidden-text" }, "Exported networks with accuracy and latency"),
        html(
          "thead",
          {},
          html(
            "tr",
            {},
            columns.map(([title]) => html("th", { scope: "col" }, title)),
          ),
        ),
        html(
          "tbody",
          {},
          rows.map((row) =>
            html(
              "tr",
              {},
              columns.map(([, text], i) =>
                i ? html("td", {}, text(row)) : html("th", { scope: "row" }, text(row)),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}
