// What was read by a form: a table with a row for each sheet and a column for each field.

import { countDigits, doubtOf, errorOf, fieldsOf, isField, pagesOf } from "./answers.js";
import { create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { form, SHEETS } from "./reading.js";
import { download, escaped, forSpreadsheet } from "./saving.js";
import { choose } from "./sheet.js";
import { state } from "./state.js";

const SHOW_MS = 200; // delay before the table is shown, so that several sheets are shown at once
// A number, in which a zero may precede others only if there are decimals, a date, or a time.
const QUANTITY = /^(-?(0|[1-9]\d*|\d+\.\d+)|\d{4}(-\d\d){2}|\d\d(:\d\d){1,2})$/;
const MOST_DIGITS = 15; // a spreadsheet replaces further ones by zeros
const RULES = ["format", "values", "min", "max", "digits", "check"];
let timer;

// Return the sheets that were read, or refused: {picture, page, pages, error}; `page` counts from 0, and is the first one.
export function sheets() {
  const { length } = state.form.pages;
  return state.listed.flatMap((picture) => {
    const all = picture.answer ? pagesOf(picture.answer) : [{ error: picture.error }];
    const sheetAt = (page) => ({ picture, page, pages: all.slice(page, page + length), error: all[page].error && errorOf(picture, all[page]) });
    const found = [...all.keys()].filter((page) => page % length === 0).map(sheetAt);
    return found.filter((sheet) => sheet.error || linesOf(sheet).some(isField));
  });
}

function linesOf({ pages }) {
  return pages.flatMap(({ lines = [] }) => lines);
}

export function nameOf({ picture, page }) {
  return picture.answer?.pages ? `${picture.name}, page ${page + 1}` : picture.name;
}

function fieldOf(sheet, name) {
  return linesOf(sheet).find((line) => line.name === name);
}

function unsureIn(sheet) {
  return linesOf(sheet).filter(doubtOf).map(({ name }) => name);
}

function showSoon() {
  timer ??= setTimeout(showTable, SHOW_MS);
}

function showTable() {
  timer = undefined;
  const isShown = Boolean(state.form) && form.value === SHEETS;
  for (const id of ["records", "review-all", "save-records"]) element(id).hidden = !isShown;
  for (const id of ["copy-list", "save"]) element(id).hidden = isShown;
  if (!isShown) return;
  const found = sheets();
  const names = fieldsOf(state.form).map(({ name }) => name);
  element("records").replaceChildren(tableOf(found, names));
  const count = found.flatMap(unsureIn).length;
  element("review-all").disabled = count === 0;
  write("review-all", `Review (${count})`);
}

function tableOf(found, names) {
  const table = create("table");
  const head = table.createTHead().insertRow();
  head.append(...["Sheet", ...names].map((textContent) => create("th", { textContent, scope: "col" })));
  table.createTBody().append(...found.map((sheet) => rowOf(sheet, names)));
  return table;
}

function rowOf(sheet, names) {
  const row = create("tr");
  const { picture, page, error } = sheet;
  const button = create("button", { textContent: nameOf(sheet) });
  button.onclick = () => choose(Object.assign(picture, { page }));
  row.append(create("th", { scope: "row" }));
  row.lastChild.append(button);
  if (error) row.append(create("td", { textContent: said(error), colSpan: names.length }));
  else row.append(...names.map((each) => cellOf(fieldOf(sheet, each))));
  return row;
}

function cellOf(line) {
  if (!line) return create("td");
  const isUnsure = Boolean(doubtOf(line));
  const text = line.value ?? line.text;
  return create("td", { textContent: isUnsure ? `${text} ?` : text, className: isUnsure ? "unsure" : "" });
}

function csv() {
  const fields = fieldsOf(state.form);
  const cellOfValue = forSpreadsheet.checked ? kept : escaped;
  const rows = sheets().map((sheet) => {
    const values = fields.map((field) => cellOfValue(fieldOf(sheet, field.name)?.value ?? "", field)); // none of what is not in its format
    const edited = linesOf(sheet).filter((line) => line.edited);
    const fit = sheet.error ? "" : Math.min(...sheet.pages.map((page) => page.fit));
    const [unsure, changed] = [unsureIn(sheet), edited.map(({ name }) => name)].map((names) => names.join(" "));
    const own = [unsure, changed, sheet.picture.name, sheet.page + 1, fit, sheet.error ? said(sheet.error) : ""];
    return [...values, ...own.map((each) => escaped(String(each)))];
  });
  const head = [...fields.map(({ name }) => name), "unsure", "edited", "file", "page", "fit", "error"];
  return [head, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
}

// Return a value as the formula ="007", unless it is a number, a date or a time in a field of which something is known.
function kept(value, field) {
  const isKnown = RULES.some((rule) => field[rule] !== undefined);
  const isQuantity = isKnown && QUANTITY.test(value) && countDigits(value) <= MOST_DIGITS;
  return isQuantity || !value ? value : `="${value.replaceAll('"', '""')}"`;
}

function quoted(cell) {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

addEventListener("list", showSoon); // it, or something in it, has changed
onClick("save-records", () => download(csv(), "text/csv", `${state.form.name}.csv`));
