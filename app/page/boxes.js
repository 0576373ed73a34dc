// The boxes around lines, cells of tables, and digits on the sheet, and the lines' texts beside them.

import { doubt } from "./answers.js";
import { boxes, createSvg, element, set, sheet } from "./dom.js";
import { state } from "./state.js";

export function showBoxesOn(size) {
  state.size = size;
  boxes.toggleAttribute("hidden", !size);
  if (!size) return;
  for (const each of [boxes, element("part")]) set(each, { viewBox: `0 0 ${size.width} ${size.height}` });
  sheet.style.setProperty("--shape", size.width / size.height);
  placeTexts();
}

export function boxAround(box, margin = 0.08 * box.height, rectangle = createSvg("rect")) {
  const [x, y, width, height] = withMargin(box, margin);
  return set(rectangle, { x, y, width, height, rx: margin });
}

export function withMargin({ left, top, width, height }, margin) {
  return [left - margin, top - margin, width + 2 * margin, height + 2 * margin];
}

// Return the outlines of a line, or of the cells of its row; each knows its place.
export function outlinesOf({ box, cells = [] }, index) {
  const around = (part, column) => part.box && Object.assign(boxAround(part.box), { index, column, box: part.box });
  const own = cells.map(around).filter(Boolean);
  return own.length ? own : [around({ box })];
}

// On a drawing, a tap in the lowest quarter of a box draws a decimal point, which may be near the digit or under its slant.
export function boxAt({ clientX, clientY }) {
  return [...boxes.querySelectorAll("rect")].find((rectangle) => {
    const { left, right, top, height } = rectangle.getBoundingClientRect();
    const bottom = top + (state.current?.url ? 1 : 0.75) * height;
    return left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
  });
}

// Mark the boxes of a line and its label and text, or the box of a digit.
export function markChosen(index, labels = []) {
  labels.forEach((label, each) => label.classList.toggle("chosen", each === index));
  for (const part of boxes.children) part.classList.toggle("chosen", part.index === index);
}

export function textBeside(line, index) {
  return Object.assign(createSvg("text"), { textContent: doubt(line) ? `${line.text} ?` : line.text, index });
}

// Place each line's text to its right; if that is occupied, above it, to be seen once the line is chosen. A table shows it itself.
export function placeTexts() {
  const texts = boxes.querySelectorAll("text");
  if (!state.size || !texts.length) return;
  const scale = boxes.getScreenCTM().a;
  boxes.style.setProperty("--pixel", 1 / scale);
  const outlines = [...boxes.querySelectorAll("rect")];
  for (const outline of outlines) boxAround(outline.box, (outline.column === undefined ? 3 : 1) / scale, outline);
  const taken = outlines.map(({ box }) => box);
  texts.forEach((text, index) => {
    const { width, height } = text.getBBox();
    const { box } = state.shown.lines[index];
    const [x, y] = [box.left + box.width + 8 / scale, box.top + (box.height - height) / 2];
    const isHit = ({ left, top, width: wide, height: high }) =>
      left < x + width && x < left + wide && top < y + height && y < top + high;
    const isCrowded = x + width > state.size.width || taken.some(isHit);
    text.classList.toggle("crowded", isCrowded);
    set(text, isCrowded ? { x: box.left, y: Math.max(height, box.top - 8 / scale) } : { x, y: y + 0.8 * height });
    if (!isCrowded) taken.push({ left: x, top: y, width, height });
  });
}
