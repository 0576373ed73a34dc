// The list as rows of a table: for a spreadsheet to paste, or as CSV.

import { byLine, doubt, errorOf, headline, isEdited, NOTHING, pagesOf, UNREAD } from "./answers.js";
import { copy, create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { errorIn, patiently, post } from "./service.js";
import { state } from "./state.js";

export const forSpreadsheet = element("for-spreadsheet"); // whether it is to keep the zeros of 007, and to add up values

function rowsOf(picture) {
  const { name: file, blob, answer } = picture;
  const { size, lastModified } = blob instanceof File ? blob : {};
  const own = { file, size, modified: lastModified && new Date(lastModified).toISOString() };
  const pages = answer ? pagesOf(answer) : [{ error: picture.error ?? UNREAD }];
  return pages.flatMap((page) => rowsOfPage({ ...page, error: page.error && errorOf(picture, page) }).map((row) => ({ ...own, ...row })));
}

function rowsOfPage(read) {
  const { page, error, table, confidence, legibility, model } = read;
  if (error) return [{ error: said(error), problem: error.type?.split("/").at(-1), page }];
  const own = { confidence, legibility, unsure: doubt(read) && "yes", model, page };
  if (headline(read) === NOTHING && !isEdited(read)) return [own];
  return byLine(read).map((each, index) => {
    const { text, digits, box, confidence, format, value, edited } = { ...each, ...each.lines[0] };
    const least = edited ? undefined : Math.min(1, ...digits.map((digit) => digit.legibility));
    const meant = { format: { true: "yes", false: "no" }[format], value, edited: edited && "yes", unsure: doubt(each) && "yes" };
    return { ...own, line: index + 1, text, cells: table?.[index], confidence, legibility: least, ...box, ...meant };
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

// Let the service write the CSV: a row is a line of JSON, in which all is text.
async function save() {
  const asText = (_, value) => (typeof value === "number" ? String(value) : (value ?? undefined));
  const rows = state.listed.flatMap(rowsOf).map((row) => `${JSON.stringify(row, asText)}\n`);
  const say = (words) => write("save-note", words);
  say("");
  try {
    const csv = await patiently(() => askForCsv(new Blob(rows), say), undefined, say);
    download(csv, "text/csv", "digits.csv");
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

async function askForCsv(rows, say) {
  const response = await post(`csv?spreadsheet=${forSpreadsheet.checked}`, rows, undefined, say, () => {});
  const isCsv = response.getResponseHeader("Content-Type")?.startsWith("text/csv");
  return isCsv ? response.responseText : Promise.reject(errorIn(response));
}

onClick("save", save);
onClick("copy-page", ({ target }) => copy(rowsToPaste([state.current]), target));
onClick("copy-list", ({ target }) => copy(rowsToPaste(state.listed), target));
