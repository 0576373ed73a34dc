// Elements of the page, by id, and new ones.

export const element = (id) => document.getElementById(id);
export const create = (tag, properties) => Object.assign(document.createElement(tag), properties);
export const createSvg = (tag, attributes = {}) => set(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);

export function set(svgElement, attributes) {
  for (const [name, value] of Object.entries(attributes)) svgElement.setAttribute(name, value);
  return svgElement;
}

export const write = (id, text) => (element(id).textContent = text);
export const onClick = (id, act) => (element(id).onclick = act);
export const sheet = element("sheet");
export const boxes = element("boxes");

// Do something with the files that are chosen, also with the same ones again.
export function onFiles(input, act) {
  input.onchange = () => {
    if (input.files.length) act(...input.files);
    input.value = "";
  };
}

export function radio(name, contents, onchange) {
  const label = create("label");
  label.append(create("input", { type: "radio", name, onchange }), ...contents);
  return label;
}

export async function copy(text, button) {
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
