// What is known of the selected network, and pinning it for comparison.

function facts(pairs) {
  return html(
    "dl",
    { class: "facts" },
    pairs
      .filter((pair) => pair[1] !== null)
      .map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value))),
  );
}

function networkCard(view) {
  const element = html("section", {
    class: "card network",
    "aria-label": "Selected network",
  });
  const show = (id) => {
    element.replaceChildren();
    if (id === null) return;
    const i = view.position.get(id);
    const m = view.byId.get(id);
    const { evaluations, target, unit } = view;
    const role = m
      ? target.feasible
        ? "on the front"
        : "the closest"
      : target.violation[i] > 0
        ? "breaks a constraint"
        : "not on the front";
    const shared = [
      ["Search accuracy", percent(evaluations.accuracy[i], view.decimals)],
      ["Predicted latency", latency(target.latency_s[i], unit)],
    ];
    const size = [
      ["Parameters", whole(evaluations.params[i])],
      ["MACs", whole(evaluations.macs[i])],
    ];
    const pinned = view.pinned === id;
    const pin = html(
      "button",
      {
        type: "button",
        class: "quiet",
        "aria-pressed": String(pinned),
        onclick: () => view.pin(pinned ? null : id),
      },
      pinned ? "Unpin" : "Pin to compare",
    );
    fill(element, {}, [
      html("div", { class: "card-head" }, html("h3", {}, `Network ${id}`), pin),
      html("p", { class: "small" }, `${m ? `${m.name}, ` : ""}${role}, evaluated as number ${whole(i + 1)}`),
      pinned && html("p", { class: "small" }, "Pinned: select another network to see the two side by side."),
    ]);
    if (m) {
      fill(element, {}, [
        facts([
          [
            "Test accuracy",
            m.test_accuracy === null ? "not tested" : percent(m.test_accuracy, view.testDecimals),
          ],
          ...shared,
          ["Interval", `${latency(m.interval_low_s, unit)} to ${latency(m.interval_high_s, unit)}`],
          [
            "Measured latency",
            m.measured_s === null
              ? "not measured"
              : latency(m.measured_s, unit) + (m.noisy ? " (noisy)" : ""),
          ],
          ...size,
          ["Peak activations", bytes(m.peak_activation_bytes)],
          ...Object.entries(m.drawing.facts).map(([k, v]) => [words(k), v]),
        ]),
        html("h4", {}, "Blocks"),
        drawBlocks(m.drawing),
      ]);
    } else {
      const taken = view.decisions.map((d, k) => [d.name, String(d.options[evaluations.genotype[i][k]])]);
      fill(element, {}, [
        facts([...shared, ...size]),
        html("h4", {}, "Decisions"),
        html(
          "div",
          { class: "decisions", tabindex: 0, role: "region", "aria-label": "Decisions" },
          facts(taken),
        ),
      ]);
    }
  };
  return { element, show };
}
