// Puts the page together: heading, tabs, the panel of the chosen target, and the study's provenance.

const data = JSON.parse(document.getElementById("data").textContent);
const { study, dataset, evaluations } = data;
const failed = data.history ? data.history.failures.reduce((sum, f) => sum + f.count, 0) : 0;
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
    confidences: data.confidences,
    selected: null,
    pinned: null,
    select: () => {},
    pin: () => {},
    byId: new Map(members.map((m) => [m.id, m])),
    unit: latencyUnit(members.length ? members.map((m) => m.predicted_s) : target.latency_s),
    decimals: decimalsFor(dataset.search_images),
    testDecimals: decimalsFor(dataset.test_images),
    searchImages: dataset.search_images,
    testImages: dataset.test_images,
  };
});

function heading() {
  byName("title").textContent = study.name;
  const kept = `kept ${data.targets.length === 1 ? "the front of one target" : `a front for each of ${data.targets.length} targets`}`;
  const without = failed
    ? ` ${plural(failed, "evaluation")} failed and ${failed === 1 ? "is" : "are"} left out.`
    : "";
  byName("lead").textContent =
    `On ${dataset.name} (${plural(dataset.classes, "class", "classes")}), the search evaluated ` +
    `${evaluations.id.length ? `${plural(evaluations.id.length, "network")} and ${kept}` : "no network yet"}. Test accuracy comes from ${plural(dataset.test_images, "image")} ` +
    `that neither training nor the search ever saw.${without}`;
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
  const [front, prediction, network, ship, comparison, roofline, time] = [
    frontChart(view),
    predictionChart(view),
    networkCard(view),
    shipControl(view),
    comparisonCard(view),
    rooflineChart(view),
    timeCard(view),
  ];
  const table = view.members.length ? membersTable(view) : null;
  view.select = (id) => {
    view.selected = id;
    for (const part of [front, prediction, network, table, comparison, roofline, time])
      if (part) part.show(id);
  };
  view.pin = (id) => {
    view.pinned = id;
    view.select(view.selected);
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
    comparison.element,
    ...(table ? [table.element] : []),
    html("div", { class: "pair" }, prediction.element, hypervolumeChart(view)),
    ...(roofline ? [html("div", { class: "pair" }, roofline.element, time.element)] : []),
  );
  if (view.selected === null && view.members.length) view.selected = ship ? ship.first : view.members[0].id;
  view.select(view.selected);
}

function go(index) {
  const at = (index + views.length) % views.length;
  showTarget(at);
  byName(`tab-${at}`).focus();
  try {
    history.replaceState(null, "", "#" + encodeURIComponent(views[at].target.name));
  } catch {
    /* a page opened from some archives may not */
  }
}

// From the chart of all targets to one of them with a network selected.
function openNetwork(index, id) {
  views[index].selected = id;
  go(index);
}

function tabs() {
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

theme();
heading();
tabs();
const together = overlayChart(views, openNetwork);
if (together) byName("all").append(html("h2", {}, "All targets"), together);
byName("history").append(...historySection(views, data.history, data.training, data.rollbacks));
const exported = exportedSection(data.exported);
if (exported) byName("exported").append(exported);
byName("study").append(
  html("h2", {}, "The study"),
  html(
    "div",
    { class: "pair" },
    study.stages.length ? durations(study) : null,
    provenance(study, dataset, data.targets),
  ),
);
