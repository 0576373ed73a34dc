// Pictures are chosen, dropped or pasted; they are added to the list.

import { create, element, onFiles, write } from "./dom.js";
import { blobOf } from "./images.js";
import { showList } from "./list.js";
import { readListed } from "./queue.js";
import { choose } from "./sheet.js";
import { remember, state } from "./state.js";

const SVG_SIDE = 600; // longer side of a rendered SVG, in pixels

async function open(files) {
  const pictures = await Promise.all([...files].map(pictureFrom));
  if (pictures.length > 0) add(pictures);
}

export function add(pictures) {
  remember();
  showList([...state.listed, ...pictures]);
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

for (const id of ["files", "photo"]) onFiles(element(id), (...files) => open(files));

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
