// Reading a picture: POST /read, and /predict for a single digit.

import { isMissing, isWhole, missingIn, UNREAD } from "./answers.js";
import { element } from "./dom.js";
import { isBusy, refused } from "./errors.js";
import { inPixelsOf, toSend } from "./images.js";
import { ask, reason } from "./service.js";

const MOST_RANGES = 80; // of pages in a request, whose query may have 1,024 bytes
export const form = element("form"); // of the numbers; the value of an option is its part of a request

// Read a picture, or the pages that are missing in the answer for a document. If /read finds nothing or one digit without
// marks, and no form was chosen, the answer is that of /predict. `say` is told what the user waits for, and `onPage` which page
// of a document has arrived.
export async function attempt(picture, signal, say, onPage) {
  const started = performance.now();
  const sent = await toSend(picture);
  const own = { route: "read", form: form.selectedOptions[0].text };
  const finished = (page) => ({ ...own, ...inPixelsOf(page, sent), milliseconds: performance.now() - started });
  const pages = missingIn(picture.answer).map(({ page }) => page);
  const options = `${picture.url ? "&rotate=auto&picture=true" : ""}${form.value}${pages.length ? `&page=${rangesOf(pages)}` : ""}`;
  const take = ({ pages: count, ...page }) => {
    if (count && addPage(picture, page.error ? page : finished(page), count)) onPage(page);
  };
  const answer = await ask(`read?frame=true${options}`, sent.blob, signal, say, take);
  if (isWhole(picture.answer)) return;
  if (answer.pages || pages.length) throw errorOfMissing(picture.answer);
  const page = finished(answer);
  if (form.value || !/^\d?$/.test(page.text)) return (picture.answer = page);
  const digit = inPixelsOf(await ask("predict?frame=true", sent.blob, signal, say), sent);
  const text = String(digit.digit);
  picture.answer = { ...page, ...digit, route: "predict", text, lines: [{ text, digits: [digit] }] };
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
