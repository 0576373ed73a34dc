// What was read by a form: a table with a row for each sheet and a column for each field.

import { doubtOf, errorOf, fieldsOf, isField, pagesOf } from "./answers.js";
import { create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { form, SHEETS } from "./reading.js";
import { ofFile, ofError, rowsOf, save } from "./saving.js";
import { choose } from "./sheet.js";
import { state } from "./state.js";

const SHOW_MS = 200; // delay before the table is shown, so that several sheets are shown at once
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

function isShown() {
  return Boolean(state.form) && form.value === SHEETS;
}

function showSoon() {
  timer ??= setTimeout(showTable, SHOW_MS);
}

function showTable() {
  timer = undefined;
  for (const id of ["records", "review-all"]) element(id).hidden = !isShown();
  element("copy-list").hidden = isShown();
  if (!isShown()) return;
  const found = sheets();
  const names = fieldsOf(state.form).map(({ name }) => name);
  element("records").replaceChildren(tableOf(found, names));
  const count = found.flatMap(linesOf).filter(doubtOf).length;
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

function rowToSave(sheet) {
  const { picture, page, pages, error } = sheet;
  const named = (isWanted) => linesOf(sheet).filter(isWanted).map(({ name }) => name).join(" ");
  const edited = named((line) => line.edited);
  const { form, confidence, model } = error ? {} : pages[0];
  return {
    ...ofFile(picture),
    ...(error && ofError(error)),
    ...{ unsure: named(doubtOf), edited, form, model, confidence: edited ? undefined : confidence },
    page: picture.answer?.pages && page + 1,
    fit: error ? undefined : Math.min(...pages.map(({ fit }) => fit)),
    cells: fieldsOf(state.form).map(({ name }) => fieldOf(sheet, name)?.value ?? ""), // none of what is not in its format
  };
}

function saveShown() {
  if (isShown()) save(sheets().map(rowToSave), `${state.form.name}.csv`, state.form);
  else save(state.listed.flatMap(rowsOf), "digits.csv");
}

addEventListener("list", showSoon); // it, or something in it, has changed
onClick("save", saveShown);
