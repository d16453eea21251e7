/**
 * Reversi, two seats. Chance says who is black and begins. A piece is put where it encloses pieces of the other colour, in a
 * straight line, and turns them over. Who can do so nowhere is passed over; when neither can, the hand is over and more pieces
 * win. Who is late or leaves loses.
 *
 * An example of a game where all is open. See docs/workers.md.
 */

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Chance, Game, Refused, Worker } from "../sdk/usher_worker.mjs"; // copy it beside your game

const SIZE = 8;
const DIRECTIONS = [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]];
const SQUARES = [...Array(SIZE * SIZE).keys()];

const nameOf = (square) => "abcdefgh"[square % SIZE] + (1 + Math.floor(square / SIZE));
const squareOf = (name) => SQUARES.find((square) => nameOf(square) === name);

export class Reversi extends Game {
  static seats = 2;

  #black;
  #mover;
  #board = Array(SIZE * SIZE).fill(null); // the seat whose piece lies there
  #end = null;

  constructor(seed) {
    super(seed);
    this.#black = this.#mover = new Chance(seed).below(2);
    for (const name of ["e4", "d5"]) this.#board[squareOf(name)] = this.#black;
    for (const name of ["d4", "e5"]) this.#board[squareOf(name)] = 1 - this.#black;
  }

  toAct() {
    return this.#end ? [] : [this.#mover];
  }

  act(seat, action) {
    const square = squareOf(action);
    if (square === undefined) throw new Refused("name a square, a1 to h8");
    if (this.#board[square] !== null) throw new Refused(`${action} is taken`);
    const turned = this.#turnedBy(seat, square);
    if (turned.length === 0) throw new Refused(`${action} turns nothing over`);
    for (const at of [square, ...turned]) this.#board[at] = seat;
    return `${this.#colour(seat)} ${action}${this.#goOn(seat)}`;
  }

  timeout() {
    return this.#lose(this.#mover, "timed out");
  }

  abandon(seat) {
    return this.#lose(seat, "abandoned");
  }

  actions(seat) {
    return SQUARES.filter((square) => this.#isLegal(seat, square)).map(nameOf);
  }

  show(_viewer) {
    const row = (number) => this.#board.slice(number * SIZE, (number + 1) * SIZE).map((seat) => this.#piece(seat)).join(" ");
    const rows = [...Array(SIZE).keys()].map((number) => `${number + 1} ${row(number)}`);
    const counts = [this.#black, 1 - this.#black]
      .map((seat) => `${this.#piece(seat)} ${this.#colour(seat)}, seat ${seat}: ${this.#count(seat)}`);
    return ["  a b c d e f g h", ...rows, ...counts].join("\n");
  }

  outcome() {
    return this.#end;
  }

  /** Whose move is next, and what there is to say of it. */
  #goOn(seat) {
    const [own, others] = [seat, 1 - seat].map((it) => SQUARES.some((square) => this.#isLegal(it, square)));
    if (others) {
      this.#mover = 1 - seat;
      return "";
    }
    if (own) return `, ${this.#colour(1 - seat)} cannot move`;
    const lead = Math.sign(this.#count(0) - this.#count(1));
    this.#end = { scores: lead === 0 ? [0, 0] : [lead, -lead], reason: lead === 0 ? "draw" : "won" };
    return `: ${this.#count(this.#black)} black, ${this.#count(1 - this.#black)} white`;
  }

  #lose(seat, reason) {
    this.#end = { scores: seat === 0 ? [-1, 1] : [1, -1], reason };
    return `${this.#colour(seat)} ${reason}`;
  }

  #isLegal(seat, square) {
    return this.#board[square] === null && this.#turnedBy(seat, square).length > 0;
  }

  #turnedBy(seat, square) {
    return DIRECTIONS.flatMap((direction) => this.#enclosed(seat, square, direction));
  }

  /** The other's pieces from a square on in one direction, if one of the seat's own lies behind them. */
  #enclosed(seat, square, [down, right]) {
    const pieces = [];
    let [row, column] = [Math.floor(square / SIZE) + down, (square % SIZE) + right];
    while (row >= 0 && row < SIZE && column >= 0 && column < SIZE) {
      const at = row * SIZE + column;
      if (this.#board[at] === null) return [];
      if (this.#board[at] === seat) return pieces;
      pieces.push(at);
      [row, column] = [row + down, column + right];
    }
    return [];
  }

  #count(seat) {
    return this.#board.filter((it) => it === seat).length;
  }

  #colour(seat) {
    return seat === this.#black ? "black" : "white";
  }

  #piece(seat) {
    if (seat === null) return ".";
    return seat === this.#black ? "●" : "○";
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  new Worker("reversi").game("reversi", Reversi).run();
}
