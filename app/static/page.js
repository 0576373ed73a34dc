// Draws on the sheet, asks POST /predict after each stroke, and shows the answer as ten bars.
"use strict";

const STROKE_WIDTH = 48; // canvas pixels: after scaling to 28×28, about as thick as MNIST's strokes
const sheet = document.getElementById("sheet");
const pen = sheet.getContext("2d");
const bars = Array.from({ length: 10 }, (_, digit) => {
  const row = document.createElement("li");
  row.innerHTML = `<span>${digit}</span><progress value="0" aria-label="probability of ${digit}"></progress><span>–</span>`;
  document.getElementById("bars").append(row);
  return row;
});
let request = new AbortController();

function clear() {
  pen.fillStyle = "white";
  pen.fillRect(0, 0, sheet.width, sheet.height);
  pen.lineWidth = STROKE_WIDTH;
  pen.lineCap = pen.lineJoin = "round";
}

function show(answer) {
  document.getElementById("digit").value = answer.digit ?? "?";
  document.getElementById("message").textContent =
    answer.detail ?? `${(100 * answer.confidence).toFixed(1)} % sure`;
  const frame = document.getElementById("frame");
  frame.hidden = !answer.frame;
  frame.src = answer.frame ?? "";
  bars.forEach((row, digit) => {
    const probability = answer.probabilities?.[digit];
    row.children[1].value = probability ?? 0;
    row.children[2].textContent = probability === undefined ? "–" : `${(100 * probability).toFixed(1)} %`;
  });
}

async function ask(picture) {
  request.abort(); // the last request wins
  request = new AbortController();
  try {
    const response = await fetch("predict?frame=true", { method: "POST", body: picture, signal: request.signal });
    show(await response.json());
  } catch (error) {
    if (error.name !== "AbortError") show({ detail: "The service does not answer. Is it still running?" });
  }
}

function place(event) {
  return [(event.offsetX * sheet.width) / sheet.clientWidth, (event.offsetY * sheet.height) / sheet.clientHeight];
}

sheet.addEventListener("pointerdown", (event) => {
  sheet.setPointerCapture(event.pointerId);
  pen.beginPath();
  pen.moveTo(...place(event));
  pen.lineTo(...place(event));
  pen.stroke();
});
sheet.addEventListener("pointermove", (event) => {
  if (!sheet.hasPointerCapture(event.pointerId)) return;
  pen.lineTo(...place(event));
  pen.stroke();
});
sheet.addEventListener("pointerup", () => sheet.toBlob(ask));
document.getElementById("file").addEventListener("change", (event) => ask(event.target.files[0]));
document.getElementById("clear").addEventListener("click", () => {
  request.abort();
  clear();
  show({ detail: "Draw with mouse, finger or pen." });
});
clear();
