// The state that modules share; what only one of them needs, it keeps itself.

export let tab = {}; // what a reload of the tab keeps, unless the browser blocks the storage of sites

try {
  tab = sessionStorage;
} catch {}

export const DRAWING = { width: 432, height: 288 }; // pixels of the drawing that is sent; the sheet has this shape

export const state = {
  strokes: [], // each is a list of points in heights of the sheet, so that it can be drawn at any size
  stroke: null, // the one being drawn; added to `strokes` once it cannot be a tap
  past: [], // to undo to, the next one last: {strokes, picture, answers}
  future: [], // to redo to
  current: null, // what is shown: a drawing {blob}, or a picture of the list; later with its `answer` or `error`
  shown: undefined, // its answer, or that of the page of a document
  chosen: undefined, // the digit whose probabilities are shown
  size: DRAWING, // of the drawing or photo in pixels; null if the browser cannot show it
  listed: [], // the pictures of the list
  form: null, // of the sheets in the list, as in its file
  draft: null, // the form that is being made: {form, sample}, the sample a Blob or null
  request: null, // the AbortController of the request in flight for a drawing
  timer: undefined, // of the next such request
};

export function isDrawing() {
  return state.strokes.includes(state.stroke);
}

export function isEmpty() {
  return state.strokes.length === 0 && state.current === null;
}

// A drawing is none: its layout must not change while the pen is down.
export function isPage() {
  return Boolean(state.current?.url) && state.shown?.lines.length > 1;
}

export function contents() {
  const answers = new Map(state.listed.map((picture) => [picture, picture.answer]));
  return { strokes: [...state.strokes], picture: state.current?.url ? state.current : null, answers };
}

export function remember() {
  state.past.push(contents());
  state.future = [];
}
