// The page: a drawing or a picture → POST /read and /predict → the answer, its explanation, and corrections of it.
"use strict";

const [THINNEST, THICKEST] = [0.012, 0.03]; // the pen's width, in heights of the sheet; small digits need a thin one
const PEN = 0.1; // its width, in lengths of the longest stroke
const DOT = 5 / 3; // width of a dot, in widths of the pen, so that a decimal point is seen beside large digits
const DRAWING = { width: 432, height: 288 }; // pixels of the drawing that is sent; the sheet has this shape
const TAP = 0.02; // in heights of the sheet: a stroke that moves less may be a tap
const LIVE_MS = 100; // minimum interval between requests while the pen is down
const EXPLAIN_MS = 300; // delay of the request for an explanation, which the next stroke cancels
const SURE = 0.8; // below this, the runner-up is shown too
const LEGIBLE = 0.5; // below this, it is probably not a digit
const AT_ONCE = 4; // pictures of a list in flight at the same time, fewer while the service is busy
const RECOVERY = 1 / 8; // how much closer each answer brings their number to that again
const TRIES = 12; // attempts in a row without an answer, after which the page gives up; they begin with AT_ONCE at a time
const LONGEST_PAUSE = 8; // seconds between attempts, which begin with 1 and double
const MOST_RANGES = 80; // of pages in a request, whose query may have 1,024 bytes
const SLOW_MS = 1000; // an upload that takes longer shows its progress
const PAGE_PIXELS = 1400 * 1400; // the service reduces larger pictures to about this many pixels
const MAX_SIDE = 4 * 640; // and to this longer side
const JPEG_QUALITY = 0.85; // of a picture that is reduced here
const KEEP_MS = 2000; // delay before answers of a list are kept, so that several are kept at once; longer if that takes long
const SVG_SIDE = 600; // longer side of a rendered SVG, in pixels
const ROOMY = "(min-width: 75rem), (min-width: 46rem) and (min-height: 56rem)"; // screens with room for the explanation
const NOTHING = "?"; // in place of a digit
const BUSY = "The service is busy. Trying again …";
const UNREAD = { status: 0, detail: "Not read yet" }; // in place of the pages of a document that have not arrived

const element = (id) => document.getElementById(id);
const create = (tag, properties) => Object.assign(document.createElement(tag), properties);
const createSvg = (tag, attributes = {}) => set(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);
const write = (id, text) => (element(id).textContent = text);
const onClick = (id, act) => (element(id).onclick = act);
const sheet = element("sheet");
const boxes = element("boxes");
const form = element("form"); // of the numbers; the value of an option is its part of a request

// The network is never certain, so nothing is shown as 100 %.
function percent(share) {
  return share >= 0.9995 ? ">99.9 %" : `${(100 * share).toFixed(1)} %`;
}

function digitsOf({ lines }) {
  return lines.flatMap(({ digits }) => digits);
}

function pagesOf(answer) {
  return answer.pages ?? [answer];
}

function byLine(answer) {
  const split = (page) => (page.lines.length > 1 ? page.lines.map((line) => ({ ...page, ...line, lines: [line] })) : [page]);
  return pagesOf(answer).flatMap((page) => (page.error ? [] : split(page)));
}

// Return whether an answer is that of /read, not of /predict.
function isNumber(answer) {
  return answer?.route === "read";
}

// ---- State: the contents of the sheet, and the answer.

let strokes = []; // each is a list of points in heights of the sheet, so that it can be drawn at any size
let [past, future] = [[], []]; // to undo or redo to, the next one last: {strokes, picture, answers}
let stroke = null; // the one being drawn; added to `strokes` once it cannot be a tap
let pointer; // its id, to ignore other fingers, a resting palm, or the mouse
let current = null; // what is shown: a drawing {blob}, or a picture of the list; later with its `answer` or `error`
let shown; // its answer, or that of the page of a document
let chosen; // the digit whose probabilities are shown
let tab = {}; // what a reload of the tab keeps, unless the browser blocks the storage of sites
try {
  tab = sessionStorage;
} catch {}

// ---- The sheet.

function paint(context, height) {
  context.lineCap = context.lineJoin = "round";
  const lengths = strokes.filter(hasMoved).map(longerSide);
  const width = lengths.length ? Math.min(THICKEST, Math.max(THINNEST, PEN * Math.max(...lengths))) : THICKEST;
  for (const points of strokes) {
    const [first, ...rest] = points.map(([x, y]) => [x * height, y * height]);
    context.lineWidth = (hasMoved(points) ? 1 : DOT) * width * height;
    context.beginPath();
    context.moveTo(...first);
    let last = first;
    for (const point of rest) { // a curve through the midpoints, with the points as control points
      context.quadraticCurveTo(...last, (last[0] + point[0]) / 2, (last[1] + point[1]) / 2);
      last = point;
    }
    context.lineTo(last[0] + 0.01, last[1]); // a line of zero length would draw no dot
    context.stroke();
  }
}

function longerSide(points) {
  const side = (axis) => Math.max(...points.map((point) => point[axis])) - Math.min(...points.map((point) => point[axis]));
  return Math.max(side(0), side(1));
}

function repaint() {
  const width = Math.round(sheet.clientWidth * devicePixelRatio);
  const height = Math.round((width * DRAWING.height) / DRAWING.width);
  if (sheet.width !== width) Object.assign(sheet, { width, height });
  const context = sheet.getContext("2d");
  context.clearRect(0, 0, width, height);
  context.strokeStyle = getComputedStyle(sheet).color;
  paint(context, height);
  element("hint").hidden = strokes.length > 0 || !element("picture").hidden;
  write("hint", current?.name ?? "Draw a number here");
  element("undo").disabled = past.length === 0;
  element("redo").disabled = future.length === 0;
  element("crop").disabled = element("picture").hidden;
  element("clear").disabled = isEmpty();
  write("clear", current?.url ? "Draw" : "Clear");
  placeTexts();
}

function drawing() {
  const canvas = create("canvas", DRAWING);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, DRAWING.width, DRAWING.height);
  paint(context, DRAWING.height);
  return blobOf(canvas.toDataURL()); // toBlob waits until the browser is idle, for seconds in Chromium
}

new ResizeObserver(repaint).observe(sheet);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

// ---- The pen. A tap on a box selects its digit or line, and a tap elsewhere draws a dot. On a picture, the mouse marks
// a part to read, and a finger scrolls, unless one crops.

function point(event) {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) / box.height, (event.clientY - box.top) / box.height];
}

function hasMoved([[x, y], ...rest]) {
  return rest.some(([toX, toY]) => Math.hypot(toX - x, toY - y) > TAP);
}

function isDrawing() {
  return strokes.includes(stroke);
}

function begin() {
  if (current?.url) clear(); // a file that cannot be shown
  else remember();
  strokes.push(stroke);
  sentAt = performance.now(); // most strokes are short, and are read once complete
}

sheet.onpointerdown = (event) => {
  const isOther = sheet.hasPointerCapture(pointer) || !event.isPrimary || event.button !== 0;
  const scrolls = current?.url && !isCropping && event.pointerType !== "mouse";
  if (isOther || scrolls) return;
  event.preventDefault();
  pointer = event.pointerId;
  sheet.setPointerCapture(pointer);
  stroke = [point(event)];
  corner = current?.url && shownSize && placeAt(event);
  if (current?.url || boxAt(event) >= 0) return;
  begin();
  readSoon();
};
sheet.onpointermove = (event) => {
  if (!stroke) sheet.style.cursor = boxAt(event) < 0 ? "" : "pointer";
  if (!stroke || event.pointerId !== pointer) return;
  const events = event.getCoalescedEvents?.() ?? [];
  stroke.push(...(events.length ? events : [event]).map(point));
  if (!isDrawing() && hasMoved(stroke)) {
    if (corner) markUpTo(placeAt(event));
    else begin();
  }
  if (isDrawing()) readSoon();
};
sheet.onlostpointercapture = (event) => {
  if (event.pointerId !== pointer) return;
  const isStroke = isDrawing();
  stroke = null;
  if (isStroke) readDrawing();
  else if (part) readPart();
  else if (!current?.url) choices()[boxAt(event)]?.click();
};
sheet.onclick = (event) => current?.url && (isPage() ? lineLabels.map(({ control }) => control) : choices())[boxAt(event)]?.click();
sheet.oncontextmenu = (event) => event.preventDefault(); // a long press may be a slow stroke

// ---- Cropping: a part of the picture takes its place.

let isCropping = false; // whether a finger marks a part, too
let part = null; // left, top, width and height in per cent of the picture
let corner; // where a drag over a picture began

function setCropping(isOn, marked = null) {
  if (element("part") === document.activeElement) element("crop").focus();
  isCropping = isOn;
  element("crop").ariaPressed = isOn;
  markPart(marked, isOn ? "Drag over what to read. Keys: arrows move, Shift+arrows size, Enter reads, Esc leaves." : "");
  if (marked) element("part").focus();
}

function markPart(marked, note = "") {
  part = marked;
  element("part").toggleAttribute("hidden", !part);
  write("part-note", note);
  if (!part) return;
  const [x, y, width, height] = part.map((each) => `${each}%`);
  set(element("part").firstElementChild, { x, y, width, height });
}

function placeAt({ clientX, clientY }) {
  const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(boxes.getScreenCTM().inverse());
  return [x / shownSize.width, y / shownSize.height].map((share) => 100 * Math.max(0, Math.min(share, 1)));
}

function markUpTo(end) {
  const least = end.map((place, axis) => Math.min(place, corner[axis]));
  const size = end.map((place, axis) => Math.abs(place - corner[axis]));
  markPart([...least, ...size]);
}

function readPart() {
  if (part[2] < 1 || part[3] < 1) return markPart(null, "Too small: drag over a whole number.");
  const image = element("picture");
  const sides = [image.naturalWidth, image.naturalHeight];
  const [left, top, width, height] = part.map((each, index) => Math.ceil((each / 100) * sides[index % 2]));
  const canvas = create("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, -left, -top);
  const blob = blobOf(canvas.toDataURL(current.blob.type, 0.95)); // or a PNG
  add([{ blob, name: `${current.name}, part`, url: URL.createObjectURL(blob) }]);
}

onClick("crop", ({ detail: clicks }) => setCropping(!isCropping, clicks || isCropping ? null : [25, 25, 50, 50]));
element("part").onkeydown = (event) => {
  const arrow = ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"].indexOf(event.key);
  if (arrow < 0 && event.key !== "Enter") return;
  event.preventDefault();
  if (arrow < 0) return readPart();
  const changed = (arrow % 2) + 2 * event.shiftKey;
  const moved = part[changed] + (arrow < 2 ? -1 : 1);
  if (moved >= event.shiftKey && moved + part[changed ^ 2] <= 100) part[changed] = moved;
  const [x, y, width, height] = part;
  markPart(part, `From ${x} to ${x + width} % across, ${y} to ${y + height} % down`);
};

// ---- Undo and redo: of strokes, of what replaced the contents of the sheet, and of changes to the list and its texts.

function contents() {
  const answers = new Map(listed.map((picture) => [picture, picture.answer]));
  return { strokes: [...strokes], picture: current?.url ? current : null, answers };
}

function isEmpty() {
  return strokes.length === 0 && current === null;
}

function remember() {
  past.push(contents());
  future = [];
}

const undo = () => goTo(past, future);
const redo = () => goTo(future, past);

function goTo(states, others) {
  if (states.length === 0) return;
  others.push(contents());
  const { strokes: drawn, picture, answers } = states.pop();
  answers.forEach((answer, each) => (each.answer = withNewer(answer, each.answer)));
  showList([...answers.keys()]);
  readListed(listed.filter((each) => isUnread(each) && !each.reading));
  choose(picture, drawn);
}

// Return an earlier answer with what has been read since.
function withNewer(answer, newer) {
  if (!answer?.pages || !newer?.pages) return answer ?? newer;
  return { ...answer, pages: answer.pages.map((page, index) => (isMissing(page) ? newer.pages[index] : page)) };
}

function clear() {
  if (!isEmpty()) remember();
  choose(null);
}

onClick("undo", undo);
onClick("redo", redo);
onClick("clear", clear);
addEventListener("keydown", (event) => {
  if (stroke || event.altKey || event.target.matches("[type=text], #key, #unit")) return;
  const key = event.key.toLowerCase();
  const command = event.ctrlKey || event.metaKey;
  if (command && key === "z") (event.shiftKey ? redo : undo)();
  else if (command && key === "y") redo();
  else if (key === "escape" && isCropping) setCropping(false);
  else if (key === "escape") clear();
  else return;
  event.preventDefault();
});

// ---- Reading the sheet. At most one request is in flight. While the pen is down, the next one waits for its answer; a
// completed stroke, or another picture, aborts it.

let reading = null; // the AbortController of the request in flight
let timer; // of the next request
let sentAt = 0;
let isBehind = false; // whether there is ink that has not been sent

function stopReading() {
  clearTimeout(timer);
  timer = undefined;
  isBehind = false;
  reading?.abort();
  reading = null;
}

function showBusy() {
  element("answer").ariaBusy = Boolean(isDrawing() || reading || timer || isAwaited(current));
}

function readSoon() {
  isBehind = true;
  repaint();
  if (!reading) timer ??= setTimeout(readDrawing, sentAt + LIVE_MS - performance.now());
  showBusy();
}

async function readDrawing() {
  const picture = { blob: drawing() };
  sentAt = performance.now();
  if (current?.answer) repaint();
  else show(picture);
  await read(picture);
  if (isBehind) readSoon();
}

async function read(picture) {
  stopReading();
  const mine = (reading = new AbortController());
  showBusy();
  const say = (words) => write("message", words);
  try {
    await patiently(() => attempt(picture, mine.signal, say), mine.signal, say);
  } catch (error) {
    picture.error = error;
  }
  if (mine !== reading) return; // another request has been started
  reading = null;
  const isRead = picture.answer && headline(picture.answer) !== NOTHING;
  if (isRead || !isDrawing()) show(picture); // that an unfinished digit cannot be read is not shown
}

// ---- Requests to the service.

// The detail says what to do; the status is 0 if there was no response.
function refused(detail, status = 0, more = {}) {
  return Object.assign(new Error(detail), { detail, status, ...more });
}

function isPassing({ status }) {
  return /^(0|408|429|5..)$/.test(status);
}

function isBusy({ status }) {
  return status === 429 || status === 503;
}

// Return whether this is a page of a document that may yet be read.
function isMissing(page) {
  return Boolean(page?.error) && isPassing(page.error);
}

function missingIn(answer) {
  return answer ? pagesOf(answer).filter(isMissing) : [];
}

function headers() {
  return tab.apiKey ? { "X-API-Key": tab.apiKey } : {};
}

// Read a picture, or the pages that are missing in the answer for a document. If /read finds nothing or one digit without
// marks, and no form was chosen, the answer is that of /predict. `say` is told what the user waits for.
async function attempt(picture, signal, say) {
  const started = performance.now();
  const sent = await toSend(picture);
  const own = { route: "read", form: form.selectedOptions[0].text };
  const finished = (page) => ({ ...own, ...inPixelsOf(page, sent), milliseconds: performance.now() - started });
  const pages = missingIn(picture.answer).map(({ page }) => page);
  const options = `${picture.url ? "&rotate=auto&picture=true" : ""}${form.value}${pages.length ? `&page=${rangesOf(pages)}` : ""}`;
  const take = ({ pages: count, ...page }) => count && addPage(picture, page.error ? page : finished(page), count);
  const answer = await ask(`read?frame=true${options}`, sent.blob, signal, say, take);
  if (isWhole(picture.answer)) return;
  if (answer.pages || pages.length) throw errorOfMissing(picture.answer);
  const page = finished(answer);
  if (form.value || !/^\d?$/.test(page.text)) return (picture.answer = page);
  const digit = inPixelsOf(await ask("predict?frame=true", sent.blob, signal, say), sent);
  const text = String(digit.digit);
  picture.answer = { ...page, ...digit, route: "predict", text, lines: [{ text, digits: [digit] }] };
}

function isWhole(answer) {
  return Boolean(answer) && missingIn(answer).length === 0;
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

// Show a page as soon as it is read. One that is already in the answer stays, since it may have been edited.
function addPage(picture, page, count) {
  const pages = picture.answer?.pages ?? Array.from({ length: count }, (_, index) => ({ page: index + 1, error: UNREAD }));
  const index = page.page - 1;
  if (!isMissing(pages[index])) return;
  if (page.error) page.error.detail = reason(page.error, page.error.detail);
  if (!isMissing(page)) fruitless = 0;
  const all = pages.with(index, page);
  delete picture.words;
  picture.answer = { route: "read", pages: all, confidence: Math.min(...all.map(({ confidence = 0 }) => confidence)) };
  refresh(picture, index === (picture.page ?? 0));
}

// ---- What is sent of a picture: if the service would reduce it, a smaller JPEG, so that it is sent in less time.

function toSend(picture) {
  return (picture.sent ??= reduced(picture));
}

// Return what to send; if it is reduced, both sizes; and whether the browser can show the picture.
async function reduced({ blob, url }) {
  const image = url && (await imageOf(blob, url));
  if (!image) return { blob, isShown: !url };
  const size = [image.naturalWidth, image.naturalHeight];
  const factor = blob.type.startsWith("image/") ? reduction(size) : 1; // another may have several pages
  const smaller = factor > 1 && jpegOf(image, size.map((side) => Math.ceil(side / factor)));
  return smaller && smaller.blob.size < blob.size ? { ...smaller, size, isShown: true } : { blob, isShown: true };
}

// Return the image, or null if the browser cannot draw it. Of a document, some browsers draw the first page.
function imageOf({ type }, url) {
  return new Promise((resolve) => {
    const image = new Image();
    const onload = () => resolve(/pdf|tiff/.test(type) ? null : image);
    Object.assign(image, { onload, onerror: () => resolve(null), src: url });
  });
}

// Return by what the service would divide the sides of a picture.
function reduction([width, height]) {
  const longer = Math.max(width, height);
  const share = Math.min(1, Math.sqrt(PAGE_PIXELS / (width * height)));
  return Math.round(longer / Math.min(MAX_SIDE, Math.round(share * longer)));
}

// Return nothing if a part is transparent, which a JPEG would lose.
function jpegOf(image, [width, height]) {
  const canvas = create("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  const pixels = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const isOpaque = pixels.every((pixel) => pixel >>> 24 === 255);
  return isOpaque && { blob: blobOf(canvas.toDataURL("image/jpeg", JPEG_QUALITY)), sentSize: [width, height] };
}

// Return an answer for the picture itself: with boxes in its pixels, and without a copy of it that is not needed.
function inPixelsOf({ picture, ...answer }, { isShown, size, sentSize }) {
  if (size) enlarge(answer, size, sentSize);
  return isShown && !answer.turn ? answer : { ...answer, picture };
}

function enlarge(answer, size, sentSize) {
  const inOrder = (pair) => (answer.turn === 90 || answer.turn === 270 ? pair.toReversed() : pair);
  const [x, y] = inOrder(size.map((side, axis) => side / sentSize[axis]));
  const parts = [answer, ...(answer.lines ?? []).flatMap((line) => [line, ...line.digits, ...line.marks])];
  for (const { box } of parts.filter((part) => part.box)) {
    const [left, top] = [Math.round(x * box.left), Math.round(y * box.top)];
    const [right, bottom] = [Math.round(x * (box.left + box.width)), Math.round(y * (box.top + box.height))];
    Object.assign(box, { left, top, width: right - left, height: bottom - top });
  }
  const [width, height] = inOrder(size);
  if (answer.size) answer.size = { width, height };
}

// ---- One request.

// Do what may fail because the service is busy, again and again.
async function patiently(act, signal, say = () => {}) {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!isBusy(error) || tries === TRIES) throw error;
      say(BUSY);
      await pause(error, tries, signal);
    }
  }
}

function pause({ retryAfter }, tries, signal) {
  const seconds = Number(retryAfter) || Math.min(LONGEST_PAUSE, 2 ** (tries - 1));
  return new Promise((resolve) => {
    setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", resolve);
  });
}

// Post a picture, and return the answer, or the last of its lines; `take` gets each line as soon as it has arrived.
async function ask(route, picture, signal, say = () => {}, take = () => {}) {
  let last;
  const response = await post(route, picture, signal, say, (line) => {
    const answer = parsed(line);
    if (answer) take((last = answer));
  });
  return last ?? Promise.reject(errorIn(response));
}

function errorIn(response) {
  const { detail, type } = parsed(response.responseText) ?? {};
  return refused(reason(response, detail), response.status, { type, retryAfter: response.getResponseHeader("Retry-After") });
}

async function post(route, picture, signal, say, receive) {
  if (picture.size === 0) throw refused("The file is empty: choose another one.", 422, { type: "empty-file" });
  try {
    await picture.slice(0, 1).arrayBuffer();
  } catch {
    throw refused("This cannot be read: choose a file, not a folder.", 0, { type: "unreadable-file" });
  }
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much was sent
    request.open("POST", route);
    request.setRequestHeader("Accept", "application/x-ndjson"); // which only documents have
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    showSending(request, say);
    receiveLines(request, receive);
    request.addEventListener("load", () => resolve(request));
    const silent = "The service does not answer. Is it running? Your picture is still here.";
    request.onerror = () => reject(refused(silent, 0, { type: "no-answer" }));
    signal?.addEventListener("abort", () => {
      request.abort();
      reject(signal.reason);
    });
    request.send(picture);
  });
}

function showSending({ upload }, say) {
  const started = performance.now();
  let isSlow = false;
  upload.onprogress = ({ loaded, total }) => {
    isSlow ||= loaded < total && performance.now() - started > SLOW_MS;
    if (isSlow) say(`Sending ${5 * Math.floor((20 * loaded) / total)} %`, loaded / total); // in steps, for screen readers
  };
  upload.onload = () => isSlow && say("Reading …");
}

// Pass on each line of an answer, unless it is an error, as soon as it is there; at the end also the rest.
function receiveLines(request, receive) {
  let start = 0;
  request.onprogress = request.onload = ({ type }) => {
    const text = request.status < 300 ? request.responseText : "";
    const end = type === "load" ? text.length : text.lastIndexOf("\n") + 1;
    for (const line of text.slice(start, end).split("\n").filter(Boolean)) receive(line);
    start = end;
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The service's detail is missing in the errors of a proxy.
function reason({ status }, detail) {
  if (status === 401) return tab.apiKey ? "This API key is wrong." : "This service needs an API key.";
  if (isBusy({ status })) return "The service is busy: try again later.";
  if (detail) return detail;
  if (status === 413) return "The picture is too large: send a smaller one.";
  if (status === 200) return "This response is not from Digits: sign in and reload.";
  return `The server answered ${status}: try again later.`;
}

// ---- Showing the answer.

const bars = Array.from({ length: 10 }, (_, digit) => {
  const row = create("li", { innerHTML: `<b>${digit}</b><span><i></i></span><span></span>` });
  element("bars").append(row);
  return { row, fill: row.querySelector("i"), share: row.lastChild };
});

function headline(answer) {
  const isNothing = !isEdited(answer) && !isNumber(answer) && digitsOf(answer)[0].legibility < LEGIBLE;
  return (!isNothing && byLine(answer).map(({ text }) => text).join("\n")) || NOTHING;
}

function inWords(answer) {
  const { length } = byLine(answer).filter(({ text }) => text);
  const one = isEdited(answer) ? "Edited" : `${percent(answer.confidence)} sure`;
  const said = length > 1 ? `${length} lines, all sure` : one;
  const words = doubt(answer) ?? (length || isEdited(answer) ? said : "No digit found");
  const { lines, text, value } = answer;
  return lines?.length === 1 && value && value !== text ? `→ ${value} · ${words}` : words;
}

// Return how many pages have not been read.
function failedIn(answer) {
  return answer ? pagesOf(answer).filter(({ error }) => error).length : 0;
}

function doubt(answer) {
  const failed = failedIn(answer);
  if (failed) return `${failed} of ${answer.pages.length} pages not read`;
  const lines = byLine(answer);
  if (lines.length > 1) {
    const unsure = lines.filter(doubt).length;
    return unsure ? `${unsure} of ${lines.length} lines in doubt` : undefined;
  }
  if (isEdited(answer)) return;
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

function isEdited(answer) {
  return byLine(answer).some(({ lines: [line] }) => line?.edited);
}

// Return whether a picture, or its page that is shown, is still to be read.
function isAwaited(picture) {
  return Boolean(picture) && isUnread(picture) && (!picture.answer || isMissing(pageOf(picture)));
}

// Return the error of a page or a picture, if it is not yet to be read; of a missing page, the one that ended the attempts.
function errorOf({ error }, page) {
  return (isMissing(page) && error) || page?.error || error;
}

function said(error) {
  return error.detail ?? error.message;
}

// Without answer or error, the picture is being read; null means that there is none.
function show(picture) {
  current = picture;
  const page = pageOf(picture);
  const answer = (shown = page?.error ? undefined : page);
  const waits = isAwaited(picture);
  const error = picture && !waits && errorOf(picture, page);
  write("text", answer ? headline(answer) : (waits ? "…" : NOTHING));
  const instead = waits ? (picture.words ?? "Reading …") : "No digit yet";
  write("message", answer ? inWords(answer) : error ? said(error) : instead);
  write("facts", answer
    ? `Answered in ${Math.max(1, Math.round(answer.milliseconds))} ms by model ${answer.model}${answer.second_opinion ? ", with a second opinion" : ""}`
    : "");
  if (picture?.url) showPicture(picture);
  showPage();
  showTools();
  showAgain();
  for (const each of listed) each.row.button.ariaCurrent = each === current;
  repaint();
  showBusy();
  showCode();
  keep();
}

// Offer another attempt, also beside one page of a document if others are missing.
function showAgain() {
  if (isAwaited(current)) return; // the keyboard's focus would get lost
  const error = current && errorOf(current, pageOf(current));
  element("ask-key").hidden = error?.status !== 401;
  element("again").hidden = !(error && isPassing(error));
}

// Show the tools beside a picture; beside a drawing only if it can be corrected, to leave room for the answer.
function showTools() {
  element("tools").hidden = !current?.url && element("correct").hidden;
  element("edit").disabled = !shown;
  element("copy-page").disabled = !current?.answer;
}

function showDigit(digit) {
  chosen = digit;
  element("frame").hidden = !digit;
  if (digit) element("frame").src = digit.frame;
  bars.forEach(({ row, fill, share }, each) => {
    const probability = digit?.probabilities[each];
    row.classList.toggle("best", each === digit?.digit);
    fill.style.transform = `scaleX(${probability ?? 0})`;
    share.textContent = digit ? percent(probability) : "–";
  });
  askForCorrection();
  explainSoon();
}

function pageOf(picture) {
  return picture?.answer && pagesOf(picture.answer)[picture.page ?? 0];
}

function showPicture(picture) {
  const image = element("picture");
  const source = picture && (pageOf(picture)?.picture ?? picture.url);
  image.alt = picture?.name ?? "";
  if (source && source === image.getAttribute("src")) return;
  setCropping(false);
  image.hidden = !picture;
  if (picture) image.src = source;
  else image.removeAttribute("src");
  showBoxesOn(picture ? null : DRAWING);
}

let shownSize = DRAWING; // size of the drawing or photo in pixels; null if the browser cannot show it

function showBoxesOn(size) {
  shownSize = size;
  boxes.toggleAttribute("hidden", !size);
  if (!size) return;
  for (const each of [boxes, element("part")]) set(each, { viewBox: `0 0 ${size.width} ${size.height}` });
  sheet.style.setProperty("--shape", size.width / size.height);
  placeTexts();
}

element("picture").onload = ({ target: { naturalWidth: width, naturalHeight: height } }) => {
  showBoxesOn(shown?.size ?? { width, height });
  explainSoon();
};
element("picture").onerror = ({ target }) => {
  target.hidden = true; // a format that the browser does not support, although the service may
  repaint();
};
onClick("again", again);
element("ask-key").onsubmit = (event) => {
  event.preventDefault();
  tab.apiKey = element("key").value.trim();
  again();
};

function again() {
  if (!current?.url) delete current?.answer;
  for (const picture of listed) delete picture.error;
  readListed(listed.filter(isUnread));
  if (!current?.url) choose(null, strokes);
}

form.value = tab.form ?? "";
form.onchange = () => {
  tab.form = form.value;
  for (const { answers } of [...past, ...future]) answers.forEach((answer, picture) => answers.set(picture, toKeep(answer)));
  for (const picture of listed) picture.answer = toKeep(picture.answer);
  showList(listed);
  again();
};

// Return an answer if it was edited; another is read again in another form.
function toKeep(answer) {
  return answer && isEdited(answer) ? answer : undefined;
}

// ---- A page: one line of its list or table is selected there, or by its box on the picture.

let lineLabels = []; // with a radio button for each line

// A drawing is none: its layout must not change while the pen is down.
function isPage() {
  return Boolean(current?.url) && shown?.lines.length > 1;
}

function showPage() {
  const { pages } = current?.answer ?? {};
  const lines = isPage() ? byLine(shown) : [];
  lineLabels = lines.map(lineChoice);
  element("page").hidden = !pages && !isPage();
  for (const id of ["previous", "next"]) element(id).hidden = !pages;
  showPlace();
  element("lines").replaceChildren(...(lines.length && shown.table ? [tableOf(shown.table)] : lineLabels));
  boxes.replaceChildren(...lines.map(({ box }) => boxAround(box)), ...lines.map(textBeside));
  if (!isPage()) return showChoices(shown?.lines ?? []);
  placeTexts();
  (lineLabels[current.line] ?? lineLabels[0]).control.click();
}

function showPlace() {
  const place = current?.answer?.pages && placeOf(current);
  write("sum", [place, isPage() && inWords(shown)].filter(Boolean).join(": "));
}

// Return which page of a document is shown, and how many have been read so far, or were not read in the end.
function placeOf(picture) {
  const { length } = picture.answer.pages;
  const failed = failedIn(picture.answer);
  const read = isUnread(picture) ? `${length - failed} read` : `${failed} not read`;
  return `Page ${(picture.page ?? 0) + 1} of ${length}${failed ? ` (${read})` : ""}`;
}

function lineChoice(line, index) {
  const note = create("small", { textContent: inWords(line) });
  const label = radio("line", [create("span", { textContent: line.text }), note], () => {
    current.line = index;
    markChosen(index);
    write("text", line.text);
    write("message", inWords(line));
    showChoices(line.lines);
    const list = element("lines");
    list.scrollTop = label.offsetTop - (list.clientHeight - label.offsetHeight) / 2;
  });
  label.classList.toggle("unsure", Boolean(doubt(line)));
  return label;
}

function radio(name, contents, onchange) {
  const label = create("label");
  label.append(create("input", { type: "radio", name, onchange }), ...contents);
  return label;
}

function tableOf(rows) {
  const table = create("table");
  rows.forEach((cells, index) => {
    const [label, row] = [lineLabels[index], table.insertRow()];
    for (const cell of cells) row.insertCell().textContent = cell;
    row.insertCell().append(label.lastChild); // how sure it is
    label.control.ariaLabel = shown.lines[index].text;
    label.children[1].textContent = cells[0];
    label.row = row;
    row.cells[0].replaceChildren(label);
    row.onclick = () => label.control.click();
  });
  return table;
}

function markChosen(index) {
  const count = lineLabels.length || Infinity;
  [...lineLabels, ...boxes.children].forEach((part, each) => part.classList.toggle("chosen", each % count === index));
}

function textBeside(line) {
  return Object.assign(createSvg("text"), { textContent: doubt(line) ? `${line.text} ?` : line.text });
}

// Place each line's text to its right; if that is occupied, above it, to be seen once the line is chosen.
function placeTexts() {
  const texts = boxes.querySelectorAll("text");
  if (!shownSize || !texts.length) return;
  const scale = boxes.getScreenCTM().a;
  boxes.style.setProperty("--pixel", 1 / scale);
  const taken = shown.lines.map(({ box }) => box);
  texts.forEach((text, index) => {
    const { width, height } = text.getBBox();
    const { box } = shown.lines[index];
    boxAround(box, 3 / scale, boxes.children[index]);
    const [x, y] = [box.left + box.width + 8 / scale, box.top + (box.height - height) / 2];
    const isHit = ({ left, top, width: wide, height: high }) =>
      left < x + width && x < left + wide && top < y + height && y < top + high;
    const isCrowded = x + width > shownSize.width || taken.some(isHit);
    text.classList.toggle("crowded", isCrowded);
    set(text, isCrowded ? { x: box.left, y: Math.max(height, box.top - 8 / scale) } : { x, y: y + 0.8 * height });
    if (!isCrowded) taken.push({ left: x, top: y, width, height });
  });
}

function turnPage(step) {
  const { length } = current.answer.pages;
  current.page = ((current.page ?? 0) + step + length) % length;
  current.line = 0;
  show(current);
}

onClick("previous", () => turnPage(-1));
onClick("next", () => turnPage(1));

// ---- A number: one digit is selected in its text, by its box on the picture, or with the arrow keys.

function showChoices(lines) {
  const digits = digitsOf({ lines });
  const group = element("digits");
  group.hidden = !lines.some(({ text }) => text) || !(isNumber(shown) || isEdited(shown));
  group.replaceChildren();
  if (group.hidden) {
    showDigit(digits[0]);
    return;
  }
  fit(group, lines);
  for (const line of lines) {
    const row = create("div");
    const own = line.digits.values();
    row.append(...Array.from(line.text, (sign) => {
      const digit = /\d/.test(sign) && own.next().value;
      return digit ? choice(sign, digit, digits) : mark(sign);
    }));
    group.append(row);
  }
  if (!isPage()) boxes.append(...digits.map(({ box }) => boxAround(box)));
  if (!digits.length) return showDigit();
  const same = digits.indexOf(chosen);
  const newest = strokes.length ? digits.length - 1 : 0;
  choices()[same < 0 ? newest : same].click();
}

// The style sheet makes long numbers smaller. A mark or a space is half as wide as a digit.
function fit(place, lines) {
  const lengths = lines.map(({ text }) => (text.length + countDigits(text)) / 2);
  place.style.setProperty("--length", Math.max(...lengths));
  place.style.setProperty("--lines", lines.length);
}

function choices() {
  return [...element("digits").querySelectorAll("input")];
}

function choice(sign, digit, digits) {
  const index = digits.indexOf(digit);
  const label = radio("digit", [sign], () => {
    showDigit(digit);
    if (!isPage()) markChosen(index);
  });
  label.control.ariaLabel = `Digit ${index + 1} of ${digits.length}: ${sign}, ${percent(digit.probabilities[sign])}`;
  return label;
}

// Screen readers get the whole text elsewhere.
function mark(sign) {
  return create("span", { textContent: sign, ariaHidden: "true" });
}

function boxAround({ left, top, width, height }, margin = 0.08 * height, rectangle = createSvg("rect")) {
  const [x, y] = [left - margin, top - margin];
  return set(rectangle, { x, y, width: width + 2 * margin, height: height + 2 * margin, rx: margin });
}

function set(svgElement, attributes) {
  for (const [name, value] of Object.entries(attributes)) svgElement.setAttribute(name, value);
  return svgElement;
}

// On a drawing, a tap in the lowest quarter of a box draws a decimal point, which may be near the digit or under its slant.
function boxAt({ clientX, clientY }) {
  return [...boxes.querySelectorAll("rect")].findIndex((rectangle) => {
    const { left, right, top, height } = rectangle.getBoundingClientRect();
    const bottom = top + (current?.url ? 1 : 0.75) * height;
    return left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
  });
}

addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const digits = choices();
  const isTaken = event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, pre, #part");
  if (!step || digits.length === 0 || isTaken) return; // the browser handles the key
  const next = digits.at((digits.findIndex(({ checked }) => checked) + step) % digits.length);
  next.click();
  next.focus();
});

// ---- The explanation of the selected digit, requested only if its section is open, and after a delay.

const explanations = new WeakMap(); // digit → the service's explanation
let explaining = new AbortController();
let explainTimer;

function explainSoon() {
  clearTimeout(explainTimer);
  explaining.abort();
  element("reading").ariaBusy = Boolean(chosen);
  if (!chosen) showExplanation();
  else if (element("reading").open) explainTimer = setTimeout(explain, explanations.has(chosen) ? 0 : EXPLAIN_MS);
}

async function explain() {
  if (element("answer").ariaBusy === "true") return; // the next answer requests an explanation
  const [digit, picture] = [chosen, current];
  const { signal } = (explaining = new AbortController());
  try {
    const ofService = async () => ask("explain?opinion=false", await pictureOf(digit), signal);
    const explanation = explanations.get(digit) ?? (await patiently(ofService, signal));
    const source = shown.picture ?? picture.url ?? (await dataUri(picture.blob));
    if (signal.aborted) return;
    explanations.set(digit, explanation);
    showExplanation(digit, explanation, source);
  } catch (error) {
    if (signal.aborted) return;
    showExplanation();
    write("reading-note", `The explanation failed: ${error.message}`);
  }
}

async function pictureOf(digit) {
  return isNumber(shown) ? blobOf(digit.frame) : wholePicture();
}

async function wholePicture() {
  return (await toSend(current)).blob;
}

function showExplanation(digit, explanation, source) {
  element("reading").ariaBusy = "false";
  write("reading-note", "");
  showLayers(explanation?.layers ?? []);
  showStrip(digit, explanation, source);
  showEvidence(explanation);
}

function showStrip(digit, explanation, source) {
  const isWhole = digit && !isNumber(shown); // otherwise only the frame was explained, without its ink
  element("reading-line").hidden = !digit || isWhole;
  showStep("strip-picture", source, !digit || shownSize);
  showStep("strip-ink", explanation?.ink, !digit || isWhole);
  showStep("strip-frame", digit?.frame, true);
  showStep("strip-crop", isWhole ? explanation?.ink : digit && source, !digit || shownSize);
  element("strip-box").replaceChildren();
  if (!digit || !shownSize) return;
  const { left, top, width, height } = digit.box;
  set(element("strip-crop"), { viewBox: `${left} ${top} ${width} ${height}` });
  set(element("strip-crop").firstElementChild, { ...shownSize, preserveAspectRatio: "none" });
  set(element("strip-box"), { viewBox: `0 0 ${shownSize.width} ${shownSize.height}` });
  element("strip-box").append(boxAround(digit.box));
}

function showStep(id, source, isShown) {
  const image = element(id);
  const [target, name] = image.localName === "svg" ? [image.firstElementChild, "href"] : [image, "src"];
  image.closest("li").hidden = !isShown;
  image.toggleAttribute("hidden", !source);
  if (source) target.setAttribute(name, source);
  else target.removeAttribute(name);
}

function showEvidence(explanation) {
  const map = element("evidence");
  map.replaceChildren();
  const { digit = "the digit", runner_up: second = "its runner-up", probabilities } = explanation ?? {};
  const named = (each) => `for ${each}${probabilities ? `, ${percent(probabilities[each])}` : ""}`;
  write("why-title", explanation ? `Why ${digit}, and not ${second}, the runner-up?` : "Why?");
  write("for", named(digit));
  write("against", named(second));
  if (!explanation) return;
  map.append(createSvg("image", { href: explanation.frame, width: 28, height: 28 }), ...squares(explanation.evidence));
}

// ---- The layers of the network, if the model file shows them.

function showLayers(layers) {
  if (chosen) element("inside").hidden = layers.length === 0;
  element("layers").replaceChildren(...layers.map(({ shape: [count, height, width], picture }, index) => {
    const figure = create("figure");
    const size = height > 1 ? `${count} maps of ${height}×${width}` : `${count} units`;
    const image = create("img", { src: picture, alt: `Activations of layer ${index + 1}: ${size}` });
    figure.append(image, create("figcaption", { textContent: `Layer ${index + 1}: ${size}` }));
    if (index === 0) element("unit").max = count * height * width - 1;
    return figure;
  }));
  if (layers.length && !element("weights").src) chooseUnit(0);
}

async function chooseUnit(unit) {
  element("unit").value = unit;
  try {
    const response = await fetch(`explain/units/${unit}`, { headers: headers() });
    if (response.ok) element("weights").src = (await response.json()).weights;
  } catch {} // the service does not answer: the next explanation says so
}

element("unit").onchange = ({ target }) => chooseUnit(Number(target.value));

function squares(evidence) {
  const strongest = Math.max(...evidence.flat().map(Math.abs)) || 1;
  return evidence.flatMap((row, r) => row.map((weight, c) => {
    const colour = { class: weight > 0 ? "for" : "against", "fill-opacity": (0.8 * Math.abs(weight)) / strongest };
    return createSvg("rect", { x: 4 * c, y: 4 * r, width: 4, height: 4, ...colour });
  }));
}

element("reading").open = (tab.open ?? String(matchMedia(ROOMY).matches)) === "true";
element("reading").ontoggle = ({ target }) => {
  tab.open = target.open;
  explainSoon();
};

// ---- Editing: of the chosen line, or the cells of its row, in their place. What was edited is no longer in doubt.

function countDigits(text) {
  return text.replace(/\D/g, "").length;
}

// If a line has as many digits as before, they keep their probabilities.
function edited(line = { text: "", digits: [], marks: [] }, text) {
  if (text === line.text) return line;
  const isAlike = !isNumber(shown) || countDigits(text) === line.digits.length;
  const hasForm = (line.value ?? line.format) !== undefined;
  const value = hasForm ? text : undefined; // as it was typed
  return { ...line, text, digits: isAlike ? line.digits : [], edited: true, value, format: undefined, confidence: undefined };
}

// Show other cells, or another text, in a line of the open page.
function change(index, cells) {
  remember();
  const withPart = (parts, part) => Object.assign([...parts], { [index]: part });
  const lines = withPart(shown.lines, edited(shown.lines[index], cells.filter(Boolean).join(" ")));
  const table = shown.table && withPart(shown.table, cells);
  const page = { ...shown, lines, table, text: lines.map(({ text }) => text).join("\n") };
  const { answer } = current;
  current.answer = answer.pages ? { ...answer, pages: answer.pages.with(current.page ?? 0, page) } : page;
  show(current);
  if (current.row) showList(listed);
}

// Return the texts of the cells of a line: of one, unless it is a row of a table.
function cellsOf(index) {
  return shown.table?.[index] ?? [shown.lines[index]?.text ?? ""];
}

function edit() {
  const index = isPage() ? (current.line ?? 0) : 0;
  const label = lineLabels[index];
  const inputs = cellsOf(index).map((value, at) => create("input", { type: "text", value, ariaLabel: `Text ${at + 1}` }));
  if (!label) element("digits").hidden = false;
  if (label?.row) inputs.forEach((input, at) => label.row.cells[at].replaceChildren(input));
  else (label?.children[1] ?? element("digits")).replaceChildren(...inputs);
  for (const input of inputs) {
    input.onkeydown = (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault(); // nor does the key press the button that has the focus then
      finish(event.key === "Enter");
    };
    input.onblur = ({ relatedTarget }) => inputs.includes(relatedTarget) || finish(true, relatedTarget);
  }
  inputs[0].focus();
  inputs[0].select();

  function finish(isKept, next) {
    for (const input of inputs) input.onblur = null; // its removal takes the focus, too
    const cells = inputs.map(({ value }) => value.trim());
    const nextLine = lineLabels.findIndex(({ control }) => control === next);
    if (nextLine >= 0) current.line = nextLine;
    if (isKept && cells.join() !== cellsOf(index).join()) change(index, cells);
    else show(current);
    if (!next || nextLine >= 0) (lineLabels[current.line]?.control ?? element("edit")).focus();
  }
}

onClick("edit", edit);
element("lines").ondblclick = edit;
element("lines").onkeydown = ({ key, target }) => {
  if (key === "Enter" && target.type === "radio") edit();
};

// ---- Corrections, if the service stores them. The shown text changes with them.

for (const label of [..."0123456789", ""]) {
  const onclick = () => correct(label || "none", pictureOf(chosen), relabelled(label));
  element("labels").append(create("button", { textContent: label || "no digit", onclick }));
}

fetch("health").then((response) => response.json()).then(({ corrections }) => {
  element("correct").hidden = !corrections;
  showTools();
}).catch(() => {}); // the service does not answer

function askForCorrection() {
  const isOneOfMany = chosen && isNumber(shown);
  const subject = isOneOfMany ? `Digit ${choices().findIndex(({ checked }) => checked) + 1}` : "It";
  write("correct-title", `Wrong? ${subject} is a …`);
  const stored = isOneOfMany ? "this digit's frame" : "the picture";
  write("thanks", `Your correction will be stored with ${stored}, for training.`);
  for (const button of element("labels").children) button.disabled = !chosen;
  element("store").disabled = !shown?.text;
}

onClick("store", () => correct(shown.text, shown.picture ? blobOf(shown.picture) : wholePicture()));

// Return the line of the chosen digit, and its cells with a label in place of the digit.
function relabelled(label) {
  const index = shown.lines.findIndex(({ digits }) => digits.includes(chosen));
  let place = shown.lines[index].digits.indexOf(chosen);
  const relabel = (text) => (isNumber(shown) ? text.replace(/\d/g, (digit) => (place-- ? digit : label)) : label);
  return [index, cellsOf(index).map(relabel)];
}

async function correct(label, picture, cells) {
  const page = shown;
  const thanks = (words) => page === shown && write("thanks", words);
  try {
    const store = async () => ask(`corrections?label=${encodeURIComponent(label)}`, await picture, undefined, thanks);
    const { stored } = await patiently(store, undefined, thanks);
    if (page !== shown) return;
    if (cells) change(...cells);
    write("thanks", `Thank you: ${stored ? "your correction is" : "it was already"} stored.`);
  } catch (error) {
    thanks(error.message);
  }
}

// ---- Pictures: they form a list, and the sheet shows one of them.

async function open(files) {
  const pictures = await Promise.all([...files].map(pictureFrom));
  if (pictures.length > 0) add(pictures);
}

function add(pictures) {
  remember();
  showList([...listed, ...pictures]);
  readListed(pictures);
  choose(pictures[0]);
}

async function pictureFrom(file) {
  const isSvg = file.type === "image/svg+xml" || /\.svg$/i.test(file.name);
  const blob = isSvg ? await drawn(file) : file;
  return { blob, name: file.name, url: URL.createObjectURL(blob) };
}

// An SVG that the browser cannot draw is returned unchanged, so that the service refuses it.
async function drawn(svg) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    await image.decode();
    const scale = SVG_SIDE / Math.max(image.naturalWidth, image.naturalHeight);
    const [width, height] = [image.naturalWidth, image.naturalHeight].map((side) => Math.ceil(side * scale));
    const canvas = create("canvas", { width, height });
    canvas.getContext("2d").drawImage(image, 0, 0, width, height);
    return blobOf(canvas.toDataURL());
  } catch {
    return svg;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

// Put a picture, a drawing, or nothing on the sheet.
function choose(picture, drawn = []) {
  document.querySelector("[type=text]")?.blur(); // which completes an edit
  stopReading();
  strokes = drawn;
  showPicture(picture);
  if (picture || strokes.length === 0) show(picture);
  else readDrawing();
}

for (const id of ["files", "photo"]) {
  element(id).onchange = ({ target }) => {
    open(target.files);
    target.value = ""; // so that the same file can be chosen again
  };
}
for (const example of document.querySelectorAll("#examples button")) {
  example.onclick = async () => open([new File([await (await fetch(example.firstElementChild.src)).blob()], "example.svg")]);
}
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) open(event.clipboardData.files);
});
for (const type of ["dragover", "dragleave", "drop"]) {
  addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", type === "dragover" || event.relatedTarget !== null);
    const { files } = event.dataTransfer;
    if (type !== "drop") return;
    if (files.length) open(files);
    else write("message", "This is not a file. Save the picture and choose it, or copy and paste it.");
  });
}

// ---- The list of pictures {id, blob, name, url, row}, each with its `answer` or `error` once it has been read, or, of a
// document of which pages are missing, both. Until then, `words` say what it waits for, and it may have some of its pages.

let listed = [];
let waiting = []; // pictures to read, beside those that are being read
let atWork = 0; // how many are being read
let room = AT_ONCE; // how many may be; not always a whole number
let fruitless = 0; // attempts since the last answer

function isUnread({ answer, error }) {
  return !error && !isWhole(answer);
}

function showList(pictures) {
  for (const gone of listed.filter((each) => !pictures.includes(each))) stopReadingOf(gone);
  listed = pictures;
  for (const picture of listed) {
    picture.id ??= Math.random();
    picture.row ??= listRow(picture);
  }
  element("list").replaceChildren(...listed.map(({ row }) => row.item));
  element("batch").hidden = listed.length === 0;
  listed.forEach(showRow);
  count();
  keepList();
}

function stopReadingOf(picture) {
  picture.reading?.abort();
  for (const name of ["reading", "words", "share"]) delete picture[name];
}

function readListed(pictures) {
  for (const picture of pictures) {
    stopReadingOf(picture);
    showRow(picture);
  }
  if (pictures.includes(current)) show(current);
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
  if (!listed.includes(picture) || !isUnread(picture)) return;
  const { signal } = (picture.reading = new AbortController());
  const say = (words, share) => {
    Object.assign(picture, { words, share });
    showRow(picture);
    if (picture === current && isAwaited(picture)) write("message", words);
  };
  try {
    await attempt(picture, signal, say);
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
  showRow(picture);
  count();
  keepAnswersSoon();
  if (picture !== current) return;
  if (isNew || !shown) show(picture);
  showPlace();
  showAgain();
  showBusy();
}

function showRow(picture) {
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

function count() {
  const settled = listed.filter((picture) => !isUnread(picture));
  const failed = settled.filter(({ answer, error }) => error || failedIn(answer));
  const unsure = settled.filter(({ answer }) => answer && !failedIn(answer) && doubt(answer));
  const sure = settled.length - failed.length - unsure.length;
  write("counts", settled.length < listed.length
    ? `${settled.length} of ${listed.length} read`
    : `${listed.length} in all: ${sure} sure, ${unsure.length} in doubt, ${failed.length} not read`);
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
  const index = listed.indexOf(picture);
  showList(listed.filter((each) => each !== picture));
  const neighbour = listed[index] ?? listed.at(-1);
  if (picture === current) choose(neighbour ?? null);
  (neighbour?.row.remove ?? element("undo")).focus();
}

function startOver() {
  remember();
  showList([]);
  choose(null);
  write("message", "Undo brings the pictures back.");
  element("undo").focus();
}

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
function escaped(text) {
  const isFormula = /^'*[=+\-@\t\r\n]/.test(text);
  const isNumber = /^[+-][0-9.,]+$/.test(text);
  return isFormula && !isNumber ? `'${text}` : text;
}

// Let the service write the CSV: a row is a line of JSON, in which all is text.
async function save() {
  const asText = (_, value) => (typeof value === "number" ? String(value) : (value ?? undefined));
  const rows = listed.flatMap(rowsOf).map((row) => `${JSON.stringify(row, asText)}\n`);
  const say = (words) => write("save-note", words);
  say("");
  try {
    const csv = await patiently(() => askForCsv(new Blob(rows), say), undefined, say);
    const href = URL.createObjectURL(new Blob([csv], { type: "text/csv" }));
    create("a", { href, download: "digits.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000); // the browser may still be reading it
    say("");
  } catch (error) {
    say(`The CSV was not saved. ${error.message}`);
  }
}

async function askForCsv(rows, say) {
  const response = await post("csv", rows, undefined, say, () => {});
  const isCsv = response.getResponseHeader("Content-Type")?.startsWith("text/csv");
  return isCsv ? response.responseText : Promise.reject(errorIn(response));
}

onClick("save", save);
onClick("copy-page", ({ target }) => copy(rowsToPaste([current]), target));
onClick("copy-list", ({ target }) => copy(rowsToPaste(listed), target));
onClick("start-over", startOver);

// ---- The same request as a command and as a program.

function showCode() {
  const isNumberAsked = current?.answer?.route !== "predict";
  const url = new URL(isNumberAsked ? `read${form.value.replace("&", "?")}` : "predict", location.href).href;
  const name = current?.name?.replace(/\.svg$/i, ".png") ?? "picture.png"; // the service does not accept SVG
  const key = tab.apiKey;
  write("curl", `curl ${key ? '-H "X-API-Key: $DIGITS_API_KEY" ' : ""}-F ${fileOption(name)} '${url}'`);
  write("python", `import json${key ? "\nimport os" : ""}
from urllib.request import Request, urlopen

picture = open(${JSON.stringify(name)}, "rb").read()
headers = {"Content-Type": "application/octet-stream"${key ? ', "X-API-Key": os.environ["DIGITS_API_KEY"]' : ""}}
answer = json.load(urlopen(Request("${url}", picture, headers)))
print(answer["${isNumberAsked ? "text" : "digit"}"], answer["confidence"])`);
}

function fileOption(name) {
  if (/^[\w./-]+$/.test(name)) return `file=@${name}`;
  const inCurlsQuotes = `file=@"${name.replace(/["\\]/g, "\\$&")}"`; // a name may contain ; or ,
  return `'${inCurlsQuotes.replaceAll("'", "'\\''")}'`;
}

async function dataUri(blob) {
  const bytes = Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte));
  return `data:${blob.type};base64,${btoa(bytes.join(""))}`;
}

function blobOf(dataUri) {
  const [, type, data] = dataUri.match(/^data:([^;,]*)[^,]*,(.*)$/s);
  return new Blob([Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0))], { type });
}

for (const button of document.querySelectorAll("[data-copies]")) {
  button.onclick = () => copy(element(button.dataset.copies).textContent, button);
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard unless the page is loaded over HTTPS or from this machine
    const area = create("textarea", { value: text });
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

// ---- The contents of the sheet survive a reload of the tab.

function keep() {
  const { url, answer } = current ?? {};
  try {
    tab.contents = JSON.stringify({ strokes, answer: url ? undefined : answer, chosen: listed.indexOf(current) });
  } catch {} // over the browser's limit
}

async function restore() {
  const { strokes: drawn = [], answer, chosen } = parsed(tab.contents) ?? {};
  strokes = drawn;
  if (answer) show({ blob: drawing(), answer });
  else choose(null, strokes);
  await restoreList();
  if (isEmpty() && listed[chosen]) choose(listed[chosen]);
}

// ---- The list survives it too, in the browser's database, for a day.

const DAY = 24 * 3600 * 1000;

// Do something with the lists in the database, by name: {time, pictures}, and answers by the pictures' ids; return the
// result of the request.
async function inLists(act) {
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

// Files and answers are kept apart, since answers change more often, and are smaller.
async function keepList() {
  if (!listed.length && !tab.list) return;
  tab.list ??= `${Date.now()} ${Math.random()}`;
  const pictures = listed.map(({ id, name, blob }) => ({ id, name, blob }));
  await inLists((lists) => (pictures.length ? lists.put({ time: Date.now(), pictures }, tab.list) : lists.delete(tab.list)));
  await keepAnswers();
}

let keeping; // the timer of `keepAnswers`
let keepDelay = KEEP_MS;

function keepAnswersSoon() {
  if (!listed.some(isUnread)) keepAnswers();
  else keeping ??= setTimeout(keepAnswers, keepDelay);
}

async function keepAnswers() {
  clearTimeout(keeping);
  keeping = undefined;
  const answers = new Map(listed.map(({ id, answer }) => [id, answer]));
  const key = `${tab.list} answers`;
  const started = performance.now();
  await inLists((lists) => (answers.size ? lists.put(answers, key) : lists.delete(key)));
  keepDelay = Math.max(KEEP_MS, 10 * (performance.now() - started));
}

async function restoreList() {
  for (const name of (await inLists((lists) => lists.getAllKeys())) ?? []) {
    if (!name.startsWith(tab.list) && Date.now() - parseInt(name) > DAY) await inLists((lists) => lists.delete(name));
  }
  const kept = tab.list && (await inLists((lists) => lists.get(tab.list)));
  if (!kept || listed.length) return;
  const answers = (await inLists((lists) => lists.get(`${tab.list} answers`))) ?? new Map();
  showList(kept.pictures.map((picture) => ({ ...picture, url: URL.createObjectURL(picture.blob), answer: answers.get(picture.id) })));
  readListed(listed.filter(isUnread));
}

restore();
