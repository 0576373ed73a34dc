// Corrections, if the service stores them. The shown text changes with them.

import { isField, isNumber } from "./answers.js";
import { choices } from "./digits.js";
import { create, element, onClick, write } from "./dom.js";
import { cellsOf, change } from "./editing.js";
import { pictureOf, wholePicture } from "./explanation.js";
import { blobOf } from "./images.js";
import { askPatiently } from "./service.js";
import { state } from "./state.js";
import { showTools } from "./view.js";

for (const label of [..."0123456789", ""]) {
  const onclick = () => correct(label || "none", pictureOf(state.chosen), relabelled(label));
  element("labels").append(create("button", { textContent: label || "no digit", onclick }));
}

fetch("health").then((response) => response.json()).then(({ corrections }) => {
  element("correct").hidden = !corrections;
  showTools();
}).catch(() => {}); // the service does not answer

function askForCorrection() {
  const isOneOfMany = state.chosen && isNumber(state.shown);
  const subject = isOneOfMany ? `Digit ${choices().findIndex(({ checked }) => checked) + 1}` : "It";
  write("correct-title", `Wrong? ${subject} is a …`);
  const stored = isOneOfMany ? "this digit's frame" : "the picture";
  write("thanks", `Your correction will be stored with ${stored}, for training.`);
  for (const button of element("labels").children) button.disabled = !state.chosen;
  element("store").disabled = !state.shown?.text || isField(state.shown.lines[0]);
}

addEventListener("digit", askForCorrection); // another digit is chosen
onClick("store", () => correct(state.shown.text, state.shown.picture ? blobOf(state.shown.picture) : wholePicture()));

// Return the line of the chosen digit, and its cells with a label in place of the digit.
function relabelled(label) {
  const index = state.shown.lines.findIndex(({ digits }) => digits.includes(state.chosen));
  let place = state.shown.lines[index].digits.indexOf(state.chosen);
  const relabel = (text) => (isNumber(state.shown) ? text.replace(/\d/g, (digit) => (place-- ? digit : label)) : label);
  return [index, cellsOf(index).map(relabel)];
}

async function correct(label, picture, cells) {
  const page = state.shown;
  const thanks = (words) => page === state.shown && write("thanks", words);
  try {
    const words = await store(label, picture, thanks);
    if (page !== state.shown) return;
    if (cells) change(...cells);
    write("thanks", words);
  } catch (error) {
    thanks(error.message);
  }
}

// Store a picture with its label, and return what to say of it.
export async function store(label, picture, say) {
  const { stored } = await askPatiently(`corrections?label=${encodeURIComponent(label)}`, await picture, undefined, say);
  return `Thank you: ${stored ? "your correction is" : "it was already"} stored.`;
}
