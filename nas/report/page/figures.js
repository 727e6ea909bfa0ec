// Elements, and figures as people read them. Text always goes in as text nodes, so no name can become markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return node;
}

const byName = (id) => document.getElementById(id);
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

function significant(value, digits = 3) {
  if (value === 0) return "0";
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value)) + 1e-9));
  return value.toLocaleString("en", {
    minimumFractionDigits: Math.min(decimals, 6),
    maximumFractionDigits: Math.min(decimals, 6),
  });
}

const NARROW = "\u202f";

// One unit for everything on a target, so that figures can be compared at a glance.
function latencyUnit(seconds) {
  const sorted = seconds.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  const typical = sorted.length ? sorted[Math.floor(sorted.length / 2)] : 1e-3;
  if (typical < 1e-4) return { name: "µs", seconds: 1e-6 };
  if (typical < 10) return { name: "ms", seconds: 1e-3 };
  return { name: "s", seconds: 1 };
}

const latency = (seconds, unit) =>
  seconds === null || seconds === undefined ? "–" : significant(seconds / unit.seconds) + NARROW + unit.name;

const plainNumber = (value) => String(Number(value.toPrecision(6)));

// A limit is shown as it was given, without digits that nobody asked for.
const plainLatency = (seconds, unit) => plainNumber(seconds / unit.seconds) + NARROW + unit.name;

// More than one decimal claims a precision that fewer than a thousand images do not give.
const percent = (share, decimals = 1) =>
  share === null || share === undefined ? "–" : (100 * share).toFixed(decimals) + NARROW + "%";

function signedPercent(share) {
  const value = 100 * share;
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(0)}${NARROW}%`;
}

// The interval that holds the true accuracy with 95 %, from so many images: Wilson, JASA 22(158), 1927.
function wilson(accuracy, images) {
  const z = 1.96;
  const centre = (accuracy + (z * z) / (2 * images)) / (1 + (z * z) / images);
  const half =
    (z * Math.sqrt((accuracy * (1 - accuracy)) / images + (z * z) / (4 * images * images))) /
    (1 + (z * z) / images);
  return [centre - half, centre + half];
}

const decimalsFor = (images) => (images >= 1000 ? 2 : 1);

function count(value) {
  for (const [size, letter] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (value >= size) return significant(value / size) + NARROW + letter;
  }
  return String(value);
}

const bytes = (value) => (value >= 1000 ? count(value) + "B" : value + NARROW + "B");
const whole = (value) => value.toLocaleString("en");
const plural = (n, one, many = one + "s") => `${whole(n)} ${n === 1 ? one : many}`;

function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${significant(seconds, 2)} s`;
  const total = Math.round(seconds);
  const [h, m, s] = [Math.floor(total / 3600), Math.floor((total % 3600) / 60), total % 60];
  return h ? `${h} h ${m} min` : `${m} min ${s} s`;
}

function list(words) {
  if (words.length < 2) return words.join("");
  return words.slice(0, -1).join(", ") + " and " + words[words.length - 1];
}

const shellQuote = (text) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'";

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === null || value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}
