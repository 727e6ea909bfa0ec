// The study's provenance: how long it took and about how much energy, from what data and with which versions.

function durations(study) {
  const longest = Math.max(...study.stages.map((stage) => stage.duration_s), 1e-9);
  const total = study.stages.reduce((sum, stage) => sum + stage.duration_s, 0);
  const energy = study.energy;
  return html(
    "section",
    { class: "card" },
    html("h3", {}, `How long it took: ${duration(total)}`),
    html(
      "table",
      { class: "bars" },
      html("caption", { class: "hidden-text" }, "Duration of each stage"),
      html(
        "tbody",
        {},
        study.stages.map((stage) => {
          const bar = html("span", { class: "bar", "aria-hidden": "true" });
          bar.style.width = `${Math.max(0.5, (100 * stage.duration_s) / longest)}%`;
          return html(
            "tr",
            {},
            html("th", { scope: "row" }, stage.name),
            html("td", { class: "track" }, bar),
            html("td", {}, duration(stage.duration_s)),
          );
        }),
      ),
    ),
    energy &&
      html(
        "p",
        { class: "small below" },
        `About ${significant(energy.joules / 3600, 2)} Wh, an estimate: ${energy.basis}.`,
      ),
  );
}

function measuredIn(targets) {
  const known = targets.filter((target) => Object.keys(target.environment).length);
  if (!known.length) return null;
  return html(
    "details",
    {},
    html("summary", {}, "Where latencies were measured"),
    known.map((target) => [html("h4", {}, target.name), facts(Object.entries(target.environment))]),
  );
}

function provenance(study, dataset, targets) {
  const seeds = Object.entries(study.seeds).map(([name, value]) => `${name} ${value}`);
  const versions = Object.entries(study.versions);
  return html(
    "section",
    { class: "card" },
    html("h3", {}, "Where this comes from"),
    facts([
      ["Study", study.path],
      ["Written", study.created],
      ["Data", dataset.name],
      [
        "Images",
        `${whole(dataset.train_images)} train, ${whole(dataset.search_images)} search, ${whole(dataset.test_images)} test`,
      ],
      ["Data SHA-256", html("code", { class: "breakable" }, dataset.digest)],
      ["Seeds", seeds.length ? seeds.join(", ") : null],
    ]),
    versions.length ? html("details", {}, html("summary", {}, "Versions"), facts(versions)) : null,
    measuredIn(targets),
    study.config
      ? html(
          "details",
          {},
          html("summary", {}, "Configuration"),
          html("pre", { tabindex: 0, "aria-label": "Configuration" }, study.config),
        )
      : null,
  );
}
