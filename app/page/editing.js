// Editing: of the chosen line, or the cells of its row, in their place. What was edited is no longer in doubt.

import { byLine, countDigits, described, isNumber, pagesOf, unsureCells } from "./answers.js";
import { closeUp } from "./close-up.js";
import { create, element, onClick } from "./dom.js";
import { lineLabels } from "./lines.js";
import { refreshRow, showList } from "./list.js";
import { isPage, remember, state } from "./state.js";
import { show } from "./view.js";

// The keyboard that a phone shows, by what is read.
const INPUT_MODES = { "&format=integer": "numeric", "&format=decimal": "decimal", "&format=amount": "decimal", "&format=phone": "tel" };

// If a line has as many digits as before, they keep their probabilities.
function edited(line = { text: "", digits: [], marks: [] }, text) {
  if (text === line.text) return line;
  const isAlike = !isNumber(state.shown) || countDigits(text) === line.digits.length;
  const hasForm = (line.value ?? line.format) !== undefined;
  const value = hasForm ? text : undefined; // as it was typed
  return { ...line, text, digits: isAlike ? line.digits : [], edited: true, value, format: undefined, confidence: undefined };
}

// Show other cells, or another text, in a line of the open page.
export function change(index, cells) {
  remember();
  const withPart = (parts, part) => Object.assign([...parts], { [index]: part });
  const lines = withPart(state.shown.lines, edited(state.shown.lines[index], cells.filter(Boolean).join(" ")));
  const table = state.shown.table && withPart(state.shown.table, cells);
  putPage(state.current, state.current.page ?? 0, { ...state.shown, lines, table });
  show(state.current);
  if (state.current.row) showList(state.listed);
}

function putPage(picture, index, page) {
  const { answer } = picture;
  const whole = { ...page, text: page.lines.map(({ text }) => text).filter(Boolean).join("\n") };
  picture.answer = answer.pages ? { ...answer, pages: answer.pages.with(index, whole) } : whole;
}

// Return the field of a form with a text that somebody has checked.
export function withText(line, text) {
  const checked = edited(line, text);
  return { ...checked, value: checked.value ?? text, edited: true, format: undefined, confidence: undefined };
}

// Put a line in the place of another, also on a page that is not shown.
export function putLine({ picture, page, index }, line) {
  remember();
  const read = pagesOf(picture.answer)[page];
  putPage(picture, page, { ...read, lines: read.lines.with(index, line) });
  if (picture === state.current) show(picture);
  refreshRow(picture);
}

// Return the texts of the cells of a line: of one, unless it is a row of a table.
export function cellsOf(index) {
  return state.shown.table?.[index] ?? [state.shown.lines[index]?.text ?? ""];
}

function inputFor(value, index, at) {
  const inputMode = INPUT_MODES[element("form").value] ?? "text";
  const { box = state.shown.box } = state.shown.lines[index] ?? {};
  const own = state.shown.cells?.[index]?.[at].box ?? box;
  const onfocus = ({ target }) => closeUp(target, own, box);
  const ariaLabel = described(value, byLine(state.shown)[index], index, at);
  return create("input", { type: "text", value, inputMode, ariaLabel, onfocus });
}

function edit(column = 0) {
  const index = isPage() ? (state.current.line ?? 0) : 0;
  const label = lineLabels[index];
  const inputs = cellsOf(index).map((value, at) => inputFor(value, index, at));
  const first = inputs[column] ?? inputs[0];
  if (!label) element("digits").hidden = false;
  if (label?.row) inputs.forEach((input, at) => label.row.cells[at].append(input));
  else (label?.children[1] ?? element("digits")).replaceChildren(...inputs);
  for (const input of inputs) {
    input.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault(); // nor does the key press the button that has the focus then
      const [next] = inDoubtAfter(index, inputs.indexOf(input));
      if (event.key === "Enter" && next?.index === index) return inputs[next.column].select();
      finish(event.key === "Enter");
      if (event.key === "Enter" && next) editAt(next);
    };
    input.onblur = ({ relatedTarget }) => inputs.includes(relatedTarget) || finish(true, relatedTarget);
  }
  first.focus();
  first.select();

  function finish(isKept, next) {
    closeUp(null);
    for (const input of inputs) input.onblur = null; // its removal takes the focus, too
    const cells = inputs.map(({ value }) => value.trim());
    const nextLine = lineLabels.findIndex(({ control }) => control === next);
    if (nextLine >= 0) state.current.line = nextLine;
    if (isKept && cells.join() !== cellsOf(index).join()) change(index, cells);
    else show(state.current);
    if (!next || nextLine >= 0) (lineLabels[state.current.line]?.control ?? element("edit")).focus();
  }
}

// Return the cells in doubt after one of a table.
function inDoubtAfter(row, column) {
  const cells = byLine(state.shown).flatMap((line, index) => unsureCells(line).map((at) => ({ index, column: at })));
  return cells.filter((cell) => cell.index > row || (cell.index === row && cell.column > column));
}

// Edit a line, or a cell of a table.
export function editAt({ index, column }) {
  lineLabels[index].control.click();
  edit(column);
}

onClick("edit", () => edit());
element("lines").ondblclick = ({ target }) => target.type === "text" || edit(target.closest("td")?.cellIndex);

element("lines").onkeydown = ({ key, target }) => {
  if (key === "Enter" && target.type === "radio") edit();
};
