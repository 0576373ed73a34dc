// The list as rows of a table: for a spreadsheet to paste, or as CSV.

import { byLine, doubt, errorOf, headline, isEdited, NOTHING, pagesOf, unsureCells, UNREAD } from "./answers.js";
import { copy, create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { errorIn, patiently, post } from "./service.js";
import { state } from "./state.js";

export function rowsOf(picture) {
  const { answer } = picture;
  const pages = answer ? pagesOf(answer) : [{ error: picture.error ?? UNREAD }];
  const rows = pages.flatMap((page) => rowsOfPage({ ...page, error: page.error && errorOf(picture, page) }));
  return rows.map((row) => ({ ...ofFile(picture), ...row }));
}

export function ofFile({ name: file, blob }) {
  const { size, lastModified } = blob instanceof File ? blob : {};
  return { file, size, modified: lastModified && new Date(lastModified).toISOString() };
}

export function ofError(error) {
  return { error: said(error), problem: error.type?.split("/").at(-1) };
}

function rowsOfPage(read) {
  const { page, error, table, confidence, legibility, model } = read;
  if (error) return [{ ...ofError(error), page }];
  const own = { confidence, legibility, unsure: doubt(read) && "yes", model, page };
  if (headline(read) === NOTHING && !isEdited(read)) return [own];
  return byLine(read).map((each, index) => {
    const { text, digits, box, confidence, format, value, edited } = { ...each, ...each.lines[0] };
    const least = edited ? undefined : Math.min(1, ...digits.map((digit) => digit.legibility));
    const named = each.cells && unsureCells(each).map((column) => `cell${column + 1}`).join(" ");
    const unsure = named ?? (doubt(each) && "yes");
    const meant = { format: { true: "yes", false: "no" }[format], value, edited: edited && "yes", unsure };
    return { ...own, line: index + 1, text, cells: read.cells && !each.cells ? undefined : table?.[index], confidence, legibility: least, ...box, ...meant };
  });
}

// Return the lines, or the rows of tables, for a spreadsheet to paste: after the name of one of several pictures, and the
// page of a document; before the value in the chosen form.
function rowsToPaste(pictures) {
  const rows = pictures.flatMap(rowsOf).map(({ file, page, cells, text, error, value }) =>
    [pictures.length > 1 ? file : undefined, page, ...(cells ?? [text ?? error ?? ""]), value]);
  return rows.map((row) => row.filter((cell) => cell !== undefined).map(escaped).join("\t")).join("\n");
}

// An apostrophe precedes a text, except a number, that a spreadsheet would run as a formula.
export function escaped(text) {
  const isFormula = /^'*[=+\-@\t\r\n]/.test(text);
  const isNumber = /^[+-][0-9.,]+$/.test(text);
  return isFormula && !isNumber ? `'${text}` : text;
}

// Let the service write the CSV: a row, of a sheet if there is a form, is a line of JSON, in which all is text.
export async function save(rows, name, form) {
  const asText = (_, value) => (typeof value === "number" ? String(value) : (value ?? undefined));
  const lines = new Blob(rows.map((row) => `${JSON.stringify(row, asText)}\n`));
  const say = (words) => write("save-note", words);
  say("");
  try {
    const csv = await patiently(() => askForCsv(lines, say, form), undefined, say);
    download(csv, "text/csv", name);
    say("");
  } catch (error) {
    say(`The CSV was not saved. ${error.message}`);
  }
}

export function download(text, type, name) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  create("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000); // the browser may still be reading it
}

async function askForCsv(rows, say, form) {
  const response = await post(`csv?spreadsheet=${element("for-spreadsheet").checked}`, rows, undefined, say, () => {}, form);
  const isCsv = response.getResponseHeader("Content-Type")?.startsWith("text/csv");
  return isCsv ? response.responseText : Promise.reject(errorIn(response));
}

onClick("copy-page", ({ target }) => copy(rowsToPaste([state.current]), target));
onClick("copy-list", ({ target }) => copy(rowsToPaste(state.listed), target));
