// A number: one digit is selected in its text, by its box on the picture, or with the arrow keys.

import { countDigits, digitsOf, isEdited, isNumber, percent } from "./answers.js";
import { boxAround, markChosen } from "./boxes.js";
import { boxes, create, element, radio } from "./dom.js";
import { explainSoon } from "./explanation.js";
import { isPage, state } from "./state.js";

const bars = Array.from({ length: 10 }, (_, digit) => {
  const row = create("li", { innerHTML: `<b>${digit}</b><span><i></i></span><span></span>` });
  element("bars").append(row);
  return { row, fill: row.querySelector("i"), share: row.lastChild };
});

export function showChoices(lines) {
  const digits = digitsOf({ lines });
  const group = element("digits");
  group.hidden = !lines.some(({ text }) => text) || !(isNumber(state.shown) || isEdited(state.shown));
  group.replaceChildren();
  if (group.hidden) {
    showDigit(digits[0]);
    return;
  }
  fit(group, lines);
  for (const line of lines) {
    const row = create("div");
    const own = line.digits.values();
    row.append(...Array.from(line.text, (sign) => {
      const digit = /\d/.test(sign) && own.next().value;
      return digit ? choice(sign, digit, digits) : mark(sign);
    }));
    group.append(row);
  }
  if (!isPage()) boxes.append(...digits.map(({ box }, index) => Object.assign(boxAround(box), { index })));
  if (!digits.length) return showDigit();
  const same = digits.indexOf(state.chosen);
  const newest = state.strokes.length ? digits.length - 1 : 0;
  choices()[same < 0 ? newest : same].click();
}

// The style sheet makes long numbers smaller. A mark or a space is half as wide as a digit.
export function fit(place, lines) {
  const lengths = lines.map(({ text }) => (text.length + countDigits(text)) / 2);
  place.style.setProperty("--length", Math.max(...lengths));
  place.style.setProperty("--lines", lines.length);
}

export function choices() {
  return [...element("digits").querySelectorAll("input")];
}

function choice(sign, digit, digits) {
  const index = digits.indexOf(digit);
  const label = radio("digit", [sign], () => {
    showDigit(digit);
    if (!isPage()) markChosen(index);
  });
  label.control.ariaLabel = `Digit ${index + 1} of ${digits.length}: ${sign}, ${percent(digit.probabilities[sign])}`;
  return label;
}

// Screen readers get the whole text elsewhere.
function mark(sign) {
  return create("span", { textContent: sign, ariaHidden: "true" });
}

function showDigit(digit) {
  state.chosen = digit;
  element("frame").hidden = !digit;
  if (digit) element("frame").src = digit.frame;
  bars.forEach(({ row, fill, share }, each) => {
    const probability = digit?.probabilities[each];
    row.classList.toggle("best", each === digit?.digit);
    fill.style.transform = `scaleX(${probability ?? 0})`;
    share.textContent = digit ? percent(probability) : "–";
  });
  dispatchEvent(new Event("digit"));
  explainSoon();
}

addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const digits = choices();
  const isTaken = event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, pre, dialog, #part, #plan");
  if (!step || digits.length === 0 || isTaken) return; // the browser handles the key
  const next = digits.at((digits.findIndex(({ checked }) => checked) + step) % digits.length);
  next.click();
  next.focus();
});
