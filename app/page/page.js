// The page: strokes and files → POST /read and /predict → the number, a box around each digit, the ten bars of one, and
// what to do where there is no answer.
"use strict";

const STROKE_WIDTH = 0.065; // in heights of the sheet
const DRAWING = { width: 288, height: 192 }; // pixels of the drawing that is sent; the sheet has this shape
const TAP = 0.02; // in heights of the sheet: a pen that moves less may have tapped
const PAUSE_MS = 30; // after a stroke: the next one may follow at once
const SURE = 0.8; // below, the runner-up is named too
const LEGIBLE = 0.5; // below, it is probably not a digit
const AT_ONCE = 4; // pictures of a batch that are sent at the same time
const TRIES = 8; // of a picture that an overloaded service sends back
const NO_ANSWER = "No digit yet";
const SVG = "http://www.w3.org/2000/svg";

const element = (id) => document.getElementById(id);
const sheet = element("sheet");
const percent = (share) => `${(100 * share).toFixed(1)} %`;

// ---- The sheet: strokes as points in heights of the sheet, so that they can be undone and drawn at any size.

let strokes = [];
let reading = new AbortController();
let current = null; // what was sent: {blob}, of a file also {name, url}; then its answer or error

function paint(context, height) {
  context.lineWidth = STROKE_WIDTH * height;
  context.lineCap = context.lineJoin = "round";
  for (const points of strokes) {
    const [first, ...rest] = points.map(([x, y]) => [x * height, y * height]);
    context.beginPath();
    context.moveTo(...first);
    let last = first;
    for (const point of rest) { // through the middles between points, bent at the points
      context.quadraticCurveTo(...last, (last[0] + point[0]) / 2, (last[1] + point[1]) / 2);
      last = point;
    }
    context.lineTo(...last);
    context.stroke();
  }
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
  element("undo").disabled = strokes.length === 0;
  element("clear").disabled = strokes.length === 0 && current === null;
}

function drawing() {
  const canvas = Object.assign(document.createElement("canvas"), DRAWING);
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, DRAWING.width, DRAWING.height);
  paint(context, DRAWING.height);
  return new Promise((resolve) => canvas.toBlob(resolve));
}

let pause;

function strokesChanged() {
  stopReading();
  repaint();
  if (strokes.length === 0) {
    clear();
    return;
  }
  element("answer").ariaBusy = "true";
  const mine = (pause = setTimeout(async () => {
    const blob = await drawing();
    if (mine === pause) read({ blob });
  }, PAUSE_MS));
}

function stopReading() {
  clearTimeout(pause);
  pause = undefined;
  reading.abort();
}

function clear() {
  stopReading();
  strokes = [];
  current = null;
  showPicture();
  show({});
  repaint();
}

function point(event) {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) / box.height, (event.clientY - box.top) / box.height];
}

let stroke; // the one under the pen
let maybeTap; // whether it may be no stroke, but a tap that chooses a digit, or does nothing to a photo

function begin() {
  maybeTap = false;
  if (current?.url) clear();
  stopReading();
  element("answer").ariaBusy = "true";
  strokes.push(stroke);
}

function hasMoved([[x, y], ...rest]) {
  return rest.some(([toX, toY]) => Math.hypot(toX - x, toY - y) > TAP);
}

sheet.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button !== 0) return;
  event.preventDefault();
  sheet.setPointerCapture(event.pointerId);
  stroke = [point(event)];
  maybeTap = Boolean(current?.url) || digitAt(event) >= 0;
  if (!maybeTap) begin();
  repaint();
});
sheet.addEventListener("pointermove", (event) => {
  if (!sheet.hasPointerCapture(event.pointerId)) {
    sheet.style.cursor = digitAt(event) < 0 ? "" : "pointer";
    return;
  }
  const events = event.getCoalescedEvents?.() ?? [];
  stroke.push(...(events.length ? events : [event]).map(point));
  if (maybeTap && hasMoved(stroke)) begin();
  repaint();
});
sheet.addEventListener("lostpointercapture", (event) => {
  if (maybeTap) choices()[digitAt(event)]?.click();
  else strokesChanged();
});
sheet.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press is a slow stroke

function undo() {
  strokes.pop();
  strokesChanged();
}

element("undo").addEventListener("click", undo);
element("clear").addEventListener("click", clear);
addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && strokes.length && event.target !== element("key")) {
    event.preventDefault();
    undo();
  }
});
new ResizeObserver(repaint).observe(sheet);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

// ---- Asking.

// An error whose message says what to do; its status is 0 where nobody answered.
function refused(message, status = 0) {
  return Object.assign(new Error(message), { status });
}

function headers() {
  const key = sessionStorage.getItem("key");
  return key ? { "X-API-Key": key } : {};
}

function seconds(count, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * count);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// What is on a picture: the number that /read finds, or else, of one digit or none, what /predict says.
async function answerTo(picture, signal, busy) {
  const started = performance.now();
  let answer = { route: "read", ...(await ask("read", picture, signal, busy)) };
  if (digitsOf(answer).length < 2) {
    const digit = await ask("predict", picture, signal, busy);
    answer = { route: "predict", ...digit, text: String(digit.digit), lines: [{ digits: [digit] }] };
  }
  return { ...answer, milliseconds: performance.now() - started };
}

function digitsOf({ lines }) {
  return lines.flatMap(({ digits }) => digits);
}

// The service's answer; `busy` is told before each wait for a service that has too much to do.
async function ask(route, picture, signal, busy) {
  for (let tries = 1; ; tries++) {
    const response = await post(route, picture, signal);
    const answer = await response.json().catch(() => ({}));
    if (response.ok && answer.model) return answer;
    if (response.status === 503 && tries < TRIES) {
      busy();
      await seconds(Number(response.headers.get("Retry-After")) || 1, signal);
    } else {
      throw refused(ownWords(response) ?? answer.detail, response.status);
    }
  }
}

async function post(route, picture, signal) {
  try {
    await picture.slice(0, 1).arrayBuffer();
  } catch {
    throw refused("This cannot be read: choose a file, not a folder.");
  }
  try {
    return await fetch(`${route}?frame=true`, { method: "POST", body: picture, headers: headers(), signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw refused("The service does not answer. Is it running? Your picture is still here.");
  }
}

// What is wrong, where the service's own words are for programmers, or there are none: a proxy has answered.
function ownWords({ status, statusText, headers }) {
  if (status === 401) return "This service needs an API key.";
  if (headers.get("Content-Type") === "application/problem+json") return undefined;
  if (status === 413) return "The picture is too large: send a smaller one.";
  if (status === 200) return "This response is not from Digits: sign in and reload.";
  return `The server answered ${status} ${statusText}: try again later.`;
}

// Read a picture and show the answer, unless another one is read in the meantime.
async function read(picture) {
  reading.abort();
  const { signal } = (reading = new AbortController());
  current = picture;
  element("answer").ariaBusy = "true";
  repaint();
  await settle(picture, signal, () => showWaiting("The service is busy. Trying again …"));
  if (!signal.aborted) showCurrent();
}

// Ask, and keep the answer or the error with the picture.
async function settle(picture, signal, busy) {
  try {
    const answer = await answerTo(picture.blob, signal, busy);
    Object.assign(picture, { answer, error: undefined });
  } catch (error) {
    Object.assign(picture, { answer: undefined, error });
  }
}

// ---- Showing.

const bars = Array.from({ length: 10 }, (_, digit) => {
  const row = document.createElement("li");
  const [name, bar, share] = ["b", "span", "span"].map((tag) => document.createElement(tag));
  name.textContent = digit;
  bar.append(document.createElement("i"));
  row.append(name, bar, share);
  element("bars").append(row);
  return { row, fill: bar.firstChild, share };
});

function inWords(answer) {
  const digits = digitsOf(answer);
  return digits.length === 1 ? digitInWords(digits[0]) : numberInWords(digits, answer.confidence);
}

function digitInWords(digit) {
  if (digit.legibility < LEGIBLE) return "Probably not a digit";
  if (digit.confidence >= SURE) return `${percent(digit.confidence)} sure`;
  return `Not sure, ${percent(digit.confidence)}: it could be ${runnerUp(digit)}`;
}

function numberInWords(digits, confidence) {
  const doubts = digits.map((digit) => Math.min(digit.legibility, digit.confidence));
  const index = doubts.indexOf(Math.min(...doubts));
  const name = `digit ${index + 1} of ${digits.length}`;
  const unsure = `Not sure, ${percent(confidence)}`;
  if (digits[index].legibility < LEGIBLE) return `${unsure}: ${name} is probably not one`;
  if (digits[index].confidence < SURE) return `${unsure}: ${name} could be ${runnerUp(digits[index])}`;
  return confidence < SURE ? unsure : `${percent(confidence)} sure`;
}

function runnerUp({ digit, probabilities }) {
  const others = probabilities.map((share, other) => ({ share, other })).filter(({ other }) => other !== digit);
  const second = others.reduce((best, each) => (each.share > best.share ? each : best));
  return `a ${second.other}, ${percent(second.share)}`;
}

function show({ answer, message = NO_ANSWER, error }) {
  element("answer").ariaBusy = "false";
  element("text").textContent = answer?.text ?? "?";
  element("message").textContent = answer ? inWords(answer) : (error?.message ?? message);
  element("facts").textContent = answer
    ? `Answered in ${Math.max(1, Math.round(answer.milliseconds))} ms by model ${answer.model}`
    : "";
  showChoices(answer?.lines ?? []);
  showDigit(answer && digitsOf(answer)[0]);
  element("ask-key").hidden = error?.status !== 401;
  element("again").hidden = !error || !(error.status === 0 || error.status >= 500);
  showCode();
}

function showDigit(digit) {
  element("frame").hidden = !digit;
  if (digit) element("frame").src = digit.frame;
  bars.forEach(({ row, fill, share }, each) => {
    const probability = digit?.probabilities[each];
    row.classList.toggle("best", each === digit?.digit);
    fill.style.transform = `scaleX(${probability ?? 0})`;
    share.textContent = digit ? percent(probability) : "–";
  });
}

function showWaiting(message) {
  show({ message });
  element("answer").ariaBusy = "true";
}

function showCurrent() {
  show(current);
  repaint();
}

function showPicture(picture) {
  const image = element("picture");
  image.hidden = !picture;
  image.alt = picture?.name ?? "";
  if (picture) image.src = picture.url;
  else image.removeAttribute("src");
  showBoxesOn(picture ? null : DRAWING);
}

// Boxes are in pixels of the drawing or photo; none is shown where the browser does not show that.
function showBoxesOn(size) {
  element("boxes").toggleAttribute("hidden", !size);
  if (size) element("boxes").setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
}

element("picture").addEventListener("load", ({ target: { naturalWidth: width, naturalHeight: height } }) => {
  showBoxesOn({ width, height });
});
element("picture").addEventListener("error", ({ target }) => {
  target.hidden = true; // a format that the browser does not know, though the service may
  repaint();
});
element("again").addEventListener("click", again);
element("ask-key").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", element("key").value.trim());
  again();
});

function again() {
  if (listed.includes(current)) readListed(listed.filter(({ error }) => error));
  else read(current);
}

// ---- Several digits: each is chosen by its place in the number, by its box on the picture, or by arrow keys.

function showChoices(lines) {
  const digits = digitsOf({ lines });
  const group = element("digits");
  group.hidden = digits.length < 2;
  group.replaceChildren();
  element("boxes").replaceChildren();
  if (group.hidden) return;
  fit(group, lines);
  for (const line of lines) {
    const row = document.createElement("div");
    row.append(...line.digits.map((digit) => choice(digit, digits)));
    group.append(row);
  }
  element("boxes").append(...digits.map(boxAround));
  choices()[0].click();
}

// Tells the style sheet how much is to be shown, since it makes long numbers smaller.
function fit(place, lines) {
  place.style.setProperty("--length", Math.max(...lines.map(({ digits }) => digits.length)));
  place.style.setProperty("--lines", lines.length);
}

function choices() {
  return [...element("digits").querySelectorAll("input")];
}

function choice(digit, digits) {
  const index = digits.indexOf(digit);
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "digit" });
  input.ariaLabel = `Digit ${index + 1} of ${digits.length}: ${digit.digit}, ${percent(digit.confidence)}`;
  input.addEventListener("change", () => {
    showDigit(digit);
    [...element("boxes").children].forEach((box, each) => box.classList.toggle("chosen", each === index));
  });
  label.append(input, digit.digit);
  return label;
}

function boxAround({ box: { left, top, width, height } }) {
  const margin = 0.08 * height;
  const rectangle = document.createElementNS(SVG, "rect");
  const places = { x: left - margin, y: top - margin, width: width + 2 * margin, height: height + 2 * margin, rx: margin };
  for (const [name, value] of Object.entries(places)) rectangle.setAttribute(name, value);
  return rectangle;
}

// The digit in whose box the pointer is, or -1.
function digitAt({ clientX, clientY }) {
  return [...element("boxes").children].findIndex((rectangle) => {
    const { left, right, top, bottom } = rectangle.getBoundingClientRect();
    return left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
  });
}

addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const digits = choices();
  const isTaken = event.altKey || event.ctrlKey || event.metaKey || event.target.closest("#digits, #key, pre");
  if (!step || digits.length === 0 || isTaken) return; // by the browser
  const next = digits.at((digits.findIndex(({ checked }) => checked) + step) % digits.length);
  next.click();
  next.focus();
});

// ---- Files: one takes the place of the drawing; several make a list, of which the sheet shows one.

function open(files) {
  const pictures = [...files].map((file) => ({ blob: file, name: file.name, url: URL.createObjectURL(file) }));
  if (pictures.length === 0) return;
  clearList();
  if (pictures.length === 1) take(pictures[0]);
  else list(pictures);
}

function take(picture) {
  stopReading();
  strokes = [];
  showPicture(picture);
  read(picture);
}

let listed = []; // the pictures of the list, each with its `row`
let listing = new AbortController();

function clearList() {
  listing.abort();
  for (const { url } of listed) URL.revokeObjectURL(url);
  listed = [];
  element("list").replaceChildren();
  element("batch").hidden = true;
}

function list(pictures) {
  clear();
  listed = pictures;
  for (const picture of listed) picture.row = listRow(picture);
  element("list").append(...listed.map(({ row }) => row.item));
  element("batch").hidden = false;
  readListed(listed);
}

async function readListed(pictures) {
  listing.abort();
  const { signal } = (listing = new AbortController());
  const waiting = pictures.values();
  const work = async () => {
    for (const picture of waiting) await readOne(picture, signal);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function readOne(picture, signal) {
  const { button, thumbnail, text, note } = picture.row;
  await settle(picture, signal, () => (note.textContent = "The service is busy. Waiting …"));
  if (signal.aborted) return;
  text.textContent = picture.answer?.text ?? "?";
  if (picture.answer) fit(text, picture.answer.lines);
  note.textContent = picture.answer ? inWords(picture.answer) : picture.error.message;
  if (picture.answer && thumbnail.classList.contains("unknown")) showFrame(thumbnail, picture.answer);
  button.disabled = false;
  const first = picture === listed[0] && current === null && strokes.length === 0;
  if (first || picture === current) choose(picture);
}

function listRow(picture) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const thumbnail = new Image();
  const [text, name, note] = ["b", "span", "span"].map((tag) => document.createElement(tag));
  thumbnail.alt = "";
  thumbnail.addEventListener("error", () => {
    thumbnail.classList.add("unknown"); // the browser's fault or the file's: the frame is shown where there is one
    if (picture.answer) showFrame(thumbnail, picture.answer);
  }, { once: true });
  thumbnail.src = picture.url;
  text.textContent = "…";
  name.textContent = picture.name;
  name.className = "name";
  button.type = "button";
  button.disabled = true;
  button.append(thumbnail, text, name, note);
  button.addEventListener("click", () => choose(picture));
  item.append(button);
  return { item, button, thumbnail, text, note };
}

function showFrame(thumbnail, answer) {
  thumbnail.src = digitsOf(answer)[0].frame;
  thumbnail.classList.remove("unknown");
}

function choose(picture) {
  stopReading();
  strokes = [];
  current = picture;
  showPicture(picture);
  showCurrent();
}

for (const id of ["files", "photo"]) {
  element(id).addEventListener("change", ({ target }) => {
    open(target.files);
    target.value = ""; // so that the same file can be chosen again
  });
}
addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) open(event.clipboardData.files);
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
for (const type of ["dragleave", "drop"]) {
  addEventListener(type, (event) => {
    if (type === "drop" || event.relatedTarget === null) document.body.classList.remove("dropping");
  });
}
addEventListener("drop", (event) => {
  event.preventDefault();
  open(event.dataTransfer.files);
});

// ---- The same question as a command and as a program; a drawing has no file, so its bytes are written out.

async function showCode() {
  const picture = current;
  const route = picture?.answer?.route ?? "read";
  const url = new URL(route, location.href).href;
  const drawn = picture && !picture.url;
  const bytes = drawn ? base64(await picture.blob.arrayBuffer()) : "";
  if (picture !== current) return;
  const name = picture?.name ?? "picture.png";
  const key = sessionStorage.getItem("key");
  const curl = `curl ${key ? '-H "X-API-Key: $DIGITS_API_KEY" ' : ""}-F ${drawn ? "file=@-" : fileOption(name)} ${url}`;
  element("curl").textContent = drawn ? `echo ${bytes} | base64 -d | ${curl}` : curl;
  element("python").textContent = [
    ...(drawn ? ["import base64"] : []),
    "import json",
    ...(key ? ["import os"] : []),
    "from urllib.request import Request, urlopen",
    "",
    drawn ? `picture = base64.b64decode("${bytes}")` : `picture = open(${JSON.stringify(name)}, "rb").read()`,
    `headers = {"Content-Type": "application/octet-stream"${key ? ', "X-API-Key": os.environ["DIGITS_API_KEY"]' : ""}}`,
    `answer = json.load(urlopen(Request("${url}", picture, headers)))`,
    `print(answer["${route === "read" ? "text" : "digit"}"], answer["confidence"])`,
  ].join("\n");
}

function fileOption(name) {
  if (/^[\w./-]+$/.test(name)) return `file=@${name}`;
  const inCurlsQuotes = `file=@"${name.replace(/["\\]/g, "\\$&")}"`; // a name may hold ; or ,
  return `'${inCurlsQuotes.replaceAll("'", "'\\''")}'`;
}

function base64(buffer) {
  return btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
}

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const code = element(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // no clipboard: the page did not come over HTTPS or from this machine
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}

clear();
