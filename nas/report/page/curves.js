// Curves over the search and the training: hypervolume of one target, loss and accuracy of the supernet.

const sharePercent = (v) => plainNumber(100 * v) + NARROW + "%";

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
    series: [{ series: 0, points, step: true }],
    xLabel: "evaluations",
    yLabel: "hypervolume",
    yFormat: reference
      ? sharePercent
      : (v) => (v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential(1) : plainNumber(v)),
  });
}

const ENDS = { largest: "largest network", smallest: "smallest network" };

// The largest and the smallest network, and the fixed sample between them as one kind of line.
function trainingSeries(training) {
  const names = [...new Set(training.flatMap((point) => Object.keys(point.accuracies)))];
  const sampled = names.filter((name) => !(name in ENDS));
  const line = (name, series, text) => ({
    series,
    text,
    points: training
      .filter((point) => name in point.accuracies)
      .map((point) => [point.epoch, point.accuracies[name]]),
  });
  const between = plural(sampled.length, "network");
  return [
    ...sampled.map((name, i) => line(name, "sampled", i ? null : `${between} between them`)),
    ...Object.keys(ENDS)
      .filter((name) => names.includes(name))
      .map((name, i) => line(name, i, ENDS[name])),
  ];
}

function rollbackWords(rollbacks) {
  if (!rollbacks.length) return null;
  const each = rollbacks.map((r) => `epoch ${significant(r.epoch, 2)} with ${plainNumber(r.rate_factor)}`);
  return `Collapsed and went on from ${list(each)} times the learning rate.`;
}

function trainingCharts(training, rollbacks) {
  const charts = [];
  const marks = rollbacks.map((r) => ({ at: r.epoch, text: "rolled back" }));
  const loss = training.filter((point) => point.loss !== null).map((point) => [point.epoch, point.loss]);
  if (loss.length)
    charts.push(
      lineChart({
        title: "Supernet training: loss",
        note: rollbackWords(rollbacks),
        marks,
        label: `Loss goes from ${significant(loss[0][1])} to ${significant(loss.at(-1)[1])}.`,
        series: [{ series: 0, points: loss }],
        xLabel: "epoch",
        yLabel: "loss",
      }),
    );
  const series = trainingSeries(training);
  if (series.length) {
    const last = series
      .filter((line) => line.series !== "sampled")
      .map((line) => `${line.text} ${percent(line.points.at(-1)[1])}`);
    charts.push(
      lineChart({
        title: "Supernet training: accuracy",
        note: `On images of the search split, with the shared weights. In the end: ${list(last)}.`,
        label: `Accuracy by epoch. In the end: ${list(last)}.`,
        marks,
        series,
        xLabel: "epoch",
        yLabel: "accuracy",
        yFormat: sharePercent,
      }),
    );
  }
  return charts;
}
