// The pictures of the list that are to be read, a few at a time.

import { isAwaited, isMissing, isUnread } from "./answers.js";
import { write } from "./dom.js";
import { BUSY, isBusy, isPassing } from "./errors.js";
import { showPlace } from "./lines.js";
import { count, refreshRow, showRow, stopReadingOf } from "./list.js";
import { attempt } from "./reading.js";
import { pause, TRIES } from "./service.js";
import { state } from "./state.js";
import { show, showAgain, showBusy } from "./view.js";

const AT_ONCE = 4; // pictures of a list in flight at the same time, fewer while the service is busy
const RECOVERY = 1 / 8; // how much closer each answer brings their number to that again
let waiting = []; // pictures to read, beside those that are being read
let atWork = 0; // how many are being read
let room = AT_ONCE; // how many may be; not always a whole number
let fruitless = 0; // attempts since the last answer

export function readListed(pictures) {
  for (const picture of pictures) {
    stopReadingOf(picture);
    showRow(picture);
  }
  if (pictures.includes(state.current)) show(state.current);
  count();
  waiting = [...new Set([...waiting, ...pictures])];
  fruitless = 0;
  startWork();
}

function startWork() {
  while (atWork < Math.floor(room) && waiting.length) work();
}

async function work() {
  atWork++;
  while (waiting.length && atWork <= room) await readOne(waiting.shift());
  atWork--;
}

async function readOne(picture) {
  if (!state.listed.includes(picture) || !isUnread(picture)) return;
  const { signal } = (picture.reading = new AbortController());
  const say = (words, share) => {
    Object.assign(picture, { words, share });
    showRow(picture);
    if (picture === state.current && isAwaited(picture)) write("message", words);
  };
  const onPage = (page) => {
    if (!isMissing(page)) fruitless = 0;
    refresh(picture, page.page - 1 === (picture.page ?? 0));
  };
  try {
    await attempt(picture, signal, say, onPage);
    fruitless = 0;
    room = Math.min(AT_ONCE, room + RECOVERY);
    startWork();
  } catch (error) {
    if (!signal.aborted) await reconsider(picture, error, signal, say);
  }
  if (signal.aborted) return;
  if (waiting.includes(picture)) delete picture.reading;
  else settle(picture);
}

// Put a picture back in the line, behind the others, if the service is busy or pages are missing. If there was no answer for
// many attempts, give up on all that wait.
async function reconsider(picture, error, signal, say) {
  if (isBusy(error)) room = Math.max(1, room / 2);
  const isWorthIt = isBusy(error) || (picture.answer?.pages && isPassing(error));
  if (isWorthIt) fruitless++;
  else if (!isPassing(error)) fruitless = 0; // the service is there
  if (!isWorthIt || fruitless >= TRIES) picture.error = error;
  if (fruitless >= TRIES) {
    for (const each of waiting.splice(0).filter(isUnread)) settle(Object.assign(each, { error }));
  } else if (isWorthIt) {
    say(isBusy(error) ? BUSY : "Trying again …");
    await pause(error, fruitless, signal);
    if (!signal.aborted) waiting.push(picture);
  }
}

function settle(picture) {
  stopReadingOf(picture);
  refresh(picture);
}

// Show what was read of a picture. A page that is shown already is left alone: it may be edited.
function refresh(picture, isNew = false) {
  refreshRow(picture);
  if (picture !== state.current) return;
  if (isNew || !state.shown) show(picture);
  showPlace();
  showAgain();
  showBusy();
}
