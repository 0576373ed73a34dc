// A part of the picture is marked, to be read in its place.

import { boxes, element, set, write } from "./dom.js";
import { state } from "./state.js";

export let isCropping = false; // whether a finger marks a part, too
export let part = null; // left, top, width and height in per cent of the picture

export function setCropping(isOn, marked = null) {
  if (element("part") === document.activeElement) element("crop").focus();
  isCropping = isOn;
  element("crop").ariaPressed = isOn;
  markPart(marked, isOn ? "Drag over what to read. Keys: arrows move, Shift+arrows size, Enter reads, Esc leaves." : "");
  if (marked) element("part").focus();
}

export function markPart(marked, note = "") {
  part = marked;
  element("part").toggleAttribute("hidden", !part);
  write("part-note", note);
  if (!part) return;
  const [x, y, width, height] = part.map((each) => `${each}%`);
  set(element("part").firstElementChild, { x, y, width, height });
}

export function placeAt({ clientX, clientY }) {
  const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(boxes.getScreenCTM().inverse());
  return [x / state.size.width, y / state.size.height].map((share) => 100 * Math.max(0, Math.min(share, 1)));
}

export function markUpTo(corner, end) {
  const least = end.map((place, axis) => Math.min(place, corner[axis]));
  const size = end.map((place, axis) => Math.abs(place - corner[axis]));
  markPart([...least, ...size]);
}
