// Puts the page together: heading, tabs, the panel of the chosen target, and the study's provenance.

const data = JSON.parse(document.getElementById("data").textContent);
const { study, dataset, evaluations } = data;
const byName = (id) => document.getElementById(id);
const position = new Map(evaluations.id.map((id, i) => [id, i]));

const views = data.targets.map((target) => {
  const members = [...target.front].sort((a, b) => a.predicted_s - b.predicted_s);
  if (target.closest) members.push(target.closest);
  return {
    target,
    members,
    study,
    evaluations,
    position,
    decisions: data.decisions,
    selected: null,
    select: () => {},
    byId: new Map(members.map((m) => [m.id, m])),
    unit: latencyUnit(members.length ? members.map((m) => m.predicted_s) : target.latency_s),
    decimals: decimalsFor(dataset.search_images),
    testDecimals: decimalsFor(dataset.test_images),
  };
});

function heading() {
  byName("title").textContent = study.name;
  const kept = `kept ${data.targets.length === 1 ? "the front of one target" : `a front for each of ${data.targets.length} targets`}`;
  const failed = study.failed
    ? ` ${plural(study.failed, "evaluation")} failed and ${study.failed === 1 ? "is" : "are"} left out.`
    : "";
  byName("lead").textContent =
    `On ${dataset.name} (${plural(dataset.classes, "class", "classes")}), the search evaluated ` +
    `${evaluations.id.length ? `${plural(evaluations.id.length, "network")} and ${kept}` : "no network yet"}. Test accuracy comes from ${plural(dataset.test_images, "image")} ` +
    `that neither training nor the search ever saw.${failed}`;
}

function showTarget(index) {
  const view = views[index];
  const { target } = view;
  views.forEach((_, i) => {
    const tab = byName(`tab-${i}`);
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  const panel = byName("panel");
  panel.setAttribute("aria-labelledby", `tab-${index}`);
  const [front, prediction, network, ship] = [
    frontChart(view),
    predictionChart(view),
    networkCard(view),
    shipControl(view),
  ];
  const table = view.members.length ? membersTable(view) : null;
  view.select = (id) => {
    view.selected = id;
    for (const part of [front, prediction, network, table]) if (part) part.show(id);
  };
  const words_of_target = summary(view);
  panel.replaceChildren(
    html(
      "header",
      { class: "target-head" },
      html("h2", {}, target.name, " ", badge(state(view))),
      html("p", { class: "small" }, describeTarget(target)),
      target.constraints.length
        ? html(
            "ul",
            { class: "chips", "aria-label": "Constraints" },
            target.constraints.map((text) => html("li", {}, text)),
          )
        : null,
      words_of_target && html("p", { class: "summary" }, words_of_target),
    ),
    ...notices(view),
    ...(view.members.length ? [audit(view)] : []),
    html(
      "div",
      { class: view.members.length ? "beside" : null },
      html("div", { class: "stack" }, front.element, ship ? ship.element : null),
      view.members.length ? network.element : null,
    ),
    ...(table ? [table.element] : []),
    html("div", { class: "pair" }, prediction.element, hypervolumeChart(view)),
  );
  if (view.selected === null && view.members.length) view.selected = ship ? ship.first : view.members[0].id;
  view.select(view.selected);
}

function tabs() {
  const go = (index) => {
    const at = (index + views.length) % views.length;
    showTarget(at);
    byName(`tab-${at}`).focus();
    try {
      history.replaceState(null, "", "#" + encodeURIComponent(views[at].target.name));
    } catch {
      /* a page opened from some archives may not */
    }
  };
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  byName("tabs").append(
    ...views.map((view, i) =>
      html(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${i}`,
          "aria-controls": "panel",
          onclick: () => go(i),
          onkeydown: (event) => {
            if (event.key in steps) go(i + steps[event.key]);
            else if (event.key === "Home") go(0);
            else if (event.key === "End") go(views.length - 1);
            else return;
            event.preventDefault();
          },
        },
        html(
          "span",
          { class: "tab-head" },
          html("span", { class: "tab-name", title: view.target.name }, view.target.name),
          badge(state(view)),
        ),
        html("span", { class: "tab-span" }, span(view) || "no network yet"),
      ),
    ),
  );
  let named = 0;
  try {
    named = views.findIndex((view) => view.target.name === decodeURIComponent(location.hash.slice(1)));
  } catch {
    /* a hash that is not ours */
  }
  showTarget(Math.max(0, named));
}

function durations() {
  const longest = Math.max(...study.stages.map((stage) => stage.duration_s), 1e-9);
  const total = study.stages.reduce((sum, stage) => sum + stage.duration_s, 0);
  return html(
    "section",
    { class: "card" },
    html("h3", {}, `Where the time went: ${duration(total)}`),
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
  );
}

function provenance() {
  const seeds = Object.entries(study.seeds).map(([name, value]) => `${name} ${value}`);
  const versions = Object.entries(study.versions).map(([name, value]) => [name, value]);
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

function theme() {
  const order = ["system", "light", "dark"];
  const button = byName("theme");
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
    redrawAll();
  };
  let kept = null;
  try {
    kept = localStorage.getItem("ridgeline-theme");
  } catch {
    /* storage may be off for files */
  }
  if (order.includes(kept)) set(kept);
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    set(next);
    try {
      localStorage.setItem("ridgeline-theme", next);
    } catch {
      /* the choice then lasts for this page */
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
}

theme();
heading();
tabs();
const charts = trainingCharts(data.training);
byName("study").append(
  html("h2", {}, "The study"),
  ...(charts.length ? [html("div", { class: "pair" }, charts)] : []),
  html("div", { class: "pair" }, study.stages.length ? durations() : null, provenance()),
);
