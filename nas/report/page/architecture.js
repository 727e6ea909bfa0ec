// A network drawn as a row of blocks. Taller blocks have larger kernels, wider ones more channels; the words say the rest.

const words = (text) => String(text).replaceAll("_", " ");

function blockChannels(block) {
  return block.expanded_channels || block.out_channels || block.head_channels || null;
}

function blockLabels(block) {
  const labels = [];
  if (block.kernel) labels.push(`${block.kernel}×${block.kernel}`);
  if (block.expanded_channels && block.in_channels) {
    labels.push("×" + plainNumber(Number((block.expanded_channels / block.in_channels).toPrecision(2))));
  }
  if (!labels.length)
    labels.push(
      words(block.kind || block.slot || "block")
        .split(" ")
        .at(-1),
    );
  return labels;
}

function blockDetail(block) {
  const facts = Object.entries(block).filter(([key]) => key !== "slot" && key !== "kind");
  return (
    `${block.slot || ""} ${words(block.kind || "")}: `.trimStart() +
    facts.map(([key, value]) => `${words(key)} ${value}`).join(", ")
  );
}

const heightOf = (block, unit, base) => base + unit * Math.min(5, Math.max(0, (block.kernel || 3) - 1) / 2);

function widthOf(block, base, unit) {
  const channels = blockChannels(block);
  return base + unit * (channels ? Math.max(0, Math.log2(channels) - 3) : 1);
}

function blockBox(block, tag) {
  const box = html(
    tag,
    { class: "block", title: blockDetail(block) },
    blockLabels(block).map((label) => html("span", {}, label)),
    block.stride > 1 && html("span", { class: "tag" }, "↓" + block.stride),
    Boolean(block.squeeze_channels) && html("span", { class: "tag" }, "SE"),
    html("span", { class: "hidden-text" }, blockDetail(block)),
  );
  box.style.minHeight = `${heightOf(block, 12, 26)}px`;
  box.style.minWidth = `${widthOf(block, 34, 5)}px`;
  return box;
}

function drawBlocks(drawing) {
  return html(
    "ol",
    { class: "stages" },
    drawing.groups.map((group) =>
      html(
        "li",
        {},
        html("span", { class: "stage-name" }, group.name),
        html(
          "ol",
          { class: "blocks" },
          group.blocks.map((block) => blockBox(block, "li")),
        ),
      ),
    ),
  );
}

const blockCount = (drawing) => drawing.groups.reduce((sum, group) => sum + group.blocks.length, 0);

function architectureWords(drawing) {
  const blocks = drawing.groups.flatMap((group) => group.blocks);
  const kernels = blocks.map((block) => block.kernel).filter(Boolean);
  const summary = [plural(blocks.length, "block")];
  if (kernels.length) summary.push(`kernels ${kernels.join(" ")}`);
  if (drawing.facts.input_shape) summary.push(`input ${drawing.facts.input_shape}`);
  return summary.join(", ");
}

function drawSmall(drawing) {
  let at = 0;
  const bars = drawing.groups.flatMap((group) => {
    const row = group.blocks.map((block) => {
      const [width, height] = [widthOf(block, 3, 0.8), heightOf(block, 5, 5)];
      const bar = svg("rect", { x: at, y: 20 - height, width, height, rx: 1 });
      at += width + 1.5;
      return bar;
    });
    at += 3;
    return row;
  });
  return svg(
    "svg",
    {
      class: "small-network",
      width: Math.max(1, at - 4),
      height: 20,
      role: "img",
      "aria-label": architectureWords(drawing),
    },
    bars,
  );
}
