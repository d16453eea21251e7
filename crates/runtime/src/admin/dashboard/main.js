// The dashboard: listens to /api/events and shows what comes.
//
// Owns the stream and what is said of it. Read next: servers.js, rooms.js, charts.js, happenings.js, drain.js.

import * as charts from "./charts.js";
import * as happenings from "./happenings.js";
import * as rooms from "./rooms.js";
import * as servers from "./servers.js";
import { attribute, number, put, putFigure, rate, time } from "./shown.js";

/** An event is due each second; after so long without one the stream is called silent. */
const SILENT_MS = 5_000;
/** A stream that was refused is asked for again. */
const RETRY_MS = 3_000;

const connection = document.getElementById("connection");
const mark = document.getElementById("connection-mark");
const text = document.getElementById("connection-text");
const banner = document.getElementById("banner");
const asOf = document.getElementById("as-of");
let shownAt = null;
let silence = null;

function show(view) {
  charts.add(view);
  charts.draw();
  for (const name of ["players_online", "players_in_rooms", "reservations_outstanding"])
    putFigure(name, number(view[name]));
  putFigure("journeys_per_second", rate(charts.journeys().at(-1)?.y ?? 0));
  putFigure("redirects_per_second", rate(charts.redirects().at(-1)?.y ?? 0));
  servers.show(view);
  rooms.show(view);
  happenings.show(view);
  shownAt = view.unix_ms ? time(view.unix_ms) : "–"; // it has seen nobody yet
  put(asOf, shownAt);
  attribute(document.documentElement, "data-unix-ms", view.unix_ms);
  document.title = `${number(view.players_online)} online, Usher`;
}

function state(name, sign, said, why = "") {
  attribute(connection, "data-state", name);
  put(mark, sign);
  put(text, said);
  banner.hidden = !why;
  put(banner, why && shownAt ? `${why} What you see is as of ${shownAt}.` : why);
}

function listen() {
  const events = new EventSource("/api/events");
  events.addEventListener("history", ({ data }) => charts.begin(JSON.parse(data)));
  events.addEventListener("cluster", ({ data }) => {
    state("live", "●", "Live");
    clearTimeout(silence);
    silence = setTimeout(
      () => state("lost", "✕", "Silent", "The manager has sent nothing for a while."),
      SILENT_MS,
    );
    show(JSON.parse(data));
  });
  events.addEventListener("error", () => {
    clearTimeout(silence);
    if (events.readyState === EventSource.CLOSED) {
      state("lost", "✕", "Refused", "The manager refuses this page: too many may be open. Trying again.");
      setTimeout(listen, RETRY_MS);
    } else {
      state("lost", "✕", "Lost", "The connection to the manager is lost. Trying again.");
    }
  });
}

listen();
