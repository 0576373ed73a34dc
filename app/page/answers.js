// What the answers to /read and /predict say, in words and by their parts.

import { isPassing } from "./errors.js";

const SURE = 0.8; // below this, the runner-up is shown too
const SURE_FIELD = 0.9; // below this, a field of a form is in doubt
const LEGIBLE = 0.5; // below this, it is probably not a digit
export const NOTHING = "?"; // in place of a digit
export const UNREAD = { status: 0, detail: "Not read yet" }; // in place of the pages of a document that have not arrived

// The network is never certain, so nothing is shown as 100 %.
export function percent(share) {
  return share >= 0.9995 ? ">99.9 %" : `${(100 * share).toFixed(1)} %`;
}

export function digitsOf({ lines }) {
  return lines.flatMap(({ digits }) => digits);
}

export function fieldsOf(form) {
  return form.pages.flatMap(({ fields }) => fields);
}

export function pagesOf(answer) {
  return answer.pages ?? [answer];
}

export function byLine(answer) {
  const part = (page, line, index) => ({ ...page, ...line, lines: [line], cells: page.cells?.[index] });
  const split = (page) => (page.lines.length > 1 ? page.lines.map((line, index) => part(page, line, index)) : [page]);
  return pagesOf(answer).flatMap((page) => (page.error ? [] : split(page)));
}

export function pageOf(picture) {
  return picture?.answer && pagesOf(picture.answer)[picture.page ?? 0];
}

// Return whether an answer is that of /read, not of /predict.
export function isNumber(answer) {
  return answer?.route === "read";
}

// Return whether this is a page of a document that may yet be read.
export function isMissing(page) {
  return Boolean(page?.error) && isPassing(page.error);
}

export function missingIn(answer) {
  return answer ? pagesOf(answer).filter(isMissing) : [];
}

export function isWhole(answer) {
  return Boolean(answer) && missingIn(answer).length === 0;
}

export function isUnread({ answer, error }) {
  return !error && !isWhole(answer);
}

// Return whether a picture, or its page that is shown, is still to be read.
export function isAwaited(picture) {
  return Boolean(picture) && isUnread(picture) && (!picture.answer || isMissing(pageOf(picture)));
}

// Return the error of a page or a picture, if it is not yet to be read; of a missing page, the one that ended the attempts.
export function errorOf({ error }, page) {
  return (isMissing(page) && error) || page?.error || error;
}

export function isField(line) {
  return line?.name !== undefined;
}

function sureness(field) {
  return doubtOf(field) ?? (field.edited ? "edited" : `${percent(field.confidence)} sure`);
}

// Return why somebody should look at a field of a form, if so.
export function doubtOf({ text, confidence, format, required, edited }) {
  if (edited) return;
  if (format === false) return "not in its format";
  if (!text && required) return "required";
  return confidence < SURE_FIELD ? `not sure, ${percent(confidence)}` : undefined;
}

// Return how many pages have not been read.
export function failedIn(answer) {
  return answer ? pagesOf(answer).filter(({ error }) => error).length : 0;
}

export function isEdited(answer) {
  return byLine(answer).some(({ lines: [line] }) => line?.edited);
}

export function countDigits(text) {
  return text.replace(/\D/g, "").length;
}

export function headline(answer) {
  const isNothing = !isEdited(answer) && !isNumber(answer) && digitsOf(answer)[0].legibility < LEGIBLE;
  return (!isNothing && byLine(answer).map(({ text }) => text).filter(Boolean).join("\n")) || NOTHING;
}

// Return the columns of the cells of a table's row that somebody should look at, from 0 on.
export function unsureCells({ cells, edited }) {
  const isUnsure = ({ confidence = 1, format }) => confidence < SURE || format === false;
  return edited ? [] : [...(cells ?? []).keys()].filter((column) => isUnsure(cells[column]));
}

// Return how sure a cell of a table is, in words, if that is known.
function surenessOf({ confidence, format }) {
  if (format === false) return "not in its format";
  if (confidence === undefined) return;
  return confidence < SURE ? `not sure, ${percent(confidence)}` : `${percent(confidence)} sure`;
}

// Return where a line of a page or the cell of a row is, what it says, and how sure it is.
export function described(text, line, index, column) {
  const known = line.cells?.[column] ?? {};
  const place = line.table ? `Row ${index + 1}, column ${column + 1}` : `Line ${index + 1}`;
  const words = line.table ? (isEdited(line) ? "edited" : surenessOf(known)) : inWords(line);
  return `${place}: ${[text || "empty", words].filter(Boolean).join(", ")}`;
}

// Return how sure the least certain cell of a row is, or the whole answer.
function least({ cells, confidence }) {
  const known = cells?.flat().filter(Boolean).map((cell) => cell.confidence ?? 1);
  return Math.min(...(known ?? [confidence]));
}

// Return how sure a row of a table is, in few words.
export function shareOf(row) {
  return isEdited(row) ? "Edited" : percent(least(row));
}

export function inWords(answer) {
  const [field] = answer.lines?.length === 1 ? answer.lines.filter(isField) : [];
  if (field) return `${field.name}: ${field.text ? "" : "empty, "}${sureness(field)}`;
  const { length } = byLine(answer).filter(({ text }) => text);
  const one = isEdited(answer) ? "Edited" : `${percent(least(answer))} sure`;
  const said = length > 1 ? `${length} lines, all sure` : one;
  const words = doubt(answer) ?? (length || isEdited(answer) ? said : "No digit found");
  const { lines, text, value } = answer;
  return lines?.length === 1 && value && value !== text ? `→ ${value} · ${words}` : words;
}

export function doubt(answer) {
  const failed = failedIn(answer);
  if (failed) return `${failed} of ${answer.pages.length} pages not read`;
  const lines = byLine(answer);
  if (lines.length > 1) {
    const unsure = lines.filter(doubt).length;
    return unsure ? `${unsure} of ${lines.length} lines in doubt` : undefined;
  }
  if (isEdited(answer)) return;
  if (answer.cells && isNumber(answer)) {
    const [column] = unsureCells(answer);
    return column === undefined ? undefined : `Column ${column + 1}: ${surenessOf(answer.cells[column])}`;
  }
  if (isField(answer.lines[0])) return doubtOf(answer.lines[0]);
  if (answer.lines[0]?.format === false) return `Not ${answer.form}`;
  const digits = digitsOf(answer);
  const doubts = digits.map((digit) => Math.min(digit.legibility, digit.confidence));
  const index = doubts.indexOf(Math.min(...doubts));
  const worst = digits[index]; // none if there are only marks
  const unsure = `Not sure, ${percent(answer.confidence)}`;
  const name = isNumber(answer) ? `digit ${index + 1} of ${digits.length}` : "it";
  if (worst?.legibility < LEGIBLE && !isNumber(answer)) return `Probably not a digit (most like ${worst.digit})`;
  if (worst?.legibility < LEGIBLE) return `${unsure}: ${name} is probably not one`;
  if (worst?.confidence < SURE) return `${unsure}: ${name} could be ${runnerUp(worst)}`;
  return answer.confidence < SURE ? unsure : undefined;
}

function runnerUp({ digit, probabilities }) {
  const others = [...probabilities.keys()].filter((other) => other !== digit);
  const [second] = others.sort((one, other) => probabilities[other] - probabilities[one]);
  return `${second === 8 ? "an" : "a"} ${second}, ${percent(probabilities[second])}`;
}

// Return which page of a document is shown, and how many have been read so far, or were not read in the end.
export function placeOf(picture) {
  const { length } = picture.answer.pages;
  const failed = failedIn(picture.answer);
  const read = isUnread(picture) ? `${length - failed} read` : `${failed} not read`;
  return `Page ${(picture.page ?? 0) + 1} of ${length}${failed ? ` (${read})` : ""}`;
}
