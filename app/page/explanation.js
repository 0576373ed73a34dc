// The explanation of the selected digit, requested only if its section is open, and after a delay.

import { isNumber, percent } from "./answers.js";
import { boxAround } from "./boxes.js";
import { create, createSvg, element, set, write } from "./dom.js";
import { blobOf, sourceOf, toSend } from "./images.js";
import { askPatiently, headers } from "./service.js";
import { state, tab } from "./state.js";

const EXPLAIN_MS = 300; // delay of the request for an explanation, which the next stroke cancels
// Whether the screen has room for the explanation.
const isRoomy = matchMedia("(min-width: 75rem), (min-width: 46rem) and (min-height: 56rem)").matches;
const LONG = 8; // rows of a table that are in view; more of them get the room of the explanation
const explanations = new WeakMap(); // digit → the service's explanation
let explaining = new AbortController();
let explainTimer;

export function explainSoon() {
  clearTimeout(explainTimer);
  explaining.abort();
  element("reading").ariaBusy = Boolean(state.chosen);
  if (!state.chosen) showExplanation();
  else if (element("reading").open) explainTimer = setTimeout(explain, explanations.has(state.chosen) ? 0 : EXPLAIN_MS);
}

async function explain() {
  if (element("answer").ariaBusy === "true") return; // the next answer requests an explanation
  const [digit, picture] = [state.chosen, state.current];
  const { signal } = (explaining = new AbortController());
  try {
    const explanation = explanations.get(digit) ?? (await askPatiently("explain?opinion=false", await pictureOf(digit), signal));
    const source = await sourceOf(picture);
    if (signal.aborted) return;
    explanations.set(digit, explanation);
    showExplanation(digit, explanation, source);
  } catch (error) {
    if (signal.aborted) return;
    showExplanation();
    write("reading-note", `The explanation failed: ${error.message}`);
  }
}

export async function pictureOf(digit) {
  return isNumber(state.shown) ? blobOf(digit.frame) : wholePicture();
}

export async function wholePicture() {
  return (await toSend(state.current)).blob;
}

function showExplanation(digit, explanation, source) {
  element("reading").ariaBusy = "false";
  write("reading-note", "");
  showLayers(explanation?.layers ?? []);
  showStrip(digit, explanation, source);
  showEvidence(explanation);
}

function showStrip(digit, explanation, source) {
  const isWhole = digit && !isNumber(state.shown); // otherwise only the frame was explained, without its ink
  element("reading-line").hidden = !digit || isWhole;
  showStep("strip-picture", source, !digit || state.size);
  showStep("strip-ink", explanation?.ink, !digit || isWhole);
  showStep("strip-frame", digit?.frame, true);
  showStep("strip-crop", isWhole ? explanation?.ink : digit && source, !digit || state.size);
  element("strip-box").replaceChildren();
  if (!digit || !state.size) return;
  const { left, top, width, height } = digit.box;
  set(element("strip-crop"), { viewBox: `${left} ${top} ${width} ${height}` });
  set(element("strip-crop").firstElementChild, { ...state.size, preserveAspectRatio: "none" });
  set(element("strip-box"), { viewBox: `0 0 ${state.size.width} ${state.size.height}` });
  element("strip-box").append(boxAround(digit.box));
}

function showStep(id, source, isShown) {
  const image = element(id);
  const [target, name] = image.localName === "svg" ? [image.firstElementChild, "href"] : [image, "src"];
  image.closest("li").hidden = !isShown;
  image.toggleAttribute("hidden", !source);
  if (source) target.setAttribute(name, source);
  else target.removeAttribute(name);
}

function showEvidence(explanation) {
  const map = element("evidence");
  map.replaceChildren();
  const { digit = "the digit", runner_up: second = "its runner-up", probabilities } = explanation ?? {};
  const named = (each) => `for ${each}${probabilities ? `, ${percent(probabilities[each])}` : ""}`;
  write("why-title", explanation ? `Why ${digit}, and not ${second}, the runner-up?` : "Why?");
  write("for", named(digit));
  write("against", named(second));
  if (!explanation) return;
  map.append(createSvg("image", { href: explanation.frame, width: 28, height: 28 }), ...squares(explanation.evidence));
}

function squares(evidence) {
  const strongest = Math.max(...evidence.flat().map(Math.abs)) || 1;
  return evidence.flatMap((row, r) => row.map((weight, c) => {
    const colour = { class: weight > 0 ? "for" : "against", "fill-opacity": (0.8 * Math.abs(weight)) / strongest };
    return createSvg("rect", { x: 4 * c, y: 4 * r, width: 4, height: 4, ...colour });
  }));
}

function showLayers(layers) {
  if (state.chosen) element("inside").hidden = layers.length === 0;
  element("layers").replaceChildren(...layers.map(({ shape: [count, height, width], picture }, index) => {
    const figure = create("figure");
    const size = height > 1 ? `${count} maps of ${height}×${width}` : `${count} units`;
    const image = create("img", { src: picture, alt: `Activations of layer ${index + 1}: ${size}` });
    figure.append(image, create("figcaption", { textContent: `Layer ${index + 1}: ${size}` }));
    if (index === 0) element("unit").max = count * height * width - 1;
    return figure;
  }));
  if (layers.length && !element("weights").src) chooseUnit(0);
}

async function chooseUnit(unit) {
  element("unit").value = unit;
  try {
    const response = await fetch(`explain/units/${unit}`, { headers: headers() });
    if (response.ok) element("weights").src = (await response.json()).weights;
  } catch {} // the service does not answer: the next explanation says so
}

element("unit").onchange = ({ target }) => chooseUnit(Number(target.value));
function isOpenByItself() {
  return isRoomy && !(state.shown?.table?.length > LONG);
}

// Fold the explanation beside a long table, unless the user has opened it.
export function foldOrOpen() {
  element("reading").open = (tab.open ?? String(isOpenByItself())) === "true";
}

element("reading").ontoggle = ({ target }) => {
  if (target.open === isOpenByItself()) delete tab.open;
  else tab.open = target.open;
  explainSoon();
};
