// A page: one line of its list or table is selected there, or by its box on the picture.

import { byLine, doubt, inWords, placeOf, shareOf, unsureCells } from "./answers.js";
import { markChosen, outlinesOf, placeTexts, textBeside } from "./boxes.js";
import { showChoices } from "./digits.js";
import { boxes, create, element, radio, write } from "./dom.js";
import { isPage, state } from "./state.js";

export let lineLabels = []; // with a radio button for each line

export function showPage() {
  const { pages } = state.current?.answer ?? {};
  const lines = isPage() ? byLine(state.shown) : [];
  lineLabels = lines.map(lineChoice);
  element("page").hidden = !pages && !isPage();
  for (const id of ["previous", "next"]) element(id).hidden = !pages;
  showPlace();
  element("lines").replaceChildren(...(lines.length && state.shown.table ? [tableOf(state.shown.table)] : lineLabels));
  boxes.replaceChildren(...lines.flatMap(outlinesOf), ...lines.map(textBeside));
  if (!isPage()) return showChoices(state.shown?.lines ?? []);
  placeTexts();
  (lineLabels[state.current.line] ?? lineLabels[0]).control.click();
}

export function showPlace() {
  const place = state.current?.answer?.pages && placeOf(state.current);
  write("sum", [place, isPage() && inWords(state.shown)].filter(Boolean).join(": "));
}

function lineChoice(line, index) {
  const note = create("small", { textContent: inWords(line) });
  const label = radio("line", [create("span", { textContent: line.text }), note], () => {
    state.current.line = index;
    markChosen(index, lineLabels);
    write("text", line.text);
    write("message", inWords(line));
    showChoices(line.lines);
    bringIntoView(label.row ?? label);
  });
  label.classList.toggle("unsure", Boolean(doubt(line)) && !line.cells); // a table marks its cells
  return label;
}

// Scroll the list no further than it takes, so that a second click hits the same line.
function bringIntoView({ offsetTop, offsetHeight }) {
  const list = element("lines");
  list.scrollTop = Math.max(offsetTop + offsetHeight - list.clientHeight, Math.min(list.scrollTop, offsetTop));
}

function tableOf(rows) {
  const [table, lines] = [create("table"), byLine(state.shown)];
  const width = Math.max(...rows.map(({ length }) => length));
  rows.forEach((cells, index) => {
    const [label, row] = [lineLabels[index], table.insertRow()];
    for (const cell of cells) row.insertCell().textContent = cell;
    row.cells[0].colSpan = width - cells.length + 1; // of a line outside of the table, which is all of its row
    row.insertCell().append(label.lastChild); // how sure it is
    const line = lines[index];
    if (state.shown.cells) row.lastChild.firstChild.textContent = shareOf(line);
    for (const column of unsureCells(line)) row.cells[column].classList.add("unsure");
    label.control.ariaLabel = `Row ${index + 1}: ${line.text}, ${inWords(line)}`;
    label.children[1].textContent = cells[0];
    label.row = row;
    row.cells[0].replaceChildren(label);
    row.onclick = ({ isTrusted, target }) => {
      if (isTrusted && target.type !== "text") label.control.focus(); // so that Enter edits it
      label.control.click();
    };
  });
  return table;
}
