// Showing a picture or drawing, and its answer.

import { errorOf, headline, inWords, isAwaited, NOTHING, pageOf } from "./answers.js";
import { showBoxesOn } from "./boxes.js";
import { element, onClick, write } from "./dom.js";
import { repaint } from "./drawing.js";
import { isPassing, said } from "./errors.js";
import { explainSoon, foldOrOpen } from "./explanation.js";
import { keep } from "./keeping.js";
import { showPage } from "./lines.js";
import { setCropping } from "./part.js";
import { showCode } from "./snippets.js";
import { DRAWING, isDrawing, state } from "./state.js";

// Without answer or error, the picture is being read; null means that there is none.
export function show(picture) {
  state.current = picture;
  const page = pageOf(picture);
  const answer = (state.shown = page?.error ? undefined : page);
  const waits = isAwaited(picture);
  const error = picture && !waits && errorOf(picture, page);
  write("text", answer ? headline(answer) : (waits ? "…" : NOTHING));
  const instead = waits ? (picture.words ?? "Reading …") : "No digit yet";
  write("message", answer ? inWords(answer) : error ? said(error) : instead);
  write("facts", answer
    ? `Answered in ${Math.max(1, Math.round(answer.milliseconds))} ms by model ${answer.model}${answer.second_opinion ? ", with a second opinion" : ""}`
    : "");
  if (picture?.url) showPicture(picture);
  foldOrOpen();
  showPage();
  showTools();
  showAgain();
  for (const each of state.listed) each.row.button.ariaCurrent = each === state.current;
  repaint();
  showBusy();
  showCode();
  keep();
}

// Offer another attempt, also beside one page of a document if others are missing.
export function showAgain() {
  if (isAwaited(state.current)) return; // the keyboard's focus would get lost
  const error = state.current && errorOf(state.current, pageOf(state.current));
  element("ask-key").hidden = error?.status !== 401;
  element("again").hidden = !(error && isPassing(error));
}

// Show the tools beside a picture; beside a drawing only if it can be corrected, to leave room for the answer.
export function showTools() {
  element("tools").hidden = !state.current?.url && element("correct").hidden;
  element("edit").disabled = !state.shown;
  element("copy-page").disabled = !state.current?.answer;
}

export function showBusy() {
  element("answer").ariaBusy = Boolean(isDrawing() || state.request || state.timer || isAwaited(state.current));
}

export function showPicture(picture) {
  const image = element("picture");
  const source = picture && (pageOf(picture)?.picture ?? picture.url);
  image.alt = picture?.name ?? "";
  if (source && source === image.getAttribute("src")) return;
  setCropping(false);
  image.hidden = !picture;
  if (picture) image.src = source;
  else image.removeAttribute("src");
  showBoxesOn(picture ? null : DRAWING);
}

element("picture").onload = ({ target: { naturalWidth: width, naturalHeight: height } }) => {
  showBoxesOn(state.shown?.size ?? { width, height });
  explainSoon();
};

element("picture").onerror = ({ target }) => {
  target.hidden = true; // a format that the browser does not support, although the service may
  repaint();
};

function turnPage(step) {
  const { length } = state.current.answer.pages;
  state.current.page = ((state.current.page ?? 0) + step + length) % length;
  state.current.line = 0;
  show(state.current);
}

onClick("previous", () => turnPage(-1));
onClick("next", () => turnPage(1));
