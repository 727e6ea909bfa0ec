// What the pointer meets on the front's chart: the nearest network, its tooltip, and selecting it.

// The index of the evaluation under the pointer, members first; -1 where there is none.
function evaluationAt(view, { x, y }, px, py) {
  const { latency_s: seconds } = view.target;
  const { accuracy } = view.evaluations;
  const square = (i) => (x(seconds[i]) - px) ** 2 + (y(accuracy[i]) - py) ** 2;
  let [best, distance] = [-1, 15 ** 2];
  for (const m of view.members) {
    const i = view.position.get(m.id);
    if (square(i) < distance) [best, distance] = [i, square(i)];
  }
  if (best >= 0) return best;
  distance = 10 ** 2;
  for (let i = 0; i < seconds.length; i++) if (square(i) < distance) [best, distance] = [i, square(i)];
  return best;
}

function tooltipText(view, i) {
  const id = view.evaluations.id[i];
  const member = view.byId.get(id);
  const baseline = view.target.baselines.find((b) => b.id === id);
  const lines = [`${percent(view.evaluations.accuracy[i], view.decimals)} on the search split`];
  lines.push(`${latency(view.target.latency_s[i], view.unit)} predicted`);
  if (member && member.measured_s) lines.push(`${latency(member.measured_s, view.unit)} measured`);
  lines.push(`${count(view.evaluations.params[i])} params, ${count(view.evaluations.macs[i])} MACs`);
  if (member) lines.push(architectureWords(member.drawing));
  if (view.target.violation[i] > 0) lines.push("breaks a constraint");
  return [
    html("strong", {}, `Network ${id}${baseline ? `, the ${baseline.name}` : ""}`),
    lines.map((line) => html("span", {}, line)),
  ];
}

// Beside the point, on the side that has room.
function placeTooltip(tooltip, px, py, width) {
  const left = px + 14 + tooltip.offsetWidth > width ? px - 14 - tooltip.offsetWidth : px + 14;
  tooltip.style.left = `${Math.max(0, left)}px`;
  tooltip.style.top = `${Math.max(0, py - tooltip.offsetHeight / 2)}px`;
}

function attachPointer(layer, tooltip, view, frame) {
  const under = (event) => {
    const box = layer.getBoundingClientRect();
    return evaluationAt(view, frame, event.clientX - box.left, event.clientY - box.top);
  };
  layer.addEventListener("pointermove", (event) => {
    const i = under(event);
    tooltip.hidden = i < 0;
    layer.classList.toggle("pointing", i >= 0);
    if (i < 0) return;
    tooltip.replaceChildren();
    fill(tooltip, {}, tooltipText(view, i));
    placeTooltip(
      tooltip,
      frame.x(view.target.latency_s[i]),
      frame.y(view.evaluations.accuracy[i]),
      frame.width,
    );
  });
  layer.addEventListener("pointerleave", () => (tooltip.hidden = true));
  layer.addEventListener("click", (event) => {
    const i = under(event);
    if (i < 0) return;
    const id = view.evaluations.id[i];
    if (event.shiftKey) view.pin(id);
    else view.select(id);
  });
}
