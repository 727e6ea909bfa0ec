// What one target's panel says in words: the summary, notices, and how the predictor held.

const latencyOf = (m) => (m.measured_s === null ? m.predicted_s : m.measured_s);
// Test and search accuracies are never ranked against each other: until all members are tested, search accuracy counts.
const isTested = (view) => view.members.every((m) => m.test_accuracy !== null);
const accuracyOf = (view, m) => (isTested(view) ? m.test_accuracy : m.search_accuracy);
const kindOf = (m) => (m.measured_s === null ? "predicted" : "measured");

function describeTarget(target) {
  const parts = [
    target.device,
    ...(target.runtime ? [target.runtime] : []),
    target.dtype,
    `batch ${target.batch_size}`,
  ];
  if (target.threads) parts.push(plural(target.threads, "thread"));
  return parts.join(" · ");
}

function span(view) {
  const { members, unit } = view;
  if (!members.length) return null;
  const fastest = members.reduce((a, b) => (latencyOf(b) < latencyOf(a) ? b : a));
  const best = members.reduce((a, b) => (accuracyOf(view, b) > accuracyOf(view, a) ? b : a));
  const say = (m) => `${percent(accuracyOf(view, m), view.testDecimals)} at ${latency(latencyOf(m), unit)}`;
  return fastest === best ? say(best) : `${say(fastest)} to ${say(best)}`;
}

function state(view) {
  const { target, members } = view;
  if (!members.length) return { word: "nothing yet", kind: "plain" };
  if (!target.feasible) return { word: "limit not met", kind: "bad" };
  const measured = members.filter((m) => m.measured_s !== null).length;
  if (!target.measurable) return { word: "predicted only", kind: "caution" };
  if (!measured) return { word: "not measured yet", kind: "caution" };
  return { word: measured < members.length ? "partly measured" : "measured", kind: "good" };
}

const badge = ({ word, kind }) => html("span", { class: `badge ${kind}` }, word);

function summary(view) {
  const { target, members } = view;
  if (!members.length) return "The search has not evaluated any network for this target yet.";
  if (!target.feasible) return null;
  const measured = members.filter((m) => m.measured_s !== null).length;
  const basis = `${isTested(view) ? "test" : "search"} accuracy, ${measured ? "measured" : "predicted"} latency${measured && measured < members.length ? " where there is one" : ""}`;
  const lead =
    members.length === 1
      ? "One network makes up the front"
      : `${whole(members.length)} networks make up the front`;
  return `${lead}: ${span(view)} (${basis}).${baselineWords(view)}`;
}

function baselineWords(view) {
  const { target, evaluations, position } = view;
  const parts = target.baselines.map((b) => {
    const i = position.get(b.id);
    const tested = b.test_accuracy !== null;
    const accuracy = tested
      ? `${percent(b.test_accuracy, view.testDecimals)} test`
      : `${percent(evaluations.accuracy[i], view.decimals)} search`;
    const seconds =
      b.measured_s === null
        ? `${latency(target.latency_s[i], view.unit)} predicted`
        : `${latency(b.measured_s, view.unit)} measured`;
    return `the ${b.name} network, ${accuracy} accuracy at ${seconds}`;
  });
  return parts.length ? ` For comparison: ${parts.join("; ")}.` : "";
}

function notices(view) {
  const { target, members, study } = view;
  const notes = [];
  if (!target.feasible && target.closest) {
    const m = target.closest;
    const over =
      target.latency_limit_s && latencyOf(m) > target.latency_limit_s
        ? `, ${significant(latencyOf(m) / target.latency_limit_s, 2)} times the limit of ${plainLatency(target.latency_limit_s, view.unit)}`
        : "";
    const what = target.constraints.length
      ? `the constraints (${list(target.constraints)})`
      : "the constraints";
    notes.push([
      "bad",
      `No evaluated network met ${what}. Shown instead is the closest, network ${m.id}: ` +
        `${latency(latencyOf(m), view.unit)} ${kindOf(m)}${over}, ${count(m.params)} parameters. ` +
        "Loosen the constraint, or widen the space towards smaller networks.",
    ]);
  }
  if (!target.measurable) {
    const source = target.adaptation_samples
      ? `a predictor adapted on ${plural(target.adaptation_samples, "measured network")}`
      : "the device's datasheet";
    notes.push([
      "caution",
      `Predicted only. This target cannot be measured from the machine that ran the study: its latencies come from ${source}. ` +
        "Measure the network that you choose on the device before you rely on them.",
    ]);
  } else if (members.length) {
    const missing = members.filter((m) => m.measured_s === null).length;
    if (missing === members.length) {
      notes.push([
        "caution",
        `No network of this front has been measured yet. To measure them, run: nas verify ${shellQuote(study.path)}`,
      ]);
    } else if (missing)
      notes.push([
        "caution",
        `${whole(missing)} of ${plural(members.length, "network")} ${missing === 1 ? "has" : "have"} no measurement; the latency shown is a prediction.`,
      ]);
    const noisy = members.filter((m) => m.noisy).length;
    if (noisy)
      notes.push([
        "caution",
        `${plural(noisy, "measurement")} ${noisy === 1 ? "was" : "were"} noisy: the machine was busy or changed its clock.`,
      ]);
  }
  return notes.map(([kind, text]) => html("p", { class: `notice ${kind}` }, text));
}

function audit(view) {
  const { target } = view;
  const figures = [];
  const source = target.adaptation_samples
    ? `adapted on ${plural(target.adaptation_samples, "measurement")}`
    : "from the datasheet alone";
  figures.push(["Predictor", target.adaptation_samples ? "few-shot" : "zero-shot", source]);
  const a = target.audit;
  if (!a)
    figures.push([
      "Audit",
      "none",
      target.measurable
        ? "nothing has been measured yet"
        : "predicted only: nothing here can be measured on this target",
    ]);
  if (a && a.members_measured) {
    const share = (value) => (value === null ? "–" : Math.round(100 * value) + NARROW + "%");
    figures.push([
      "Typical error",
      a.median_relative_error === null ? "–" : percent(a.median_relative_error),
      "median, predicted against measured",
    ]);
    figures.push([
      "Ranking",
      a.kendall === null ? "–" : a.kendall.toFixed(2),
      `Kendall’s τ, 1 is a perfect order${a.spearman === null ? "" : `; Spearman’s ρ ${a.spearman.toFixed(2)}`}`,
    ]);
    figures.push([
      "Interval held",
      share(a.coverage),
      `of measurements inside it, aimed at ${share(target.interval_level)}`,
    ]);
    if (target.constraints.length) {
      figures.push([
        "Broke a constraint",
        `${a.members_violating} of ${a.members_measured}`,
        "networks, when measured",
      ]);
    }
  }
  return html(
    "dl",
    { class: "figures" },
    figures.map(([name, value, note]) =>
      html(
        "div",
        {},
        html("dt", {}, name),
        html("dd", { class: "value" }, value),
        html("dd", { class: "small" }, note),
      ),
    ),
  );
}
