// The pen. A tap on a box selects its digit or line, and a tap elsewhere draws a dot. On a picture, the mouse marks
// a part to read, and a finger scrolls, unless one crops.

import { boxAt } from "./boxes.js";
import { readPart } from "./cropping.js";
import { choices } from "./digits.js";
import { sheet } from "./dom.js";
import { hasMoved } from "./drawing.js";
import { editAt } from "./editing.js";
import { lineLabels } from "./lines.js";
import { isCropping, markUpTo, part, placeAt } from "./part.js";
import { completeEdit, readDrawing, readLater, readSoon } from "./sheet.js";
import { isDrawing, isPage, remember, state } from "./state.js";
import { clear } from "./undo.js";

let pointer; // its id, to ignore other fingers, a resting palm, or the mouse
let corner; // where a drag over a picture began

function point(event) {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) / box.height, (event.clientY - box.top) / box.height];
}

function begin() {
  if (state.current?.url) clear(); // a file that cannot be shown
  else remember();
  state.strokes.push(state.stroke);
  readLater();
}

sheet.onpointerdown = (event) => {
  const isOther = sheet.hasPointerCapture(pointer) || !event.isPrimary || event.button !== 0;
  const scrolls = state.current?.url && !isCropping && event.pointerType !== "mouse";
  if (isOther || scrolls) return;
  event.preventDefault();
  pointer = event.pointerId;
  sheet.setPointerCapture(pointer);
  state.stroke = [point(event)];
  corner = state.current?.url && state.size && placeAt(event);
  if (state.current?.url || boxAt(event)) return;
  begin();
  readSoon();
};

sheet.onpointermove = (event) => {
  if (!state.stroke) sheet.style.cursor = boxAt(event) ? "pointer" : "";
  if (!state.stroke || event.pointerId !== pointer) return;
  const events = event.getCoalescedEvents?.() ?? [];
  state.stroke.push(...(events.length ? events : [event]).map(point));
  if (!isDrawing() && hasMoved(state.stroke)) {
    if (corner) markUpTo(corner, placeAt(event));
    else begin();
  }
  if (isDrawing()) readSoon();
};

sheet.onlostpointercapture = (event) => {
  if (event.pointerId !== pointer) return;
  const isStroke = isDrawing();
  state.stroke = null;
  if (isStroke) readDrawing();
  else if (part) readPart();
  else if (!state.current?.url) choices()[boxAt(event)?.index]?.click();
};

sheet.onclick = (event) => {
  if (!state.current?.url) return;
  completeEdit();
  (isPage() ? lineLabels.map(({ control }) => control) : choices())[boxAt(event)?.index]?.click();
};

sheet.ondblclick = (event) => {
  const box = boxAt(event);
  if (isPage() && box) editAt(box);
};

sheet.oncontextmenu = (event) => event.preventDefault(); // a long press may be a slow stroke
