// Several studies beside each other: a table, and for each target the fronts and the hypervolumes with their spread.

const data = JSON.parse(byName("data").textContent);
const sharePercent = (v) => plainNumber(100 * v) + NARROW + "%";

function figuresTable() {
  const head = [
    "Target",
    "Studies",
    "Seeds",
    "Evaluations",
    "Hypervolume",
    "Lowest",
    "Highest",
    "Verified",
    "Search accuracy",
  ];
  const share = (v) => (v === null ? "–" : percent(v, 2));
  return html(
    "section",
    { class: "card" },
    html("h3", {}, "Hypervolume at the end"),
    html(
      "p",
      { class: "small" },
      "Share of the box between no error at no latency, and 100 % error at the largest reference latency of all studies; " +
        "the median over seeds. Search accuracy is that of the most accurate member on the search split. Verified is the hypervolume of the tested and, where possible, measured fronts.",
    ),
    html(
      "div",
      { class: "scroll", role: "region", tabindex: 0, "aria-label": "Hypervolumes, scrolls sideways" },
      html(
        "table",
        { class: "plain" },
        html("caption", { class: "hidden-text" }, "Hypervolume of every group of studies on every target"),
        html(
          "thead",
          {},
          html(
            "tr",
            {},
            head.map((text, i) => html("th", { scope: "col", class: i === 1 ? "words" : null }, text)),
          ),
        ),
        html(
          "tbody",
          {},
          data.figures.map((f) =>
            html(
              "tr",
              {},
              html("th", { scope: "row" }, f.target),
              html("td", { class: "words" }, f.group),
              html("td", {}, whole(f.studies)),
              html("td", {}, whole(f.evaluations)),
              [f.median, f.lowest, f.highest, f.verified_median].map((v) => html("td", {}, share(v))),
              html("td", {}, percent(f.search_accuracy, 2)),
            ),
          ),
        ),
      ),
    ),
  );
}

function frontsOf(target) {
  const seconds = target.groups.flatMap((g) => g.fronts.flatMap((f) => f.points.map((p) => p[0])));
  if (!seconds.length)
    return figure(
      "Fronts",
      null,
      html("p", { class: "empty" }, "No network keeps this target's constraints."),
    );
  const unit = latencyUnit(seconds);
  const unverified = target.groups.flatMap((g) => g.fronts.filter((f) => !f.verified).map((f) => f.label));
  return lineChart({
    title: "Fronts",
    note: unverified.length
      ? `One line a study. Not verified, so as predicted and on the search split: ${list(unverified)}.`
      : "One line a study, of tested accuracy and of measured latency where the target can be measured.",
    label: `Fronts of ${plural(target.groups.length, "group")} of studies on ${target.name}.`,
    series: target.groups.flatMap((g, i) =>
      g.fronts.map((f, k) => ({
        series: i,
        text: k ? null : g.group,
        step: true,
        dots: true,
        points: f.points.map(([s, accuracy]) => [s / unit.seconds, accuracy]),
      })),
    ),
    xScale: latencyScale,
    xLabel: `latency, ${unit.name}`,
    yLabel: "accuracy",
    yFormat: sharePercent,
  });
}

function hypervolumesOf(target) {
  const ends = target.groups.map((g) => `${g.group} ${percent(g.median.at(-1), 2)}`);
  const several = target.groups.some((g) => g.studies > 1);
  return lineChart({
    title: "Hypervolume",
    note: several ? "The median over seeds; the band goes from the lowest to the highest." : null,
    label: `Hypervolume on ${target.name} in the end: ${list(ends)}.`,
    series: target.groups.map((g, i) => ({
      series: i,
      text: g.group,
      step: true,
      points: g.counts.map((count, k) => [count, g.median[k]]),
      band: g.studies > 1 ? g.counts.map((count, k) => [count, g.lowest[k], g.highest[k]]) : null,
    })),
    xLabel: "evaluations",
    yLabel: "hypervolume",
    yFormat: sharePercent,
  });
}

theme();
byName("title").textContent = "Comparison";
byName("lead").textContent =
  `${plural(data.studies.length, "study", "studies")} on ${plural(data.targets.length, "common target")}: ` +
  `${list(data.studies.map((s) => `${s.label} (seed ${s.seed}, ${plural(s.evaluations, "evaluation")})`))}.`;
byName("figures").append(figuresTable());
byName("targets").append(
  ...data.targets.flatMap((target) => [
    html("h2", {}, target.name),
    html("div", { class: "pair" }, frontsOf(target), hypervolumesOf(target)),
  ]),
);
