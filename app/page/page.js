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
const AT_ONCE = 4; // pictures of a list in flight at the same time
const TRIES = 8; // attempts to send a picture while the service is overloaded
const KEPT_BYTES = 1_000_000; // size of the largest picture that survives a reload
const SVG_SIDE = 600; // longer side of a rendered SVG, in pixels
const ROOMY = "(min-width: 75rem), (min-width: 46rem) and (min-height: 56rem)"; // screens with room for the explanation
const NOTHING = "?"; // in place of a digit

const element = (id) => document.getElementById(id);
const create = (tag, properties) => Object.assign(document.createElement(tag), properties);
const createSvg = (tag, attributes = {}) => set(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);
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
let [past, future] = [[], []]; // contents of the sheet to undo or redo to, the next one last: {strokes, picture}
let stroke = null; // the one being drawn; added to `strokes` once it cannot be a tap
let pointer; // its id, to ignore other fingers, a resting palm, or the mouse
let current = null; // the picture shown: {blob}, for a file also {name, url}; later its `answer` or `error`
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
  element("hint").textContent = current?.name ?? "Draw a number here";
  element("undo").disabled = past.length === 0;
  element("redo").disabled = future.length === 0;
  element("crop").disabled = element("picture").hidden;
  element("clear").disabled = isEmpty();
  element("clear").textContent = current?.url ? "Draw" : "Clear";
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
  element("part-note").textContent = note;
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
  const picture = { blob, name: `${current.name}, part`, url: URL.createObjectURL(blob) };
  remember();
  readPicture(picture);
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

// ---- Undo and redo: of strokes, and of what replaced the contents of the sheet.

function contents() {
  return { strokes: [...strokes], picture: current?.url ? current : null };
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
  const { strokes: drawn, picture } = states.pop();
  put(picture);
  strokes = drawn;
  showContents(picture);
}

function showContents(picture) {
  if (picture?.answer) show(picture);
  else if (picture) readPicture(picture);
  else if (strokes.length > 0) readDrawing();
  else show(null);
}

function clear() {
  if (!isEmpty()) remember();
  put(null);
  show(null);
}

onClick("undo", undo);
onClick("redo", redo);
onClick("clear", clear);
addEventListener("keydown", (event) => {
  if (stroke || event.altKey || event.target.matches("#key, #right, #unit")) return;
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
  element("answer").ariaBusy = Boolean(isDrawing() || reading || timer);
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

function readPicture(picture) {
  picture.error = undefined;
  show(picture);
  read(picture);
}

async function read(picture) {
  stopReading();
  const mine = (reading = new AbortController());
  showBusy();
  await settle(picture, mine.signal, () => say("The service is busy. Trying again …"));
  if (mine !== reading) return; // another request has been started
  reading = null;
  const isRead = picture.answer && headline(picture.answer) !== NOTHING;
  if (isRead || !isDrawing()) show(picture); // that an unfinished digit cannot be read is not shown
}

// ---- Requests to the service.

// The message says what to do; the status is 0 if there was no response.
function refused(message, status = 0) {
  return Object.assign(new Error(message), { status });
}

function headers() {
  return tab.apiKey ? { "X-API-Key": tab.apiKey } : {};
}

async function settle(picture, signal, busy) {
  try {
    picture.answer = await answerTo(picture, signal, busy);
  } catch (error) {
    if (!signal.aborted) picture.error = error;
  }
}

// If /read finds nothing or one digit without marks, and no form was chosen, the answer is that of /predict.
async function answerTo({ blob: picture, url }, signal, busy) {
  const started = performance.now();
  const read = (options) => ask(`read?frame=true${options}${form.value}`, picture, signal, busy);
  const isShown = !url || (await isDrawable(picture, url));
  const answer = await read(isShown ? "" : "&picture=true");
  let pages = pagesOf(answer);
  // A photo may lie on its side, or be upside down. A single digit does not show that, a line of several does.
  if (url && !(answer.text && pages.every(isMostlySure))) {
    const turned = pagesOf(await read("&rotate=auto&picture=true"));
    const isBetter = (page) => page.turn && page.lines.some(({ digits }) => digits.length > 1);
    pages = pages.map((page, index) => (isBetter(turned[index]) ? turned[index] : page));
  }
  const own = { route: "read", model: answer.model, form: form.selectedOptions[0].text };
  const timed = (page) => ({ ...own, ...page, milliseconds: performance.now() - started });
  if (answer.pages) return timed({ ...answer, pages: pages.map(timed), text: pages.map(({ text }) => text).join("\f") });
  const [page] = pages;
  if (form.value || !/^\d?$/.test(page.text)) return timed(page);
  const digit = await ask("predict?frame=true", picture, signal, busy);
  const text = String(digit.digit);
  return timed({ ...page, ...digit, route: "predict", text, lines: [{ text, digits: [digit] }] });
}

// Of a document, some browsers draw the first page.
function isDrawable({ type }, url) {
  return new Promise((resolve) => {
    const onload = () => resolve(!/pdf|tiff/.test(type));
    Object.assign(new Image(), { onload, onerror: () => resolve(false), src: url });
  });
}

function isMostlySure(page) {
  const lines = byLine(page);
  const unsure = lines.filter(({ confidence }) => confidence < SURE).length;
  return 2 * unsure < (lines.length || 1);
}

// `busy` is called before each wait for an overloaded service.
async function ask(route, picture, signal, busy) {
  for (let tries = 1; ; tries++) {
    const { response, text } = await post(route, picture, signal);
    const answer = parsed(text);
    if (response.ok && answer) return answer;
    if (response.status === 503 && tries < TRIES) {
      busy();
      await new Promise((resolve, reject) => {
        setTimeout(resolve, 1000 * (Number(response.headers.get("Retry-After")) || 1));
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    } else {
      throw refused(reason(response, answer?.detail), response.status);
    }
  }
}

async function post(route, picture, signal) {
  if (picture.size === 0) throw refused("The file is empty: choose another one.", 400);
  try {
    await picture.slice(0, 1).arrayBuffer();
  } catch {
    throw refused("This cannot be read: choose a file, not a folder.");
  }
  try {
    const response = await fetch(route, { method: "POST", body: picture, headers: headers(), signal });
    return { response, text: await response.text() };
  } catch (error) {
    if (signal?.aborted) throw error;
    throw refused("The service does not answer. Is it running? Your picture is still here.");
  }
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
  const isNothing = !answer.text || (!isNumber(answer) && digitsOf(answer)[0].legibility < LEGIBLE);
  return isNothing ? NOTHING : answer.text;
}

function inWords(answer) {
  const { length } = byLine(answer).filter(({ text }) => text);
  const said = length > 1 ? `${length} lines, all sure` : `${percent(answer.confidence)} sure`;
  const words = doubt(answer) ?? (answer.text ? said : "No digit found");
  const { lines, text, value } = answer;
  return lines?.length === 1 && value && value !== text ? `→ ${value} · ${words}` : words;
}

function doubt(answer) {
  const failed = pagesOf(answer).filter(({ error }) => error).length;
  if (failed) return `${failed} of ${answer.pages.length} pages not read`;
  const lines = byLine(answer);
  if (lines.length > 1) {
    const unsure = lines.filter(doubt).length;
    return unsure ? `${unsure} of ${lines.length} lines in doubt` : undefined;
  }
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

// Without answer or error, the picture is being read; null means that there is none.
function show(picture) {
  current = picture;
  const page = pageOf(picture);
  const answer = (shown = page?.error ? undefined : page);
  const error = page?.error ?? picture?.error;
  const waits = picture && !answer && !error;
  element("text").textContent = answer ? headline(answer) : (waits ? "…" : NOTHING);
  say(answer ? inWords(answer) : (error?.detail ?? error?.message ?? (waits ? "Reading …" : "No digit yet")));
  element("facts").textContent = answer
    ? `Answered in ${Math.max(1, Math.round(answer.milliseconds))} ms by model ${answer.model}${answer.second_opinion ? ", with a second opinion" : ""}`
    : "";
  if (picture?.url) showPicture(picture);
  showPage();
  if (!waits) { // otherwise the keyboard's focus would get lost
    element("ask-key").hidden = error?.status !== 401;
    element("again").hidden = !(error && /^(0|429|5..)$/.test(error.status));
  }
  for (const each of listed) each.row.button.ariaCurrent = each === current;
  repaint();
  showBusy();
  showCode();
  keep();
}

function say(message) {
  element("message").textContent = message;
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
  delete current?.answer;
  readListed(listed.filter(({ answer }) => !answer));
  if (!listed.includes(current)) showContents(current?.url ? current : null);
}

form.value = tab.form ?? "";
form.onchange = () => {
  tab.form = form.value;
  for (const { picture } of [...past, ...future]) delete picture?.answer;
  for (const picture of listed) delete picture.answer;
  keepList();
  again();
};

// ---- A page: one line of its list or table is selected there, or by its box on the picture.

let lineLabels = []; // with a radio button for each line

// A drawing is none: its layout must not change while the pen is down.
function isPage() {
  return Boolean(current?.url) && shown?.lines.length > 1;
}

function showPage() {
  const { pages } = current?.answer ?? {};
  const lines = isPage() ? byLine(shown) : [];
  const place = pages && `Page ${(current.page ?? 0) + 1} of ${pages.length}`;
  lineLabels = lines.map(lineChoice);
  element("page").hidden = !pages && !isPage();
  for (const id of ["previous", "next"]) element(id).hidden = !pages;
  element("sum").textContent = [place, isPage() && inWords(shown)].filter(Boolean).join(": ");
  element("lines").replaceChildren(...(lines.length && shown.table ? [tableOf(shown.table)] : lineLabels));
  boxes.replaceChildren(...lines.map(({ box }) => boxAround(box)), ...lines.map(textBeside));
  if (!isPage()) return showChoices(shown?.lines ?? []);
  placeTexts();
  lineLabels[0].control.click();
}

function lineChoice(line, index) {
  const note = create("small", { textContent: inWords(line) });
  const label = radio("line", [line.text, note], () => {
    markChosen(index);
    element("text").textContent = line.text;
    say(inWords(line));
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
    const { text, value } = shown.lines[index];
    for (const cell of cells) row.insertCell().textContent = cell;
    if (value !== undefined) row.insertCell().append(label.lastChild); // what was read as the form
    label.control.ariaLabel = text;
    label.childNodes[1].data = cells[0];
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
  show(current);
}

onClick("previous", () => turnPage(-1));
onClick("next", () => turnPage(1));

// ---- A number: one digit is selected in its text, by its box on the picture, or with the arrow keys.

function showChoices(lines) {
  const digits = digitsOf({ lines });
  const group = element("digits");
  group.hidden = !isNumber(shown) || digits.length === 0;
  group.replaceChildren();
  if (group.hidden) {
    showDigit(digits[0]);
    return;
  }
  fit(group, lines);
  for (const line of lines) {
    const row = create("div");
    const own = line.digits.values();
    row.append(...Array.from(line.text, (sign) => (/\d/.test(sign) ? choice(own.next().value, digits) : mark(sign))));
    group.append(row);
  }
  if (!isPage()) boxes.append(...digits.map(({ box }) => boxAround(box)));
  choices()[strokes.length ? lastDrawn(digits) : 0].click();
}

// The style sheet makes long numbers smaller. A mark or a space is half as wide as a digit.
function fit(place, lines) {
  const lengths = lines.map(({ text, digits }) => (text.length + digits.length) / 2);
  place.style.setProperty("--length", Math.max(...lengths));
  place.style.setProperty("--lines", lines.length);
}

function choices() {
  return [...element("digits").querySelectorAll("input")];
}

function choice(digit, digits) {
  const index = digits.indexOf(digit);
  const label = radio("digit", [digit.digit], () => {
    showDigit(digit);
    if (!isPage()) markChosen(index);
  });
  label.control.ariaLabel = `Digit ${index + 1} of ${digits.length}: ${digit.digit}, ${percent(digit.confidence)}`;
  return label;
}

// Screen readers get the whole text elsewhere.
function mark(sign) {
  return create("span", { textContent: sign, ariaHidden: "true" });
}

function lastDrawn(digits) {
  const [x, y] = strokes.at(-1).at(-1).map((share) => share * DRAWING.height);
  const outside = (at, start, length) => Math.max(start - at, at - start - length, 0);
  const distances = digits.map(({ box: { left, top, width, height } }) =>
    Math.hypot(outside(x, left, width), outside(y, top, height)));
  return distances.indexOf(Math.min(...distances));
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
    const explanation = explanations.get(digit) ?? (await ask("explain?opinion=false", pictureOf(digit), signal, () => {}));
    const source = shown.picture ?? picture.url ?? (await dataUri(picture.blob));
    if (signal.aborted) return;
    explanations.set(digit, explanation);
    showExplanation(digit, explanation, source);
  } catch (error) {
    if (signal.aborted) return;
    showExplanation();
    element("reading-note").textContent = `The explanation failed: ${error.message}`;
  }
}

function pictureOf(digit) {
  return isNumber(shown) ? blobOf(digit.frame) : current.blob;
}

function showExplanation(digit, explanation, source) {
  element("reading").ariaBusy = "false";
  element("reading-note").textContent = "";
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
  map.setAttribute("aria-label", explanation ? evidenceInWords(explanation) : "No evidence yet");
  const { digit = "the digit", runner_up: second = "its runner-up", probabilities } = explanation ?? {};
  const named = (each) => `for ${each}${probabilities ? `, ${percent(probabilities[each])}` : ""}`;
  element("why-title").textContent = explanation ? `Why ${digit}, and not ${second}, the runner-up?` : "Why?";
  element("for").textContent = named(digit);
  element("against").textContent = named(second);
  if (!explanation) return;
  map.append(createSvg("image", { href: explanation.frame, width: 28, height: 28 }), ...squares(explanation.evidence));
}

// ---- The layers of the network, if the model file shows them. In a picture of maps, a pixel is between them.

function showLayers(layers) {
  if (chosen) element("inside").hidden = layers.length === 0;
  element("layers").replaceChildren(...layers.map(({ shape: [count, height, width], picture }, index) => {
    const figure = create("figure");
    const size = height > 1 ? `${count} maps of ${height}×${width}` : `${count} units`;
    const image = create("img", { src: picture, alt: `Activations of layer ${index + 1}: ${size}` });
    figure.append(image, create("figcaption", { textContent: `Layer ${index + 1}: ${size}` }));
    if (index === 0) {
      element("unit").max = count * height * width - 1;
      image.onclick = (event) => chooseUnit(unitAt(event, image, count, height, width));
    }
    return figure;
  }));
  if (layers.length && !element("weights").src) chooseUnit(0);
}

function unitAt({ offsetX, offsetY }, image, count, height, width) {
  const gap = height > 1 ? 1 : 0;
  const [x, y] = [offsetX, offsetY].map((offset) => Math.floor((offset * image.naturalWidth) / image.clientWidth));
  const [column, row] = [Math.floor(x / (width + gap)), Math.floor(y / (height + gap))];
  const map = Math.min(row * Math.ceil(Math.sqrt(count)) + column, count - 1);
  return (map * height + Math.min(y % (height + gap), height - 1)) * width + Math.min(x % (width + gap), width - 1);
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

function evidenceInWords({ digit, runner_up, evidence }) {
  const weights = evidence.flat();
  const [most, least] = [Math.max(...weights), Math.min(...weights)];
  const place = (weight) => {
    const index = weights.indexOf(weight);
    return `row ${Math.floor(index / 7) + 1}, column ${(index % 7) + 1} of 7`;
  };
  const strongest = `The frame. Strongest support for ${digit}: ${place(most)}`;
  return least < 0 ? `${strongest}; for ${runner_up}: ${place(least)}` : strongest;
}

element("reading").open = (tab.open ?? String(matchMedia(ROOMY).matches)) === "true";
element("reading").ontoggle = ({ target }) => {
  tab.open = target.open;
  explainSoon();
};

// ---- Corrections, if the service stores them.

for (const label of [...Array(10).keys(), "no digit"]) {
  const onclick = () => correct(label === "no digit" ? "none" : label);
  element("labels").append(create("button", { textContent: label, onclick }));
}

fetch("health").then((response) => response.json()).then(({ corrections }) => {
  element("correct").hidden = !corrections;
}).catch(() => {}); // the service does not answer

function askForCorrection() {
  const isOneOfMany = chosen && isNumber(shown);
  const subject = isOneOfMany ? `Digit ${choices().findIndex(({ checked }) => checked) + 1}` : "It";
  element("correct-title").textContent = `Wrong? ${subject} is a …`;
  const stored = isOneOfMany ? "this digit's frame" : "the picture";
  element("thanks").textContent = `Your correction will be stored with ${stored}, for training.`;
  for (const button of element("labels").children) button.disabled = !chosen;
  element("rewrite").hidden = !isNumber(shown);
  if (document.activeElement !== element("right")) element("right").value = shown?.text ?? "";
}

element("rewrite").onsubmit = (event) => {
  event.preventDefault();
  correct(element("right").value.trim(), shown.picture ? blobOf(shown.picture) : current.blob);
};

async function correct(label, picture = pictureOf(chosen)) {
  const digit = chosen;
  const thanks = (words) => digit === chosen && (element("thanks").textContent = words);
  try {
    const busy = () => thanks("The service is busy. Trying again …");
    const { stored } = await ask(`corrections?label=${encodeURIComponent(label)}`, picture, undefined, busy);
    thanks(`Thank you: ${stored ? "your correction is" : "it was already"} stored.`);
  } catch (error) {
    thanks(error.message);
  }
}

// ---- Pictures: one replaces the drawing; several form a list, and the sheet shows one of them.

async function open(files) {
  const pictures = await Promise.all([...files].map(pictureFrom));
  if (pictures.length === 0) return;
  clearList();
  clear();
  if (pictures.length === 1) return readPicture(pictures[0]);
  showList(pictures);
  readListed(pictures);
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
    return (await new Promise((resolve) => canvas.toBlob(resolve))) ?? svg;
  } catch {
    return svg;
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

function put(picture) {
  stopReading();
  strokes = [];
  showPicture(picture);
}

for (const id of ["files", "photo"]) {
  element(id).onchange = ({ target }) => {
    open(target.files);
    target.value = ""; // so that the same file can be chosen again
  };
}
for (const example of document.querySelectorAll("#examples button")) {
  example.onclick = () => openAddress(example.firstElementChild.src);
}
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) open(event.clipboardData.files);
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (relatedTarget === null) document.body.classList.remove("dropping");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  const { files } = event.dataTransfer;
  if (files.length) open(files);
  else openAddress(addressOf(event.dataTransfer));
});

// Return the address of a dragged picture, rather than that of a link around it.
function addressOf(data) {
  const html = new DOMParser().parseFromString(data.getData("text/html"), "text/html");
  return html.querySelector("img")?.getAttribute("src") ?? data.getData("text/uri-list").split(/[\r\n]/)[0];
}

// The page's policy only allows addresses of this service.
async function openAddress(address) {
  try {
    if (/^data:image\/[\w.+-]+;base64,/i.test(address)) return open([new File([blobOf(address)], "picture")]);
    if (!address.startsWith(`${location.origin}/`)) throw refused();
    const blob = await (await fetch(address)).blob();
    return open([new File([blob], new URL(address).pathname.split("/").at(-1), { type: blob.type })]);
  } catch {
    clear();
    const message = address
      ? "This page cannot fetch pictures from other sites. Save the picture and choose it, or copy and paste it."
      : "This is not a picture: drop an image file.";
    return show({ error: { message, status: 400 } });
  }
}

// ---- The list of pictures, each with its `row`.

let listed = [];
let listing = new AbortController();

function clearList() {
  listing.abort();
  forget(listed);
  listed = [];
  element("list").replaceChildren();
  element("batch").hidden = true;
  keepList();
}

// Free the memory of pictures, which undo and redo no longer restore.
function forget(pictures) {
  const isKept = ({ picture }) => !pictures.includes(picture);
  [past, future] = [past.filter(isKept), future.filter(isKept)];
  for (const { url } of pictures) URL.revokeObjectURL(url);
}

function showList(pictures) {
  listed = pictures;
  for (const picture of listed) picture.row = listRow(picture);
  element("list").append(...listed.map(({ row }) => row.item));
  element("batch").hidden = false;
}

async function readListed(pictures) {
  listing.abort();
  const { signal } = (listing = new AbortController());
  for (const picture of pictures) {
    picture.error = undefined;
    picture.row.text.textContent = "…";
    picture.row.note.textContent = "";
  }
  if (pictures.includes(current)) show(current);
  count();
  const waiting = [...pictures].values();
  const work = async () => {
    for (const picture of waiting) if (listed.includes(picture)) await readOne(picture, signal);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function readOne(picture, signal) {
  await settle(picture, signal, () => (picture.row.note.textContent = "The service is busy. Waiting …"));
  if (signal.aborted || !listed.includes(picture)) return;
  showRow(picture);
  count();
  const isFirst = picture === listed[0] && isEmpty();
  if (isFirst || picture === current) choose(picture);
}

function showRow(picture) {
  const { button, thumbnail, text, note } = picture.row;
  const { answer, error } = picture;
  text.textContent = answer ? headline(answer).replaceAll("\f", "\n") : NOTHING;
  note.textContent = answer ? inWords(answer) : error.message;
  button.disabled = false;
  if (!answer) return;
  fit(text, byLine(answer).flatMap(({ lines }) => lines));
  thumbnail.src = pagesOf(answer).find((page) => page.picture)?.picture ?? picture.url;
}

function count() {
  const answers = listed.flatMap(({ answer }) => answer ?? []);
  const failed = listed.filter(({ error }) => error).length;
  const unsure = answers.filter(doubt).length;
  const settled = answers.length + failed;
  element("counts").textContent = settled < listed.length
    ? `${settled} of ${listed.length} read`
    : `${listed.length} in all: ${answers.length - unsure} sure, ${unsure} in doubt, ${failed} not read`;
  if (settled === listed.length) keepList();
}

function listRow(picture) {
  const item = create("li", {
    innerHTML: '<button disabled><img alt=""><b></b><span class="name" dir="auto"></span><span></span></button><button class="remove">×</button>',
  });
  const [button, remove] = item.children;
  const [thumbnail, text, name, note] = button.children;
  button.onclick = () => choose(picture);
  remove.onclick = () => removeListed(picture);
  remove.ariaLabel = `Remove ${picture.name}`;
  name.title = picture.name;
  name.append(create("small", { textContent: picture.name }));
  const ends = [picture.name.slice(0, -12), picture.name.slice(-12)];
  name.append(...ends.map((textContent) => create("bdi", { textContent, ariaHidden: "true" })));
  thumbnail.onload = thumbnail.onerror = ({ type }) => (thumbnail.style.opacity = Number(type === "load"));
  thumbnail.src = picture.url;
  return { item, button, remove, thumbnail, text, note };
}

function choose(picture) {
  put(picture);
  show(picture);
}

function removeListed(picture) {
  const index = listed.indexOf(picture);
  listed.splice(index, 1);
  picture.row.item.remove();
  const neighbour = listed[index] ?? listed.at(-1);
  if (picture === current) {
    if (neighbour) choose(neighbour);
    else clear();
  }
  forget([picture]);
  if (!neighbour) return removeAll();
  count();
  neighbour.row.remove.focus();
}

function removeAll() {
  if (listed.includes(current)) clear();
  clearList();
  element("files").focus();
}

// The columns of `digits read --csv`, without the new ones at its end.
const COLUMNS = "file line text confidence legibility left top width height unsure model error page".split(" ");

// Return a row for each line; if the lines are rows of a table, its cells are in further columns.
function csv(pictures) {
  const rows = pictures.flatMap(rowsOf);
  const cells = new Set(rows.flatMap(Object.keys).filter((name) => name.startsWith("cell")));
  const columns = [...COLUMNS, ...cells, "format", "value"];
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

function rowsOf({ name: file, answer, error }) {
  if (!answer) return [{ file, error: error?.message }];
  return pagesOf(answer).flatMap((read) => {
    const { page, error, table, confidence, legibility, model } = read;
    if (error) return [{ file, error: error.detail, page }];
    const own = { file, confidence, legibility, unsure: doubt(read) && "yes", model, page };
    if (headline(read) === NOTHING) return [own];
    return byLine(read).map((each, index) => {
      const { text, digits, box, confidence, format, value } = { ...each, ...each.lines[0] };
      const least = Math.min(1, ...digits.map((digit) => digit.legibility));
      const cells = Object.fromEntries((table?.[index] ?? []).map((cell, column) => [`cell${column + 1}`, cell]));
      const meant = { format: { true: "yes", false: "no" }[format], value };
      return { ...own, line: index + 1, text, confidence, legibility: least, ...box, unsure: doubt(each) && "yes", ...cells, ...meant };
    });
  });
}

// Return the lines, or the rows of tables, for a spreadsheet to paste; in a document, the page precedes each, and the
// value in the chosen form follows.
function rowsToPaste({ answer }) {
  const rows = pagesOf(answer).flatMap(({ page, table, lines, error }) =>
    (lines ?? [{ text: error.detail }]).map(({ text, value }, index) => [page, ...(table?.[index] ?? [text]), value]));
  return rows.map((row) => row.filter((cell) => cell !== undefined).map(escaped).join("\t")).join("\n");
}

function cell(value) {
  const text = escaped(String(value ?? ""));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// An apostrophe precedes a text, except a number, that a spreadsheet would run as a formula.
function escaped(text) {
  const isFormula = /^'*[=+\-@\t\r\n]/.test(text);
  const isNumber = /^[+-][0-9.,]+$/.test(text);
  return isFormula && !isNumber ? `'${text}` : text;
}

function save(pictures) {
  const href = URL.createObjectURL(new Blob([csv(pictures)], { type: "text/csv" }));
  create("a", { href, download: "digits.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000); // the browser may still be reading it
}

onClick("save", () => save(listed));
onClick("save-page", () => save([current]));
onClick("copy-page", ({ target }) => copy(rowsToPaste(current), target));
onClick("remove-all", removeAll);

// ---- The same request as a command and as a program; for a drawing, which has no file, they contain its bytes.

async function showCode() {
  const picture = current;
  const route = picture?.answer?.route ?? "read";
  const url = new URL(route === "read" ? route + form.value.replace("&", "?") : route, location.href).href;
  const isDrawn = picture?.blob && !picture.url;
  const bytes = isDrawn ? (await dataUri(picture.blob)).split(",")[1] : "";
  if (picture !== current) return;
  const name = picture?.name?.replace(/\.svg$/i, ".png") ?? "picture.png"; // the service does not accept SVG
  const key = tab.apiKey;
  const curl = `curl ${key ? '-H "X-API-Key: $DIGITS_API_KEY" ' : ""}-F ${isDrawn ? "file=@-" : fileOption(name)} '${url}'`;
  element("curl").textContent = isDrawn ? `echo ${bytes} | base64 -d | ${curl}` : curl;
  element("python").textContent = `${isDrawn ? "import base64\n" : ""}import json${key ? "\nimport os" : ""}
from urllib.request import Request, urlopen

picture = ${isDrawn ? `base64.b64decode("${bytes}")` : `open(${JSON.stringify(name)}, "rb").read()`}
headers = {"Content-Type": "application/octet-stream"${key ? ', "X-API-Key": os.environ["DIGITS_API_KEY"]' : ""}}
answer = json.load(urlopen(Request("${url}", picture, headers)))
print(answer["${route === "read" ? "text" : "digit"}"], answer["confidence"])`;
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

async function keep() {
  const picture = current;
  delete tab.contents; // so that old contents do not return if the rest fails
  if (!picture?.blob || picture.blob.size > KEPT_BYTES) return;
  const data = picture.url && (await dataUri(picture.blob));
  if (picture !== current) return;
  try {
    tab.contents = JSON.stringify({ strokes, data, name: picture.name, answer: picture.answer });
  } catch {} // over the browser's limit
}

async function restore() {
  const kept = parsed(tab.contents);
  if (!kept) return clear();
  strokes = kept.strokes;
  const picture = kept.data ? await pictureFrom(new File([blobOf(kept.data)], kept.name)) : { blob: drawing() };
  picture.answer = kept.answer;
  showPicture(null);
  showContents(picture);
}

// ---- The list survives it too, in the browser's database, for a day.

const DAY = 24 * 3600 * 1000;

// Do something with the lists in the database, by name: {time, pictures}; return the result of the request.
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

async function keepList() {
  const pictures = listed.map(({ name, blob, answer }) => ({ name, blob, answer }));
  if (!pictures.length && !tab.list) return;
  tab.list ??= `${Date.now()} ${Math.random()}`;
  await inLists((lists) => (pictures.length ? lists.put({ time: Date.now(), pictures }, tab.list) : lists.delete(tab.list)));
}

async function restoreList() {
  for (const name of (await inLists((lists) => lists.getAllKeys())) ?? []) {
    if (name !== tab.list && Date.now() - parseInt(name) > DAY) await inLists((lists) => lists.delete(name));
  }
  const kept = tab.list && (await inLists((lists) => lists.get(tab.list)));
  if (!kept || listed.length) return;
  const pictures = kept.pictures.map((picture) => ({ ...picture, url: URL.createObjectURL(picture.blob) }));
  showList(pictures);
  pictures.filter(({ answer }) => answer).forEach(showRow);
  await readListed(pictures.filter(({ answer }) => !answer));
}

restore();
restoreList();
