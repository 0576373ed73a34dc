// Review: the fields in doubt, of all sheets, one after the other, the least sure first.

import { doubtOf, pagesOf } from "./answers.js";
import { withMargin } from "./boxes.js";
import { store } from "./corrections.js";
import { create, element, onClick, set, write } from "./dom.js";
import { putLine, withText } from "./editing.js";
import { blobOf } from "./images.js";
import { nameOf, sheets } from "./records.js";

const AROUND = 0.6; // margin around a field, in its heights
let field; // the one that is shown: {picture, page, index}; its page and index count from 0
let done = []; // those that were shown before
let isWhole = false; // whether the whole sheet is shown
let storing = Promise.resolve(); // one correction after the other, since the last label of a field counts

function lineOf({ picture, page, index }) {
  return pagesOf(picture.answer)[page].lines[index];
}

function inDoubt() {
  const all = sheets().flatMap(({ picture, page, pages }) =>
    pages.flatMap(({ lines = [] }, number) => lines.map((_, index) => ({ picture, page: page + number, index }))));
  return all.filter((each) => doubtOf(lineOf(each)));
}

function open() {
  done = [];
  say(isStored() ? "What you change is stored with the field's picture, for training." : "");
  element("review").showModal();
  showNext();
}

function showNext() {
  const left = inDoubt();
  const confidences = left.map((each) => lineOf(each).confidence);
  show(left[confidences.indexOf(Math.min(...confidences))]);
}

function show(next) {
  field = next;
  isWhole = false;
  const count = inDoubt().length;
  write("review-left", field ? `${count} left` : "All fields are checked.");
  element("review-field").hidden = !field;
  element("back").disabled = done.length === 0;
  if (!field) return element("review-close").focus();
  const line = lineOf(field);
  write("review-name", line.name);
  write("review-where", `${nameOf(field)}: ${doubtOf(line) ?? "checked"}`);
  element("review-text").value = line.text;
  element("others").replaceChildren(...othersOf(line).map(otherButton));
  showPicture();
  element("right").focus();
}

function othersOf({ alternatives = [], text }) {
  return alternatives.map((other) => other.text).filter((other) => other && other !== text).slice(0, 9);
}

function otherButton(text, index) {
  const button = create("button", { onclick: () => settle(text) });
  button.append(create("kbd", { textContent: index + 1 }), ` ${text}`);
  return button;
}

// Show the field, or the whole sheet, with a frame around it.
function showPicture() {
  const { picture, page } = field;
  const read = pagesOf(picture.answer)[page];
  const { left, top, width, height } = lineOf(field).box;
  const [image, frame] = element("review-picture").children;
  image.onload = showPart;
  for (const side of ["width", "height"]) image.removeAttribute(side); // its own, unless the service has reduced it
  set(image, { href: read.picture ?? picture.url, ...read.size });
  set(frame, { x: left, y: top, width, height });
  showPart();
}

function showPart() {
  const svg = element("review-picture");
  const { box } = lineOf(field);
  const sheet = svg.firstElementChild.getBBox();
  const part = withMargin(box, AROUND * box.height);
  const view = isWhole ? [0, 0, sheet.width, sheet.height] : part;
  set(svg, { viewBox: view.join(" ") });
  svg.classList.toggle("whole", isWhole);
  element("around").ariaPressed = isWhole;
}

// Return whether the service stores corrections.
function isStored() {
  return !element("correct").hidden;
}

const say = (words) => write("review-note", words);

function settle(text) {
  const { picture, text: read } = lineOf(field);
  if (isStored() && text !== read) storing = storing.then(() => store(text || "none", blobOf(picture), say)).then(say, ({ message }) => say(message));
  putLine(field, withText(lineOf(field), text));
  done.push(field);
  showNext();
}

const acts = {
  right: () => settle(element("review-text").value.trim()),
  empty: () => settle(""),
  back: () => done.length && show(done.pop()),
  around: () => {
    isWhole = !isWhole;
    showPart();
  },
  type: () => element("review-text").select(),
};
const KEYS = { e: "empty", b: "back", s: "around", t: "type" };

for (const id of ["right", "empty", "back", "around"]) onClick(id, acts[id]);
onClick("review-all", open);
onClick("review-close", () => element("review").close());

element("review-text").onkeydown = (event) => {
  if (event.key === "Enter") acts.right();
  else if (event.key === "Escape") element("right").focus();
  else return;
  event.preventDefault();
};

element("review").onkeydown = (event) => {
  const isTaken = event.ctrlKey || event.metaKey || event.altKey || event.target === element("review-text");
  const key = KEYS[event.key.toLowerCase()];
  const act = acts[key] ?? element("others").children[event.key - 1]?.onclick;
  if (isTaken || !act || (!field && key !== "back")) return;
  event.preventDefault();
  act();
};
