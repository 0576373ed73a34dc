// A row of the form editor: the name of a field, its format, and what else may stand in it.

import { fieldsOf } from "./answers.js";
import { create, element, onFiles } from "./dom.js";
import { fits, keepFormSoon } from "./forms.js";
import { chooseField, removeField } from "./plan.js";
import { state } from "./state.js";

export function rowOf(field, index) {
  const row = element("field-row").content.firstElementChild.cloneNode(true);
  const [name, format, remove, more] = row.children;
  name.value = field.name;
  name.ariaLabel = `Name of field ${index + 1}`;
  name.oninput = () => change(field, { name: name.value.trim() });
  showFormats(format, field, more);
  format.ariaLabel = `Format of field ${index + 1}`;
  remove.ariaLabel = `Remove field ${index + 1}`;
  remove.onclick = () => {
    removeField(index);
    (element("fields").children[state.draft.field]?.children[2] ?? element("add-field")).focus();
  };
  showMore(field, more);
  row.addEventListener("focusin", () => chooseField(index));
  return row;
}

function change(field, values) {
  Object.assign(field, values);
  keepFormSoon();
}

function showFormats(choice, field, more) {
  const formats = [...element("form").options].filter(({ id }) => !id);
  choice.append(...formats.map((option) => option.cloneNode(true)));
  choice.value = `${field.format ? `&format=${field.format}` : ""}${field.date ? `&date=${field.date}` : ""}`;
  choice.onchange = () => {
    const { format, date } = Object.fromEntries(new URLSearchParams(choice.value));
    change(field, { format, date });
    summarise(field, more);
  };
}

function showMore(field, more) {
  for (const control of controlsOf(more)) {
    const said = field[control.name];
    if (control.type === "checkbox") control.checked = said ?? false;
    else control.value = said?.join?.("\n") ?? said ?? "";
    control.oninput = () => {
      change(field, { [control.name]: valueOf(control) });
      summarise(field, more);
    };
  }
  const values = more.querySelector("textarea");
  onFiles(more.querySelector("[type=file]"), async (file) => {
    values.value = await file.text();
    values.oninput();
  });
  more.ontoggle = () => showTerms(field, more);
  summarise(field, more);
}

function controlsOf(more) {
  return [...more.querySelectorAll("[name]")];
}

function valueOf({ type, value, checked, validity, valueAsNumber }) {
  if (type === "checkbox") return checked || undefined;
  if (type === "number") return value && validity.valid ? valueAsNumber : undefined;
  if (type !== "textarea") return value || undefined;
  const lines = value.split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.length ? lines : undefined;
}

// Offer what makes sense in the field's format, and name what it says.
function summarise(field, more) {
  const said = [];
  for (const control of controlsOf(more)) {
    const label = control.closest("label");
    label.hidden = !fits(field, control.name);
    if (!label.hidden && field[control.name] !== undefined) said.push(label.firstChild.textContent.trim());
  }
  if (sumOf(field)?.fields.length) said.push("sum");
  more.firstElementChild.textContent = said.length ? `More: ${said.join(", ")}` : "More";
}

function sumOf(field) {
  return state.draft.form.sums.find(({ total }) => total === field);
}

// Show the fields that may add up to this one.
function showTerms(field, more) {
  const others = more.open ? fieldsOf(state.draft.form).filter((other) => other !== field) : [];
  const boxes = others.map((other) => create("input", { type: "checkbox", checked: sumOf(field)?.fields.includes(other), onchange }));
  const labels = others.map(({ name }, place) => {
    const label = create("label");
    label.append(boxes[place], ` ${name}`);
    return label;
  });
  const group = more.querySelector("fieldset");
  group.replaceChildren(group.firstElementChild, ...labels);

  function onchange() {
    const terms = others.filter((_, place) => boxes[place].checked);
    const rest = state.draft.form.sums.filter((sum) => sum !== sumOf(field));
    state.draft.form.sums = [...rest, { fields: terms, total: field }];
    keepFormSoon();
    summarise(field, more);
  }
}
