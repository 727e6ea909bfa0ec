// From a latency limit and how surely it is to be kept to the network to ship, and the command that exports it.

function copyButton(code) {
  const button = html(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        const range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        const written = navigator.clipboard
          ? navigator.clipboard.writeText(code.textContent)
          : Promise.reject();
        written.then(
          () => (button.textContent = "Copied"),
          () => (button.textContent = "Selected, now copy"),
        );
      },
    },
    "Copy",
  );
  return button;
}

function shipControl(view) {
  const { members, target, unit, study } = view;
  if (!members.length || !target.feasible) return null;
  const { confidences } = view;
  let level = 0;
  const within = (m) => m.latency_bounds_s[level];
  const seconds = members.map(latencyOf).sort((a, b) => a - b);
  const start = target.latency_limit_s || seconds.at(-1);
  const round = (value) => Number(value.toPrecision(3));
  const up = (value) => (round(value) < value ? round(value * 1.005) : round(value));
  const first = target.latency_limit_s
    ? Number((start / unit.seconds).toPrecision(6))
    : up(start / unit.seconds);
  const [least, most] = [
    round((seconds[0] * 0.8) / unit.seconds),
    round((Math.max(seconds.at(-1), start) * 1.1) / unit.seconds),
  ];
  const step = 10 ** Math.floor(Math.log10((most - least) / 100));
  const exact = html("input", { type: "number", id: "ship-limit", min: 0, step: "any", value: first });
  const slider = html("input", {
    type: "range",
    min: least,
    max: most,
    step,
    value: start / unit.seconds,
    "aria-label": `Latency limit in ${unit.name}`,
  });
  const answer = html("div", { class: "answer", role: "status" });
  const surely = html(
    "select",
    {
      id: "ship-confidence",
      onchange: () => {
        level = surely.selectedIndex;
        update(exact.value);
      },
    },
    confidences.map((c) =>
      html("option", { value: c }, c === 0.5 ? "as a rule (50\u202f%)" : `in ${100 * c}${NARROW}% of cases`),
    ),
  );
  const pick = (limit) =>
    members
      .filter((m) => within(m) <= limit * (1 + 1e-9))
      .sort((a, b) => accuracyOf(view, b) - accuracyOf(view, a) || latencyOf(a) - latencyOf(b))[0];
  const update = (value) => {
    const limit = Number(value) * unit.seconds;
    const chosen = limit > 0 ? pick(limit) : null;
    if (!chosen) {
      answer.replaceChildren(
        html(
          "p",
          {},
          `No network on this front is that fast. The fastest takes ${latency(Math.min(...members.map(within)), unit)}${level ? ` in ${100 * confidences[level]}${NARROW}% of cases` : ""}.`,
        ),
      );
      return;
    }
    const milliseconds = Number((limit * 1e3).toPrecision(6));
    const code = html(
      "code",
      {},
      `nas export ${shellQuote(study.path)} --target ${shellQuote(target.name)} --latency-ms ${milliseconds}${level ? ` --confidence ${confidences[level]}` : ""}`,
    );
    const [low, high] = wilson(
      accuracyOf(view, chosen),
      isTested(view) ? view.testImages : view.searchImages,
    );
    const basis =
      chosen.measured_s === null
        ? "The latency is predicted, so the confidence is the predictor’s own; measure the network on the device before you rely on it."
        : `Measured here: half of the timed runs took less${level ? `, ${100 * confidences[level]}${NARROW}% at most ${latency(within(chosen), unit)}` : ""}. Predicted were ${latency(chosen.predicted_s, unit)}.`;
    answer.replaceChildren(
      html(
        "p",
        {},
        "Ship ",
        html(
          "button",
          { type: "button", class: "link", onclick: () => view.select(chosen.id) },
          `network ${chosen.id}`,
        ),
        `: ${percent(accuracyOf(view, chosen), view.testDecimals)} ${isTested(view) ? "test" : "search"} accuracy at `,
        `${latency(latencyOf(chosen), unit)} ${kindOf(chosen)}.`,
      ),
      html(
        "p",
        { class: "small" },
        `The accuracy lies between ${percent(low, view.testDecimals)} and ${percent(high, view.testDecimals)} with 95${NARROW}% confidence, from the number of images. ${basis}`,
      ),
      html("div", { class: "command" }, code, copyButton(code)),
    );
  };
  exact.addEventListener("input", () => {
    slider.value = exact.value;
    update(exact.value);
  });
  slider.addEventListener("input", () => {
    exact.value = round(Number(slider.value));
    update(exact.value);
  });
  update(exact.value);
  const element = html(
    "section",
    { class: "card ship" },
    html("h3", {}, "What do I ship?"),
    html(
      "div",
      { class: "ship-row" },
      html("label", { for: "ship-limit" }, "An inference may take at most"),
      html("span", { class: "entry" }, exact, html("span", {}, unit.name)),
      slider,
      html("span", { class: "entry" }, html("label", { for: "ship-confidence" }, "and keep that"), surely),
    ),
    answer,
  );
  return { element, first: (pick(start) || members[0]).id };
}
