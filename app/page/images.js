// What is sent of a picture: if the service would reduce it, a smaller JPEG, so that it is sent in less time.

import { pageOf } from "./answers.js";
import { create } from "./dom.js";

const PAGE_PIXELS = 1400 * 1400; // the service reduces larger pictures to about this many pixels
const MAX_SIDE = 4 * 640; // and to this longer side
const JPEG_QUALITY = 0.85; // of a picture that is reduced here

export function toSend(picture) {
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

export function hasPages({ type }) {
  return /pdf|tiff/.test(type);
}

// Return the image, or null if the browser cannot draw it. Of a document, some browsers draw the first page.
function imageOf(blob, url) {
  return new Promise((resolve) => {
    const image = new Image();
    const onload = () => resolve(hasPages(blob) ? null : image);
    Object.assign(image, { onload, onerror: () => resolve(null), src: url });
  });
}

// Return by what the service would divide the sides of a picture.
export function reduction([width, height]) {
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
export function inPixelsOf({ picture, ...answer }, { isShown, size, sentSize }) {
  if (size) enlarge(answer, size, sentSize);
  return isShown && !answer.turn ? answer : { ...answer, picture };
}

function enlarge(answer, size, sentSize) {
  const inOrder = (pair) => (answer.turn === 90 || answer.turn === 270 ? pair.toReversed() : pair);
  const [x, y] = inOrder(size.map((side, axis) => side / sentSize[axis]));
  const parts = [answer, ...(answer.cells ?? []).flat().filter(Boolean), ...(answer.lines ?? []).flatMap((line) => [line, ...line.digits, ...line.marks])];
  for (const { box } of parts.filter((part) => part.box)) {
    const [left, top] = [Math.round(x * box.left), Math.round(y * box.top)];
    const [right, bottom] = [Math.round(x * (box.left + box.width)), Math.round(y * (box.top + box.height))];
    Object.assign(box, { left, top, width: right - left, height: bottom - top });
  }
  const [width, height] = inOrder(size);
  if (answer.size) answer.size = { width, height };
}

// Return the address of a picture as it is shown: upright, and of a document the page.
export async function sourceOf(picture) {
  return pageOf(picture)?.picture ?? picture.url ?? dataUri(picture.blob);
}

async function dataUri(blob) {
  const bytes = Array.from(new Uint8Array(await blob.arrayBuffer()), (byte) => String.fromCharCode(byte));
  return `data:${blob.type};base64,${btoa(bytes.join(""))}`;
}

export function blobOf(dataUri) {
  const [, type, data] = dataUri.match(/^data:([^;,]*)[^,]*,(.*)$/s);
  return new Blob([Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0))], { type });
}
