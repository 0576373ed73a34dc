// The sheet of the form that is being made, with a box for each field: drawn, moved and resized by mouse, finger or keys.

import { fieldsOf } from "./answers.js";
import { createSvg, element, onClick, set, write } from "./dom.js";
import { state } from "./state.js";

const STEP = 0.005; // of the sheet's sides, for a key
const LEAST = 0.005; // side of a box
const CORNER = 0.75; // share of both sides of a box, from which a drag resizes it
const NEW = { left: 0.4, top: 0.45, width: 0.2, height: 0.04 };
const plan = element("plan");
let drag = null; // {from, box, sides} of the box as it was, or {from} of a new one
let isAdding = false; // whether a finger draws a box

// Tell the list of fields that they have changed, or that one is to be named.
function changed(name) {
  plan.dispatchEvent(new Event(name));
}

function page() {
  return state.draft.form.pages[state.draft.page ?? 0];
}

export function fields() {
  return page().fields;
}

// Mark the box of a field, and its row in the list.
export function chooseField(index) {
  state.draft.field = index;
  for (const list of ["field-boxes", "fields"]) {
    [...element(list).children].forEach((part, each) => part.classList.toggle("chosen", each === index));
  }
}

function chosen() {
  return fields()[state.draft.field];
}

export function showBoxes() {
  const { width, height, landmarks } = page();
  plan.style.aspectRatio = `${width} / ${height}`;
  const [print, rules] = element("landmarks").children; // behind the sample, or in its place
  set(print, { d: pathOf(landmarks.writing) });
  set(rules, { d: pathOf(landmarks.rules) });
  element("field-boxes").replaceChildren(...fields().map(({ box }) => place(createSvg("rect"), box)));
  chooseField(state.draft.field);
}

function pathOf(segments) {
  return segments.map(([x, y, toX, toY]) => `M${x} ${y}L${toX} ${toY}`).join("");
}

function place(rectangle, box) {
  const [x, y, width, height] = [box.left, box.top, box.width, box.height].map((share) => `${100 * share}%`);
  return set(rectangle, { x, y, width, height });
}

function addField(box = NEW) {
  const names = fieldsOf(state.draft.form).map(({ name }) => name);
  let number = names.length + 1;
  while (names.includes(`field${number}`)) number++;
  state.draft.field = fields().push({ name: `field${number}`, box: { ...box } }) - 1;
  changed("fields");
}

export function removeField(index) {
  fields().splice(index, 1);
  state.draft.field = Math.min(index, fields().length - 1);
  changed("fields");
}

// Move the box by its left or top, or resize it by its width or height; it stays on the sheet.
function change(box, side, by) {
  const [start, length] = side === "left" || side === "width" ? ["left", "width"] : ["top", "height"];
  const least = side === length ? LEAST : 0;
  const most = side === length ? 1 - box[start] : 1 - box[length];
  box[side] = rounded(Math.max(least, Math.min(box[side] + by, most)));
}

function rounded(share) {
  return Math.round(share * 1e4) / 1e4;
}

function say() {
  const { name, box } = chosen();
  const fromTo = (start, length) => `${(100 * start).toFixed(1)} to ${(100 * (start + length)).toFixed(1)} %`;
  write("plan-note", `${name}: from ${fromTo(box.left, box.width)} across, ${fromTo(box.top, box.height)} down`);
}

function boxBetween(from, to) {
  const [left, top] = from.map((each, axis) => rounded(Math.min(each, to[axis])));
  const [width, height] = from.map((each, axis) => rounded(Math.abs(each - to[axis])));
  return { left, top, width, height };
}

function placeAt({ clientX, clientY }) {
  const { left, top, width, height } = plan.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height].map((share) => Math.max(0, Math.min(share, 1)));
}

function indexAt(place) {
  return fields().findLastIndex(({ box }) => inBox(box, place).every((share) => share >= 0 && share <= 1));
}

// Return where a place is in a box, as shares of its sides.
function inBox({ left, top, width, height }, [x, y]) {
  return [(x - left) / width, (y - top) / height];
}

function setAdding(isOn) {
  isAdding = isOn;
  element("add-field").ariaPressed = isOn;
}

plan.onpointerdown = (event) => {
  const from = placeAt(event);
  const index = isAdding ? -1 : indexAt(from);
  const scrolls = index < 0 && !isAdding && event.pointerType !== "mouse";
  if (!event.isPrimary || event.button !== 0 || scrolls) return;
  event.preventDefault();
  plan.focus();
  plan.setPointerCapture(event.pointerId);
  drag = { from };
  if (index < 0) return;
  chooseField(index);
  const { box } = chosen();
  const isCorner = inBox(box, from).every((share) => share > CORNER);
  drag = { from, box: { ...box }, sides: isCorner ? ["width", "height"] : ["left", "top"] };
};

plan.onpointermove = (event) => {
  if (!drag) return;
  const to = placeAt(event);
  if (!drag.box) {
    place(element("new-box").firstElementChild, boxBetween(drag.from, to));
    return element("new-box").removeAttribute("hidden");
  }
  const { box } = chosen();
  Object.assign(box, drag.box);
  drag.sides.forEach((side, axis) => change(box, side, to[axis] - drag.from[axis]));
  place(element("field-boxes").children[state.draft.field], box);
};

// A finger that moves or draws a box does not scroll.
plan.addEventListener("touchstart", (event) => drag && event.preventDefault(), { passive: false });

plan.onpointercancel = () => {
  if (drag?.box) Object.assign(chosen().box, drag.box);
  drag = null;
  showBoxes();
};

plan.onlostpointercapture = (event) => {
  element("new-box").setAttribute("hidden", "");
  if (!drag) return;
  const { from, box } = drag;
  drag = null;
  if (box) return changed("fields");
  const drawn = boxBetween(from, placeAt(event));
  if (drawn.width < LEAST || drawn.height < LEAST) return;
  setAdding(false);
  addField(drawn);
};

plan.onkeydown = (event) => {
  const arrow = ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"].indexOf(event.key);
  const step = { PageUp: -1, PageDown: 1 }[event.key];
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === "n") addField();
  else if (!chosen()) return;
  else if (arrow >= 0) {
    const side = (event.shiftKey ? ["width", "height"] : ["left", "top"])[arrow % 2];
    change(chosen().box, side, arrow < 2 ? -STEP : STEP);
    changed("fields");
  } else if (step) {
    chooseField((state.draft.field + step + fields().length) % fields().length);
  } else if (key === "delete" || key === "backspace") removeField(state.draft.field);
  else if (key === "enter") changed("named");
  else return;
  event.preventDefault();
  if (chosen()) say();
};

// By key, a box is added in the middle; a finger or the mouse draws it.
onClick("add-field", ({ detail: clicks }) => {
  if (clicks) return setAdding(!isAdding);
  addField();
  plan.focus();
  say();
});
