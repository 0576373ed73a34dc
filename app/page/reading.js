// Reading a picture: POST /read, and /predict where nothing is read.

import { digitsOf, fieldsOf, isMissing, isWhole, missingIn, UNREAD } from "./answers.js";
import { element } from "./dom.js";
import { isBusy, refused } from "./errors.js";
import { inPixelsOf, toSend } from "./images.js";
import { ask, reason } from "./service.js";
import { state } from "./state.js";

const MOST_RANGES = 80; // of pages in a request, whose query may have 1,024 bytes
const ALTERNATIVES = 5; // readings of a field to choose from
export const form = element("form"); // of the numbers; the value of an option is its part of a request
export const SHEETS = "sheets"; // the option for sheets of a printed form

// Read a picture, or the pages that are missing in the answer for a document. If there is one digit without marks, and no form
// was chosen, the answer is like that of /predict; if there is nothing, it is that, which says what the picture is most like.
// `say` is told what the user waits for, and `onPage` which page of a document has arrived.
export async function attempt(picture, signal, say, onPage) {
  const started = performance.now();
  const sent = await toSend(picture);
  const own = { route: "read", form: form.selectedOptions[0].text };
  const printed = picture.url && form.value === SHEETS ? state.form : null;
  const format = form.value === SHEETS ? "" : form.value;
  const finished = (page) => ({ ...own, ...inPixelsOf(inRows(byField(page, printed)), sent), milliseconds: performance.now() - started });
  const pages = missingIn(picture.answer).map(({ page }) => page);
  const ofPicture = `frame=true${picture.url ? "&rotate=auto&picture=true" : ""}${format}`;
  const ofSheet = `picture=true&alternatives=${ALTERNATIVES}`;
  const route = `read?${printed ? ofSheet : ofPicture}${pages.length ? `&page=${rangesOf(pages)}` : ""}`;
  const take = ({ pages: count, ...read }) => {
    for (const page of pagesIn(read, printed, count)) {
      if (addPage(picture, page.error ? page : finished(page), count ?? read.scans.length)) onPage(page);
    }
  };
  const answer = await ask(route, sent.blob, signal, say, take, printed);
  if (isWhole(picture.answer)) return;
  if (answer.pages || pages.length) throw errorOfMissing(picture.answer);
  const page = finished(answer);
  if (printed || format || page.table || !/^\d?$/.test(page.text)) return (picture.answer = page);
  const [digit] = page.text ? digitsOf(page) : [inPixelsOf(await ask("predict?frame=true", sent.blob, signal, say), sent)];
  const text = String(digit.digit);
  picture.answer = { ...page, ...digit, route: "predict", text, lines: [{ text, digits: [digit] }] };
}

// Return the pages in a part of the answer for a document. A sheet may have several, each with its own fields.
function pagesIn({ scans, ...read }, printed, count) {
  if (scans) return scans.map((scan) => ({ ...read, ...scan, fields: fieldsOn(scan.page, read.fields) }));
  if (!count) return [];
  const pages = Array.from({ length: read.error && printed ? printed.pages.length : 1 }, (_, index) => ({ ...read, page: read.page + index }));
  return pages.filter(({ page }) => page <= count);
}

function fieldsOn(page, fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, field]) => field.page === page));
}

// Return an answer in which each field of a form is a line, in the form's order.
function byField({ fields, ...answer }, printed) {
  if (!fields) return answer;
  const lines = fieldsOf(printed).filter(({ name }) => fields[name])
    .map(({ name, required }) => ({ ...fields[name], name, required, digits: [], marks: [] }));
  return { ...answer, lines, text: lines.map(({ text }) => text).join("\n") };
}

// Return an answer with a line for each row of its table, also for empty ones, and a row of the table for each line.
function inRows(answer) {
  const { lines, table, cells } = answer;
  if (!cells || (lines.length === cells.length && lines.every(({ row }) => row === undefined))) return answer;
  const isRow = ({ row }) => row !== undefined;
  const begin = lines.some(isRow) ? lines.findIndex(isRow) : lines.length;
  const ofTable = cells.map((row, index) => lines.find((line) => line.row === index) ?? emptyLine(row, index));
  const after = lines.slice(begin).filter((line) => !isRow(line));
  const all = [...lines.slice(0, begin), ...ofTable.filter(Boolean), ...after];
  const rows = all.map(({ row, text }) => table[row] ?? [text]);
  return { ...answer, lines: all, table: rows, cells: all.map(({ row }) => cells[row]) };
}

// Return the line of a row without numbers, unless all of it is part of the row above.
function emptyLine(cells, row) {
  const boxes = cells.map(({ box }) => box).filter(Boolean);
  if (!boxes.length) return;
  const [left, top] = ["left", "top"].map((side) => Math.min(...boxes.map((box) => box[side])));
  const width = Math.max(...boxes.map((box) => box.left + box.width)) - left;
  const height = Math.max(...boxes.map((box) => box.top + box.height)) - top;
  const confidence = Math.min(...cells.map((cell) => cell.confidence ?? 1));
  return { text: "", row, box: { left, top, width, height }, confidence, digits: [], marks: [] };
}

function errorOfMissing(answer) {
  const errors = missingIn(answer).map(({ error }) => error);
  const error = errors.find(isBusy) ?? errors[0];
  return error.status ? error : refused("The answer was cut off: try again.", 0, { type: "no-answer" });
}

// Return pages as in 1-3,7-7.
function rangesOf(pages) {
  const firsts = pages.filter((page) => !pages.includes(page - 1));
  const lasts = pages.filter((page) => !pages.includes(page + 1));
  return firsts.slice(0, MOST_RANGES).map((first, index) => `${first}-${lasts[index]}`).join();
}

// Add a page to the answer for a document, and return whether it was missing. One that is there stays: it may be edited.
function addPage(picture, page, count) {
  const pages = picture.answer?.pages ?? Array.from({ length: count }, (_, index) => ({ page: index + 1, error: UNREAD }));
  const index = page.page - 1;
  if (!isMissing(pages[index])) return false;
  if (page.error) page.error.detail = reason(page.error, page.error.detail);
  const all = pages.with(index, page);
  delete picture.words;
  picture.answer = { route: "read", pages: all, confidence: Math.min(...all.map(({ confidence = 0 }) => confidence)) };
  return true;
}
