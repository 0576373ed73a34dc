// The sheet, as it is seen, and the drawing on it, as it is sent.

import { placeTexts } from "./boxes.js";
import { create, element, sheet, write } from "./dom.js";
import { blobOf } from "./images.js";
import { DRAWING, isEmpty, state } from "./state.js";

const [THINNEST, THICKEST] = [0.012, 0.03]; // the pen's width, in heights of the sheet; small digits need a thin one
const PEN = 0.1; // its width, in lengths of the longest stroke
const DOT = 5 / 3; // width of a dot, in widths of the pen, so that a decimal point is seen beside large digits
const TAP = 0.02; // in heights of the sheet: a stroke that moves less may be a tap

function paint(context, height) {
  context.lineCap = context.lineJoin = "round";
  const lengths = state.strokes.filter(hasMoved).map(longerSide);
  const width = lengths.length ? Math.min(THICKEST, Math.max(THINNEST, PEN * Math.max(...lengths))) : THICKEST;
  for (const points of state.strokes) {
    const [first, ...rest] = points.map(([x, y]) => [x * height, y * height]);
    context.lineWidth = (hasMoved(points) ? 1 : DOT) * width * height;
    context.beginPath();
    context.moveTo(...first);
    let last = first;
    for (const point of rest) { // a curve through the midpoints, with the points as control points
      context.quadraticCurveTo(...last, (last[0] + point[0]) / 2, (last[1] + point[1]) / 2);
      last = point;
    }
    context.lineTo(last[0] + 0.01, last[1]); // a line of zero length would draw no dot
    context.stroke();
  }
}

function longerSide(points) {
  const side = (axis) => Math.max(...points.map((point) => point[axis])) - Math.min(...points.map((point) => point[axis]));
  return Math.max(side(0), side(1));
}

export function hasMoved([[x, y], ...rest]) {
  return rest.some(([toX, toY]) => Math.hypot(toX - x, toY - y) > TAP);
}

export function repaint() {
  const width = Math.round(sheet.clientWidth * devicePixelRatio);
  const height = Math.round((width * DRAWING.height) / DRAWING.width);
  if (sheet.width !== width) Object.assign(sheet, { width, height });
  const context = sheet.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.strokeStyle = getComputedStyle(sheet).color;
  paint(context, height);
  element("hint").hidden = state.strokes.length > 0 || !element("picture").hidden;
  write("hint", state.current?.name ?? "Draw a number here");
  element("undo").disabled = state.past.length === 0;
  element("redo").disabled = state.future.length === 0;
  element("crop").disabled = element("picture").hidden;
  element("clear").disabled = isEmpty();
  write("clear", state.current?.url ? "Draw" : "Clear");
  placeTexts();
}

export function drawing() {
  const canvas = create("canvas", DRAWING);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, DRAWING.width, DRAWING.height);
  paint(context, DRAWING.height);
  return blobOf(canvas.toDataURL()); // toBlob waits until the browser is idle, for seconds in Chromium
}

new ResizeObserver(repaint).observe(sheet);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
