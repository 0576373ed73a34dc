// The list of pictures {id, blob, name, url, row}, each with its `answer` or `error` once it has been read, or, of a
// document of which pages are missing, both. Until then, `words` say what it waits for, and it may have some of its pages.

import { byLine, doubt, failedIn, headline, inWords, isUnread, missingIn, NOTHING, pagesOf } from "./answers.js";
import { fit } from "./digits.js";
import { create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { keepAnswersSoon, keepList } from "./keeping.js";
import { choose } from "./sheet.js";
import { remember, state } from "./state.js";

export function showList(pictures) {
  for (const gone of state.listed.filter((each) => !pictures.includes(each))) stopReadingOf(gone);
  state.listed = pictures;
  for (const picture of state.listed) {
    picture.id ??= Math.random();
    picture.row ??= listRow(picture);
  }
  element("list").replaceChildren(...state.listed.map(({ row }) => row.item));
  element("batch").hidden = state.listed.length === 0;
  state.listed.forEach(showRow);
  count();
  keepList();
}

export function stopReadingOf(picture) {
  picture.reading?.abort();
  for (const name of ["reading", "words", "share"]) delete picture[name];
}

export function showRow(picture) {
  const { row: { thumbnail, text, note, progress }, answer, error, url, words, share } = picture;
  const isLeft = isUnread(picture);
  const pages = pagesOf(answer ?? {});
  const soFar = answer && `${pages.length - failedIn(answer)} of ${pages.length} pages read`;
  text.textContent = answer ? headline(answer) : error ? NOTHING : "…";
  note.textContent = isLeft ? [soFar, words].filter(Boolean).join(". ") : answer ? inWords(answer) : said(error);
  progress.hidden = !isLeft || !(answer || share);
  progress.value = share ?? 1 - missingIn(answer).length / pages.length;
  if (!answer) return;
  fit(text, byLine(answer).flatMap(({ lines }) => lines));
  const source = pages.find((page) => page.picture)?.picture ?? url;
  if (thumbnail.src !== source) thumbnail.src = source;
}

export function count() {
  dispatchEvent(new Event("list"));
  const settled = state.listed.filter((picture) => !isUnread(picture));
  const failed = settled.filter(({ answer, error }) => error || failedIn(answer));
  const unsure = settled.filter(({ answer }) => answer && !failedIn(answer) && doubt(answer));
  const sure = settled.length - failed.length - unsure.length;
  write("counts", settled.length < state.listed.length
    ? `${settled.length} of ${state.listed.length} read`
    : `${state.listed.length} in all: ${sure} sure, ${unsure.length} in doubt, ${failed.length} not read`);
}

export function refreshRow(picture) {
  showRow(picture);
  count();
  keepAnswersSoon();
}

function listRow(picture) {
  const item = create("li", {
    innerHTML: `<button><img alt=""><b></b><span class="name" dir="auto"></span><span></span>
      <progress aria-hidden="true" hidden></progress></button><button class="remove">×</button>`,
  });
  const [button, remove] = item.children;
  const [thumbnail, text, name, note, progress] = button.children;
  button.onclick = () => choose(picture);
  remove.onclick = () => removeListed(picture);
  remove.ariaLabel = `Remove ${picture.name}`;
  name.title = picture.name;
  name.append(create("small", { textContent: picture.name }));
  const ends = [picture.name.slice(0, -12), picture.name.slice(-12)];
  name.append(...ends.map((textContent) => create("bdi", { textContent, ariaHidden: "true" })));
  thumbnail.onload = thumbnail.onerror = ({ type }) => (thumbnail.style.opacity = Number(type === "load"));
  thumbnail.src = picture.url;
  return { item, button, remove, thumbnail, text, note, progress };
}

function removeListed(picture) {
  remember();
  const index = state.listed.indexOf(picture);
  showList(state.listed.filter((each) => each !== picture));
  const neighbour = state.listed[index] ?? state.listed.at(-1);
  if (picture === state.current) choose(neighbour ?? null);
  (neighbour?.row.remove ?? element("undo")).focus();
}

function startOver() {
  remember();
  showList([]);
  choose(null);
  write("message", "Undo brings the pictures back.");
  element("undo").focus();
}

onClick("start-over", startOver);
