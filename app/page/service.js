// Requests to the service.

import { BUSY, isBusy, refused } from "./errors.js";
import { tab } from "./state.js";

export const TRIES = 12; // attempts in a row without an answer, after which the page gives up; they begin with AT_ONCE at a time
const LONGEST_PAUSE = 8; // seconds between attempts, which begin with 1 and double
const SLOW_MS = 1000; // an upload that takes longer shows its progress

export function headers() {
  return tab.apiKey ? { "X-API-Key": tab.apiKey } : {};
}

// Do what may fail because the service is busy, again and again.
export async function patiently(act, signal, say = () => {}) {
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

export function pause({ retryAfter }, tries, signal) {
  const seconds = Number(retryAfter) || Math.min(LONGEST_PAUSE, 2 ** (tries - 1));
  return new Promise((resolve) => {
    setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", resolve);
  });
}

// Post a picture, and return the answer, or the last of its lines; `take` gets each line as soon as it has arrived. A sheet is
// sent with its form.
export async function ask(route, picture, signal, say = () => {}, take = () => {}, form = null) {
  let last;
  const receive = (line) => {
    const answer = parsed(line);
    if (answer) take((last = answer));
  };
  const response = await post(route, picture, signal, say, receive, form);
  return last ?? Promise.reject(errorIn(response));
}

export function askPatiently(route, picture, signal, say) {
  return patiently(() => ask(route, picture, signal, say), signal, say);
}

export function errorIn(response) {
  const { detail, type } = parsed(response.responseText) ?? {};
  return refused(reason(response, detail), response.status, { type, retryAfter: response.getResponseHeader("Retry-After") });
}

export async function post(route, picture, signal, say, receive, form = null) {
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
    request.send(form ? withForm(picture, form) : picture);
  });
}

function withForm(picture, form) {
  const body = new FormData();
  body.append("file", picture);
  body.append("form", JSON.stringify(form));
  return body;
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

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The service's detail is missing in the errors of a proxy.
export function reason({ status }, detail) {
  if (status === 401) return tab.apiKey ? "This API key is wrong." : "This service needs an API key.";
  if (isBusy({ status })) return "The service is busy: try again later.";
  if (detail) return detail;
  if (status === 413) return "The picture is too large: send a smaller one.";
  if (status === 200) return "This response is not from Digits: sign in and reload.";
  return `The server answered ${status}: try again later.`;
}
