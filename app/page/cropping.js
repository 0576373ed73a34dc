// The marked part of a picture is read as a picture of its own.

import { create, element, onClick } from "./dom.js";
import { add } from "./files.js";
import { blobOf } from "./images.js";
import { isCropping, markPart, part, setCropping } from "./part.js";
import { state } from "./state.js";

export function readPart() {
  if (part[2] < 1 || part[3] < 1) return markPart(null, "Too small: drag over a whole number.");
  const image = element("picture");
  const sides = [image.naturalWidth, image.naturalHeight];
  const [left, top, width, height] = part.map((each, index) => Math.ceil((each / 100) * sides[index % 2]));
  const canvas = create("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, -left, -top);
  const blob = blobOf(canvas.toDataURL(state.current.blob.type, 0.95)); // or a PNG
  add([{ blob, name: `${state.current.name}, part`, url: URL.createObjectURL(blob) }]);
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
