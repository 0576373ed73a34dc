// The same request as a command and as a program.

import { copy, element, write } from "./dom.js";
import { form, SHEETS } from "./reading.js";
import { state, tab } from "./state.js";

export function showCode() {
  const isNumberAsked = state.current?.answer?.route !== "predict";
  const isSheet = form.value === SHEETS;
  const url = new URL(isNumberAsked ? `read${isSheet ? "" : form.value.replace("&", "?")}` : "predict", location.href).href;
  const name = state.current?.name?.replace(/\.svg$/i, ".png") ?? "picture.png"; // the service does not accept SVG
  const key = tab.apiKey;
  write("curl", `curl ${key ? '-H "X-API-Key: $DIGITS_API_KEY" ' : ""}${isSheet ? "-F form=@form.json " : ""}-F ${fileOption(name)} '${url}'`);
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

for (const button of document.querySelectorAll("[data-copies]")) {
  button.onclick = () => copy(element(button.dataset.copies).textContent, button);
}
