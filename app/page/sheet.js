// Reading the sheet. At most one request is in flight. While the pen is down, the next one waits for its answer; a
// completed stroke, or another picture, aborts it.

import { headline, NOTHING } from "./answers.js";
import { write } from "./dom.js";
import { drawing, repaint } from "./drawing.js";
import { attempt } from "./reading.js";
import { patiently } from "./service.js";
import { isDrawing, state } from "./state.js";
import { show, showBusy, showPicture } from "./view.js";

const LIVE_MS = 100; // minimum interval between requests while the pen is down
let sentAt = 0;
let isBehind = false; // whether there is ink that has not been sent

function stopReading() {
  clearTimeout(state.timer);
  state.timer = undefined;
  isBehind = false;
  state.request?.abort();
  state.request = null;
}

// Most strokes are short, and are read once complete.
export function readLater() {
  sentAt = performance.now();
}

export function readSoon() {
  isBehind = true;
  repaint();
  if (!state.request) state.timer ??= setTimeout(readDrawing, sentAt + LIVE_MS - performance.now());
  showBusy();
}

export async function readDrawing() {
  const picture = { blob: drawing() };
  sentAt = performance.now();
  if (state.current?.answer) repaint();
  else show(picture);
  await read(picture);
  if (isBehind) readSoon();
}

async function read(picture) {
  stopReading();
  const mine = (state.request = new AbortController());
  showBusy();
  const say = (words) => write("message", words);
  try {
    await patiently(() => attempt(picture, mine.signal, say), mine.signal, say);
  } catch (error) {
    picture.error = error;
  }
  if (mine !== state.request) return; // another request has been started
  state.request = null;
  const isRead = picture.answer && headline(picture.answer) !== NOTHING;
  if (isRead || !isDrawing()) show(picture); // that an unfinished digit cannot be read is not shown
}

export function completeEdit() {
  document.querySelector("[type=text]:focus")?.blur();
}

// Put a picture, a drawing, or nothing on the sheet.
export function choose(picture, drawn = []) {
  completeEdit();
  stopReading();
  state.strokes = drawn;
  showPicture(picture);
  if (picture || state.strokes.length === 0) show(picture);
  else readDrawing();
}
