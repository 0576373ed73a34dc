// What survives a reload of the tab: the contents of the sheet in its storage, the list, for a day, in the database.

import { isUnread } from "./answers.js";
import { state, tab } from "./state.js";

const KEEP_MS = 2000; // delay before answers of a list are kept, so that several are kept at once; longer if that takes long

let keeping; // the timer of `keepAnswers`
let keepDelay = KEEP_MS;

export function keep() {
  const { url, answer } = state.current ?? {};
  try {
    tab.contents = JSON.stringify({ strokes: state.strokes, answer: url ? undefined : answer, chosen: state.listed.indexOf(state.current) });
  } catch {} // over the browser's limit
}

// Do something with the lists in the database, by name: {time, pictures}, and answers by the pictures' ids; return the
// result of the request.
export async function inLists(act) {
  try {
    const opening = indexedDB.open("digits", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("lists");
    const database = await resultOf(opening);
    return await resultOf(act(database.transaction("lists", "readwrite").objectStore("lists")));
  } catch {} // the browser allows no database
}

function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

// Return the name of this tab's list.
export function listName() {
  return (tab.list ??= `${Date.now()} ${Math.random()}`);
}

// Files and answers are kept apart, since answers change more often, and are smaller.
export async function keepList() {
  if (!state.listed.length && !tab.list) return;
  const pictures = state.listed.map(({ id, name, blob }) => ({ id, name, blob }));
  const name = listName();
  await inLists((lists) => (pictures.length ? lists.put({ time: Date.now(), pictures }, name) : lists.delete(name)));
  await keepAnswers();
}

export function keepAnswersSoon() {
  if (!state.listed.some(isUnread)) keepAnswers();
  else keeping ??= setTimeout(keepAnswers, keepDelay);
}

async function keepAnswers() {
  clearTimeout(keeping);
  keeping = undefined;
  const answers = new Map(state.listed.map(({ id, answer }) => [id, answer]));
  const key = `${tab.list} answers`;
  const started = performance.now();
  await inLists((lists) => (answers.size ? lists.put(answers, key) : lists.delete(key)));
  keepDelay = Math.max(KEEP_MS, 10 * (performance.now() - started));
}
