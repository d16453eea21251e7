// Curves over the last ten minutes, or less while there is less, drawn in the size they are shown in.

import { attribute, drawn, number, put, rate } from "./shown.js";

/** How much time is shown, and how far apart its marks are, in seconds. */
const SPANS = [
  [60, 15],
  [120, 30],
  [300, 60],
  [600, 120],
];
const SAMPLES_MAX = 600;
/** Rates are means over so long: what comes in bursts is smoothed and not hidden. */
const RATE_MS = 3_000;
const MARGIN = { top: 8, right: 8, bottom: 22, left: 46 };

const samples = [];

/** What the manager remembers. */
export function begin(history) {
  samples.splice(0, samples.length, ...history);
}

/** One view more. */
export function add(view) {
  const last = samples.at(-1);
  if (view.unix_ms <= (last?.unix_ms ?? 0)) return;
  const redirects = view.redirects_login + view.redirects_hall + view.redirects_room;
  const isAnother = last && (view.claims_granted < last.claims_granted || redirects < last.redirects);
  if (isAnother) samples.length = 0; // another manager counts from 0
  const { unix_ms, players_online, claims_granted } = view;
  samples.push({ unix_ms, players_online, claims_granted, redirects });
  if (samples.length > SAMPLES_MAX) samples.shift();
}

/** How fast a count grew up to each sample; what was before the first is not known. */
function rates(count) {
  let earlier = 0;
  const points = samples.map((sample, at) => {
    while (earlier + 1 < at && sample.unix_ms - samples[earlier + 1].unix_ms >= RATE_MS) earlier += 1;
    const since = sample.unix_ms - samples[earlier].unix_ms;
    return {
      x: sample.unix_ms,
      y: since > 0 ? ((sample[count] - samples[earlier][count]) * 1000) / since : 0,
    };
  });
  return points.length > 1 ? points.slice(1) : points;
}

export const journeys = () => rates("claims_granted");
export const redirects = () => rates("redirects");
const players = () => samples.map(({ unix_ms, players_online }) => ({ x: unix_ms, y: players_online }));

/** The next round number that is not below. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

const ago = (seconds) => (seconds % 60 ? `${seconds} s` : `${seconds / 60} min`);

/** A path through points. */
const through = (points) =>
  points.map(({ x, y }, at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** One chart: its drawing, and its words for who does not see it. A curve that is alone has its area filled. */
class Chart {
  constructor(id, name, write, curves) {
    const figure = document.getElementById(id);
    Object.assign(this, { name, write, curves, said: figure.querySelectorAll(".said") });
    this.grid = drawn("g", { class: "grid" });
    this.area = drawn("path", { class: "area" });
    this.lines = ["line first", "line second"]
      .slice(0, curves.length)
      .map((name) => drawn("path", { class: name }));
    this.svg = drawn(
      "svg",
      { role: "img", class: "plot" },
      this.grid,
      this.area,
      ...[...this.lines].reverse(),
    );
    figure.append(this.svg);
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    const end = samples.at(-1)?.unix_ms;
    if (!width || !end) return;
    attribute(this.svg, "viewBox", `0 0 ${width} ${height}`);
    const [span, step] =
      SPANS.find(([seconds]) => end - samples[0].unix_ms <= seconds * 1000) ?? SPANS.at(-1);
    const series = this.curves.map(({ points }) => points().filter(({ x }) => x >= end - span * 1000));
    const top = roundUp(Math.max(4, ...series.flat().map(({ y }) => y)));
    const x = (agoMs) =>
      width - MARGIN.right - (agoMs / (span * 1000)) * (width - MARGIN.left - MARGIN.right);
    const y = (value) => height - MARGIN.bottom - (value / top) * (height - MARGIN.top - MARGIN.bottom);
    this.drawGrid({ width, height, top, span, step: width < 420 ? 2 * step : step, x, y });
    const placed = series.map((points) => points.map((point) => ({ x: x(end - point.x), y: y(point.y) })));
    placed.forEach((points, at) => attribute(this.lines[at], "d", through(points)));
    if (placed.length === 1)
      attribute(this.area, "d", `${through(placed[0])}V${y(0)}H${placed[0][0].x.toFixed(1)}Z`);
    this.say(series, span);
  }

  say(series, span) {
    const said = series.map((points, at) => {
      const most = Math.max(...points.map(({ y }) => y));
      return `${this.curves[at].called}now ${this.write(points.at(-1).y)}, at most ${this.write(most)}`;
    });
    this.said.forEach((place, at) => put(place, said[at]));
    attribute(this.svg, "aria-label", `${this.name} over the last ${ago(span)}: ${said.join("; ")}`);
  }

  drawGrid({ width, height, top, span, step, x, y }) {
    const scale = `${width} ${height} ${top} ${span}`;
    if (this.scale === scale) return;
    this.scale = scale;
    const marks = [];
    for (const value of [0, top / 2, top]) {
      marks.push(
        drawn("path", { d: `M${MARGIN.left} ${Math.round(y(value)) + 0.5}H${width - MARGIN.right}` }),
      );
      marks.push(drawn("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, rate(value)));
    }
    for (let seconds = 0; seconds <= span; seconds += step) {
      const anchor = seconds === 0 ? "end" : seconds === span ? "start" : "middle";
      marks.push(
        drawn(
          "text",
          { x: x(seconds * 1000), y: height - 4, "text-anchor": anchor },
          seconds ? ago(seconds) : "now",
        ),
      );
    }
    this.grid.replaceChildren(...marks);
  }
}

const charts = [
  new Chart("players-chart", "Players online", number, [{ points: players, called: "" }]),
  new Chart("journeys-chart", "Journeys a second", rate, [
    { points: journeys, called: "let into a room: " },
    { points: redirects, called: "redirects: " },
  ]),
];

export function draw() {
  for (const chart of charts) chart.draw();
}
