// Keeps the page true: fetches it anew every two seconds, says at once when the hub cannot be reached, draws the chart.
"use strict";

const REFRESH_MS = 2000;
const ANSWER_MS = 5000;
const LOST_AFTER_MS = 6000;
const HEIGHT = 260;
const EDGE = { top: 28, right: 18, bottom: 30 };
const SPANS_S = { "15m": 900, "1h": 3600, "6h": 21600, "24h": 86400 };
const WINDOWS = { "6h": "2m", "24h": "10m" };
const SVG = "http://www.w3.org/2000/svg";

const texts = JSON.parse(document.body.dataset.texts);
const language = document.documentElement.lang;
const page = document.querySelector("main");
const link = document.getElementById("link");
const lost = document.getElementById("lost");
const chart = document.getElementById("chart");
const chartTitle = document.getElementById("chart-title");

let knownAt = Date.now();
let refreshes = 0;
let chosen = null;
let span = "1h";
let drawn = null;

async function ask(address, kind) {
  const response = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
  if (response.redirected && new URL(response.url).pathname === "/sign-in") {
    location.assign("/sign-in");
  }
  if (!response.ok) {
    throw new Error(`${response.status}`);
  }
  return response[kind]();
}

// --- the fleet and the values

async function refresh() {
  try {
    const html = await ask(document.body.dataset.live, "text");
    const focused = document.activeElement?.dataset.query;
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    for (const part of fresh.content.querySelectorAll("[data-part]")) {
      page.querySelector(`[data-part="${part.dataset.part}"]`).replaceChildren(...part.childNodes);
    }
    knownAt = Date.now();
    refreshes += 1;
    document.body.dataset.refreshes = refreshes;
    showLink();
    markChosen();
    if (focused) {
      pickOf(focused)?.focus({ preventScroll: true });
    }
    if (!chosen) {
      choose(page.querySelector("tr:not(.stale, .fake) .pick") ?? page.querySelector("tr:not(.stale) .pick") ?? page.querySelector(".pick"));
    } else {
      await loadChart();
    }
  } catch (error) {
    showLink();
  }
  setTimeout(refresh, REFRESH_MS);
}

function showLink() {
  const isLost = Date.now() - knownAt > LOST_AFTER_MS;
  if (!isLost && !refreshes) {
    return;
  }
  link.classList.remove("wait");
  document.body.classList.toggle("lost", isLost);
  lost.hidden = !isLost;
  link.querySelector("span").textContent = isLost ? texts.link_lost : texts.link_ok;
  link.querySelector("use").setAttribute("href", isLost ? "#i-offline" : "#i-live");
  if (isLost) {
    lost.querySelector("span").textContent = texts.link_lost_since.replace("{time}", clock(knownAt, true));
  }
}

// --- choosing what the chart shows

function pickOf(query) {
  return [...page.querySelectorAll(".pick")].find((pick) => pick.dataset.query === query);
}

function markChosen() {
  for (const pick of page.querySelectorAll(".pick")) {
    pick.setAttribute("aria-pressed", String(chosen !== null && pick.dataset.query === chosen.query));
  }
}

function choose(pick) {
  if (pick) {
    chosen = { ...pick.dataset };
    drawn = null;
    markChosen();
    void loadChart();
  }
}

page.addEventListener("click", (event) => {
  const pick = event.target.closest(".pick");
  if (pick) {
    choose(pick);
    document.getElementById("chart-panel").scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
});

document.querySelector(".spans").addEventListener("click", (event) => {
  if (event.target.dataset.span) {
    span = event.target.dataset.span;
    for (const button of event.currentTarget.children) {
      button.setAttribute("aria-pressed", String(button.dataset.span === span));
    }
    void loadChart();
  }
});

async function loadChart() {
  if (!chosen) {
    return;
  }
  const wanted = `${chosen.query}&from=-${span}&to=now&limit=5000`;
  const put = WINDOWS[span] ? `&aggregate=${chosen.aggregate}&window=${WINDOWS[span]}` : "";
  const asked = wanted + put;
  try {
    const answer = await ask(`/api/v1/series/values?${asked}`, "json");
    const end = Date.now();
    drawn = { samples: answer.samples, start: end - SPANS_S[span] * 1000, end, step: answer.window_s };
    draw();
  } catch (error) {
    if (!drawn) {
      say(texts.chart_failed);
    }
  }
}

// --- drawing

function say(words) {
  const hint = document.createElement("p");
  hint.className = "hint";
  hint.textContent = words;
  chart.replaceChildren(hint);
}

function shape(name, attributes, words) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  if (words !== undefined) {
    element.textContent = words;
  }
  return element;
}

function clock(ms, withSeconds) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Date(ms).toLocaleTimeString(language === "vi" ? "vi-VN" : "en-GB", withSeconds ? { ...options, second: "2-digit" } : options);
}

function numberText(value, decimals) {
  const options = decimals === undefined ? { maximumSignificantDigits: 7 } : { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return value.toLocaleString(language === "vi" ? "vi-VN" : "en-GB", options);
}

function niceStep(range, count) {
  const raw = range / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw);
}

function valueTicks(samples) {
  const numbers = samples.map((sample) => sample.value);
  let low = Math.min(...numbers);
  let high = Math.max(...numbers);
  if (high - low < Math.abs(high) * 1e-6 || high === low) {
    const room = Math.abs(high) * 0.01 || 1;
    low -= room;
    high += room;
  }
  const step = niceStep(high - low, 4);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let index = first; index <= last; index += 1) {
    ticks.push({ at: index * step, words: numberText(index * step, decimals) });
  }
  return ticks;
}

function timeTicks(start, end, width) {
  const steps = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600].map((seconds) => seconds * 1000);
  const most = Math.max(2, Math.floor(width / 80));
  const step = steps.find((size) => (end - start) / size <= most) ?? steps[steps.length - 1];
  const offset = new Date(end).getTimezoneOffset() * 60000;
  const ticks = [];
  for (let at = Math.ceil((start - offset) / step) * step + offset; at <= end; at += step) {
    ticks.push(at);
  }
  return ticks;
}

function gapAfter(samples, step) {
  if (step) {
    return step * 2500;
  }
  const pauses = samples.slice(1).map((sample, index) => sample.time_ms - samples[index].time_ms).sort((a, b) => a - b);
  return Math.max(3 * (pauses[Math.floor(pauses.length / 2)] ?? 0), 5000);
}

function linePath(samples, gap, x, y) {
  let path = "";
  samples.forEach((sample, index) => {
    const joined = index > 0 && sample.time_ms - samples[index - 1].time_ms <= gap;
    path += `${joined ? "L" : "M"}${x(sample.time_ms).toFixed(1)} ${y(sample.value).toFixed(1)}`;
  });
  return path;
}

function dots(samples, gap, x, y) {
  const isAlone = (index) =>
    (index === 0 || samples[index].time_ms - samples[index - 1].time_ms > gap) &&
    (index === samples.length - 1 || samples[index + 1].time_ms - samples[index].time_ms > gap);
  return samples.flatMap((sample, index) => {
    const doubted = sample.quality !== "good";
    return doubted || isAlone(index) || samples.length <= 60
      ? [shape("circle", { cx: x(sample.time_ms).toFixed(1), cy: y(sample.value).toFixed(1), r: doubted ? 3.2 : 2.4, class: doubted ? "doubt" : "dot" })]
      : [];
  });
}

function draw() {
  chartTitle.textContent = `${chosen.name}${chosen.unit ? ` (${chosen.unit})` : ""} · ${chosen.device} · ${chosen.mode}`;
  chart.classList.toggle("not-real", chosen.real === "no");
  const samples = drawn.samples.filter((sample) => sample.value !== null && sample.time_ms >= drawn.start);
  if (!samples.length) {
    say(texts.chart_empty);
    return;
  }
  const width = Math.max(240, chart.clientWidth);
  const ticks = valueTicks(samples);
  const left = 14 + 7.2 * Math.max(...ticks.map((tick) => tick.words.length));
  const [low, high] = [ticks[0].at, ticks[ticks.length - 1].at];
  const x = (ms) => left + ((ms - drawn.start) / (drawn.end - drawn.start)) * (width - left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - ((value - low) / (high - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const plot = shape("svg", { class: "plot", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": chartTitle.textContent });
  if (chosen.real === "no") {
    plot.append(shape("text", { class: "watermark", x: (left + width) / 2, y: HEIGHT / 2 + 12, "text-anchor": "middle" }, chosen.mode));
  }
  for (const tick of ticks) {
    plot.append(shape("line", { class: "grid", x1: left, x2: width - EDGE.right, y1: y(tick.at), y2: y(tick.at) }));
    plot.append(shape("text", { x: left - 8, y: y(tick.at) + 4, "text-anchor": "end" }, tick.words));
  }
  for (const at of timeTicks(drawn.start, drawn.end, width - left)) {
    const place = Math.min(Math.max(x(at), left + 16), width - 18);
    plot.append(shape("line", { class: "grid", x1: x(at), x2: x(at), y1: HEIGHT - EDGE.bottom, y2: HEIGHT - EDGE.bottom + 5 }));
    plot.append(shape("text", { x: place, y: HEIGHT - 8, "text-anchor": "middle" }, clock(at, false)));
  }
  const gap = gapAfter(samples, drawn.step);
  plot.append(shape("path", { class: "line", d: linePath(samples, gap, x, y) }), ...dots(samples, gap, x, y));
  readOut(plot, samples, { x, y, width, left });
  chart.replaceChildren(plot);
}

function readOut(plot, samples, { x, y, width, left }) {
  const cursor = shape("line", { class: "cursor", x1: 0, x2: 0, y1: EDGE.top, y2: HEIGHT - EDGE.bottom, visibility: "hidden" });
  const words = shape("text", { class: "readout", x: left, y: 16 });
  const tell = (sample) => {
    const doubt = sample.quality === "good" ? "" : ` · ${texts[`quality_${sample.quality}`]}`;
    words.textContent = `${clock(sample.time_ms, true)}   ${numberText(sample.value)} ${chosen.unit}${doubt}`;
  };
  tell(samples[samples.length - 1]);
  plot.append(cursor, words);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    const nearest = samples.reduce((best, sample) => (Math.abs(x(sample.time_ms) - at) < Math.abs(x(best.time_ms) - at) ? sample : best));
    cursor.setAttribute("visibility", "visible");
    cursor.setAttribute("x1", x(nearest.time_ms));
    cursor.setAttribute("x2", x(nearest.time_ms));
    tell(nearest);
  });
  plot.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    tell(samples[samples.length - 1]);
  });
}

new ResizeObserver(() => {
  if (drawn) {
    draw();
  }
}).observe(chart);
// A page that was asleep must not look live for the moment it takes to find out.
document.addEventListener("visibilitychange", showLink);
setInterval(showLink, 1000);
void refresh();
