// How the search went: hypervolume of all targets, what the workers did, what failed, how well the surrogate knew.

function hypervolumesChart(views, history) {
  const drawn = views.filter((view) => view.target.hypervolume.length && view.target.reference);
  if (!drawn.length) return null;
  let timed = false;
  const elapsed = history ? history.elapsed_s : [];
  const [factor, unit] = timeUnit(elapsed.length ? Math.max(...elapsed) : 0);
  const series = () =>
    drawn.map((view, i) => {
      const box = view.target.reference[0] * view.target.reference[1];
      return {
        series: i,
        text: view.target.name,
        step: true,
        points: view.target.hypervolume.map(([done, value]) => [
          timed ? elapsed[Math.min(done, elapsed.length) - 1] / factor : done,
          value / box,
        ]),
      };
    });
  const ends = drawn.map((view) => {
    const box = view.target.reference[0] * view.target.reference[1];
    return `${view.target.name} ${percent(view.target.hypervolume.at(-1)[1] / box)}`;
  });
  const controls = (redraw) => {
    if (!elapsed.length) return null;
    const button = html(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-pressed": "false",
        onclick: () => {
          timed = !timed;
          button.setAttribute("aria-pressed", String(timed));
          redraw();
        },
      },
      "Over wall time",
    );
    return html("div", { class: "over-plot" }, button);
  };
  return lineChart({
    title: "Hypervolume of every target",
    note: "As a share of the box between no error at no latency, and the largest network's latency at 100 % error. More is better.",
    label: `Hypervolume in the end: ${list(ends)}.`,
    series,
    xLabel: () => (timed ? `time, ${unit}` : "evaluations"),
    yLabel: "hypervolume",
    yFormat: sharePercent,
    controls,
  });
}

const timeUnit = (seconds) =>
  seconds > 7200 ? [3600, "hours"] : seconds > 180 ? [60, "minutes"] : [1, "seconds"];

const WORKERS_SHOWN = 24;

function workersChart(history) {
  if (!history.workers.length) return null;
  const shown = history.workers.slice(0, WORKERS_SHOWN);
  const end = history.bin_s * shown[0].busy.length;
  const [factor, unit] = timeUnit(end);
  const holder = html("div", { class: "plot" });
  const label = `${plural(history.workers.length, "worker")}, busy ${percent(history.utilisation, 0)} of the time.`;
  responsive(holder, (width) => {
    const [row, left] = [Math.max(8, Math.min(22, 260 / shown.length)), Math.min(130, width * 0.3)];
    const height = 26 + row * shown.length + 44;
    const margin = { left, right: 16, top: 26, bottom: 44 };
    const x = linearScale([0, end / factor], [left, width - 16]);
    const y = linearScale([0, shown.length], [26, height - 44]);
    y.ticks = () => [];
    const size = (width - 16 - left) / shown[0].busy.length;
    holder.replaceChildren(
      svg(
        "svg",
        { width, height, role: "img", "aria-label": label },
        axes({ x, y, width, height, margin, xLabel: `time, ${unit}`, yLabel: "worker" }),
        shown.map((worker, i) => [
          row >= 11 &&
            svg(
              "text",
              { x: left - 8, y: y(i + 0.5), dy: "0.32em", "text-anchor": "end" },
              shortened(worker.name, left / 7),
            ),
          worker.busy.map(
            (share, k) =>
              share > 0 &&
              svg("rect", {
                class: "busy",
                x: left + k * size,
                y: y(i) + 1,
                width: size + 0.3,
                height: row - 2,
                "fill-opacity": 0.15 + 0.85 * share,
              }),
          ),
        ]),
      ),
    );
  });
  const more = history.workers.length - shown.length;
  const notes = [
    `Busy ${percent(history.utilisation, 0)} of the time between a worker’s first and last evaluation.`,
  ];
  if (more) notes.push(`${plural(more, "worker")} more ${more === 1 ? "is" : "are"} not drawn.`);
  if (history.paused_s > 0) notes.push(`Pauses of ${duration(history.paused_s)} in all are left out.`);
  return figure("What the workers did", notes.join(" "), holder);
}

const shortened = (text, letters) => (text.length <= letters ? text : "…" + text.slice(1 - letters));

function failuresCard(history) {
  const { failures, retries } = history;
  const failed = failures.reduce((sum, failure) => sum + failure.count, 0);
  const lead = failed
    ? `${plural(failed, "evaluation")} failed for good and ${failed === 1 ? "is" : "are"} in no figure.`
    : "No evaluation failed for good.";
  return html(
    "section",
    { class: "card" },
    html("h3", {}, "Failures"),
    html(
      "p",
      { class: "small" },
      `${lead} ${retries ? `Attempts were repeated ${plural(retries, "time")}.` : "None had to be repeated."}`,
    ),
    failures.length > 0 &&
      html(
        "table",
        { class: "plain" },
        html("caption", { class: "hidden-text" }, "Failed evaluations by reason"),
        html(
          "thead",
          {},
          html("tr", {}, html("th", { scope: "col" }, "Reason"), html("th", { scope: "col" }, "Evaluations")),
        ),
        html(
          "tbody",
          {},
          failures.map((f) =>
            html("tr", {}, html("th", { scope: "row" }, f.error), html("td", {}, whole(f.count))),
          ),
        ),
      ),
  );
}

// Two charts: the error is a matter of points, the correlation one of tenths.
function surrogateCharts(history) {
  const points = history ? history.surrogate : [];
  if (!points.length) return [];
  const ranked = points.filter((p) => p.spearman !== null).map((p) => [p.evaluations, p.spearman]);
  const errors = points.map((p) => [p.evaluations, p.mean_absolute_error]);
  const over = `over ${plural(points.length, "refit")}`;
  return [
    ranked.length > 0 &&
      lineChart({
        title: "Accuracy surrogate: ranking",
        note: "How well it ordered networks by accuracy before they were evaluated; 1 is a perfect order.",
        label: `Rank correlation of the surrogate ${over}; in the end ${ranked.at(-1)[1].toFixed(2)}.`,
        series: [{ series: 0, points: ranked }],
        xLabel: "evaluations",
        yLabel: "Spearman’s ρ",
      }),
    lineChart({
      title: "Accuracy surrogate: error",
      note: `How far off it was before they were evaluated, in the mean; ${percent(errors.at(-1)[1])} in the end.`,
      label: `Mean absolute error of the surrogate ${over}; in the end ${percent(errors.at(-1)[1])}.`,
      series: [{ series: 1, points: errors }],
      xLabel: "evaluations",
      yLabel: "mean absolute error",
      yFormat: sharePercent,
    }),
  ];
}

function historySection(views, history, training, rollbacks) {
  const charts = [
    hypervolumesChart(views, history),
    history && html("div", { class: "stack" }, workersChart(history), failuresCard(history)),
    ...trainingCharts(training, rollbacks),
    ...surrogateCharts(history),
  ].filter(Boolean);
  return charts.length ? [html("h2", {}, "How it went"), html("div", { class: "pair" }, charts)] : [];
}
