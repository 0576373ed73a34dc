// A close-up of what is edited: its part of the picture, right above the field.

import { boxAround, withMargin } from "./boxes.js";
import { element, set } from "./dom.js";
import { sourceOf } from "./images.js";
import { state } from "./state.js";

const AROUND = 0.5; // margin around what is edited, in heights of its line
const GAP = 6; // pixels between the close-up and the field, and the sides of the window
const view = element("close-up");
let field; // the one below it, if it is shown

// Show what is in a box, with some of the picture around it; or nothing, if there is no field or no picture.
export async function closeUp(input, box, line) {
  field = box && state.size ? input : null;
  view.toggleAttribute("hidden", !field);
  if (!field) return;
  const [picture, frame] = view.children;
  set(view, { viewBox: withMargin(box, AROUND * line.height).join(" ") });
  boxAround(box, 0.1 * line.height, frame);
  place();
  set(picture, { ...state.size, href: await sourceOf(state.current) });
}

function place() {
  if (!field) return;
  const { left, top } = field.getBoundingClientRect();
  const { width, height } = view.getBoundingClientRect();
  const most = document.documentElement.clientWidth - width - GAP;
  view.style.left = `${scrollX + Math.max(GAP, Math.min(left, most))}px`;
  view.style.top = `${scrollY + top - height - GAP}px`;
}

for (const type of ["scroll", "resize"]) addEventListener(type, place, true); // also of the table
