// Rooms by how full they are: a cell each, filled from below, and a table of the fullest.
//
// All cells of a server that are about as full are one path, so that thousands of rooms are a few elements.

import { List, attribute, counted, drawn, element, number, put } from "./shown.js";

/** How full is what, from the emptiest. */
const STEPS = [
  { name: "empty", from: 0 },
  { name: "under a third", from: Number.MIN_VALUE },
  { name: "under two thirds", from: 1 / 3 },
  { name: "over two thirds", from: 2 / 3 },
  { name: "full", from: 1 },
];
const TABLE_ROWS_MAX = 200;
/** A cell of a server with up to so many rooms is so large. */
const CELLS = [
  [64, 22],
  [256, 16],
  [1024, 11],
  [Infinity, 8],
];
const GAP = 2;

const root = document.getElementById("rooms");
const note = document.getElementById("rooms-note");
const details = document.getElementById("rooms-details");
const tableNote = document.getElementById("rooms-table-note");
const table = document.getElementById("rooms-table");
const halls = new List(root, ([server]) => server, newHall, showHall);
const tableRows = new List(table, ({ server, room }) => `${server}/${room}`, newTableRow, showTableRow);
let rooms = [];

const fill = ({ population, capacity }) => (capacity ? Math.min(1, population / capacity) : 0);
const stepOf = (room) => STEPS.findLastIndex(({ from }) => fill(room) >= from);

export function show(view) {
  rooms = view.rooms;
  halls.show(Map.groupBy(rooms, ({ server }) => server));
  put(note, rooms.length ? summary(rooms) : "None has come yet.");
  details.hidden = rooms.length === 0;
  showTable();
}

function summary(some) {
  const people = some.reduce((all, { population }) => all + population, 0);
  const seats = some.reduce((all, { capacity }) => all + capacity, 0);
  const full = some.filter((room) => stepOf(room) === STEPS.length - 1).length;
  const empty = some.filter(({ population }) => population === 0).length;
  const taken = `${number(people)} of ${number(seats)} seats taken`;
  return `${counted(some.length, "room")}, ${taken}, ${number(full)} full, ${number(empty)} empty`;
}

const said = ({ name, population, capacity }) => `${name}: ${number(population)} of ${number(capacity)}`;

function newHall([server]) {
  const sum = element("p", "note");
  const pointed = element("p", "pointed");
  pointed.ariaHidden = "true"; // the table says the same to whoever does not point
  const outline = drawn("path", { class: "outline" });
  const paths = STEPS.map((_, step) => drawn("path", { class: `step-${step}` }));
  const svg = drawn("svg", { role: "img", class: "cells" }, outline, ...paths);
  const hall = {
    root: element("section", "hall", element("h3", "", server), sum, svg, pointed),
    server,
    sum,
    svg,
    outline,
    paths,
    pointed,
  };
  svg.addEventListener("pointermove", (event) => point(hall, event));
  svg.addEventListener("pointerleave", () => put(pointed, ""));
  new ResizeObserver(() => hall.rooms && drawCells(hall)).observe(hall.root);
  return hall;
}

function showHall(hall, [, some]) {
  hall.rooms = some;
  const text = summary(some);
  put(hall.sum, text);
  attribute(hall.svg, "aria-label", `Rooms of ${hall.server}: ${text}`);
  drawCells(hall);
}

function drawCells(hall) {
  const width = hall.svg.clientWidth;
  if (!width) return;
  const size = CELLS.find(([roomsMax]) => hall.rooms.length <= roomsMax)[1];
  const columns = Math.max(1, Math.floor((width + GAP) / (size + GAP)));
  const height = Math.ceil(hall.rooms.length / columns) * (size + GAP);
  Object.assign(hall, { size, columns });
  attribute(hall.svg, "viewBox", `0 0 ${width} ${height}`);
  attribute(hall.svg, "height", height);
  const steps = STEPS.map(() => []);
  const outline = hall.rooms.map((room, at) => {
    const x = (at % columns) * (size + GAP);
    const y = Math.floor(at / columns) * (size + GAP);
    const high = room.population ? Math.max(2, Math.round(fill(room) * size)) : 0;
    if (high) steps[stepOf(room)].push(`M${x} ${y + size}h${size}v-${high}h-${size}z`);
    return `M${x} ${y}h${size}v${size}h-${size}z`;
  });
  attribute(hall.outline, "d", outline.join(""));
  hall.paths.forEach((path, step) => attribute(path, "d", steps[step].join("")));
}

/** Says which room is under the pointer. */
function point(hall, { offsetX, offsetY }) {
  const pitch = hall.size + GAP;
  const column = Math.floor(offsetX / pitch);
  const room =
    column < hall.columns ? hall.rooms[Math.floor(offsetY / pitch) * hall.columns + column] : undefined;
  put(hall.pointed, room ? said(room) : "");
}

function showTable() {
  if (!details.open) return;
  const fullest = [...rooms]
    .sort((one, other) => fill(other) - fill(one) || other.population - one.population)
    .slice(0, TABLE_ROWS_MAX);
  put(
    tableNote,
    rooms.length > fullest.length
      ? `The fullest ${number(fullest.length)} of ${number(rooms.length)}; /api/cluster has all.`
      : "",
  );
  tableRows.show(fullest);
}

function newTableRow({ name, server }) {
  const people = element("td", "number");
  const seats = element("td", "number");
  const head = element("th", "", name);
  head.scope = "row";
  return { root: element("tr", "", head, element("td", "", server), people, seats), people, seats };
}

function showTableRow(row, { population, capacity }) {
  put(row.people, number(population));
  put(row.seats, number(capacity));
}

details.addEventListener("toggle", showTable);
document.getElementById("rooms-keys").append(
  ...STEPS.map(({ name }, step) => {
    const high = [0, 4, 8, 11, 14][step];
    const cell = drawn(
      "svg",
      { class: "cells", viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" },
      drawn("path", { class: "outline", d: "M0 0h14v14h-14z" }),
      drawn("path", { class: `step-${step}`, d: `M0 14h14v-${high}h-14z` }),
    );
    return element("li", "", cell, " ", name);
  }),
);
