// New form: its fields are proposed from a sample sheet; each gets its name and format. It is saved as a file.

import { create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { formIn, keepFormSoon, restoreForm, useForm, wrongName } from "./forms.js";
import { toSend } from "./images.js";
import { chooseField, fields, removeField, showBoxes } from "./plan.js";
import { download } from "./saving.js";
import { ask, patiently } from "./service.js";
import { state } from "./state.js";

const say = (words) => write("form-note", words);
let url; // of the sample

async function proposeFrom(sample) {
  say("Looking for fields …");
  try {
    const form = await patiently(() => ask("forms/new?page=1", sample, undefined, say), undefined, say);
    edit({ form, sample });
    const count = fields().length;
    say(`${count} ${count === 1 ? "field is" : "fields are"} proposed. Name them, remove what is none, and draw what is missing.`);
    element("form-name").focus();
    element("form-name").select();
  } catch (error) {
    say(said(error));
    if (error.status === 401) element("ask-key").hidden = false;
  }
}

async function openForm(file) {
  try {
    edit({ form: formIn(await file.text()), sample: null });
    say("");
    element("form-name").focus();
  } catch {
    say(`${file.name} is not a form: choose the JSON file that this page saved.`);
  }
}

function edit(draft) {
  state.draft = draft;
  if (draft) draft.field ??= 0;
  showDraft();
  keepFormSoon();
}

function showDraft() {
  const { draft } = state;
  element("draft").hidden = !draft;
  if (!draft) return;
  element("forms").open = true;
  element("form-name").value = draft.form.name;
  showPages();
  showSample();
  showFields();
}

function showPages() {
  const { form, page = 0 } = state.draft;
  const choice = element("form-page");
  const options = form.pages.map((_, index) => create("option", { value: index, textContent: `Page ${index + 1}` }));
  choice.replaceChildren(...options);
  choice.value = page;
  choice.hidden = form.pages.length === 1;
}

async function showSample() {
  const { sample, page = 0 } = state.draft;
  URL.revokeObjectURL(url);
  url = sample ? URL.createObjectURL(sample) : undefined;
  const source = sample && (await pictureOf(sample, url, page));
  if (state.draft?.sample !== sample) return;
  element("sample-picture").hidden = !source;
  if (source) element("sample-picture").src = source;
}

// Return the sample itself, or, if the browser cannot show it, the service's picture of a page; or nothing.
async function pictureOf(sample, address, page) {
  const { isShown } = await toSend({ blob: sample, url: address });
  if (isShown && !/pdf|tiff/.test(sample.type)) return address;
  const shown = () => ask(`read?picture=true&page=${page + 1}`, sample);
  return patiently(shown).then(({ pages, picture }) => pages?.[0].picture ?? picture, () => undefined);
}

function showFields() {
  showBoxes();
  element("fields").replaceChildren(...fields().map(rowOf));
  markRow();
}

function rowOf(field, index) {
  const row = create("li");
  const number = index + 1;
  const name = create("input", { type: "text", value: field.name, ariaLabel: `Name of field ${number}`, spellcheck: false });
  const format = formatChoice(field, number);
  const digits = create("input", { type: "number", min: 1, max: 64, value: field.length ?? "", placeholder: "any" });
  const required = create("input", { type: "checkbox", checked: field.required ?? false });
  const remove = create("button", { className: "remove", textContent: "×", ariaLabel: `Remove field ${number}` });
  row.append(name, format, labelled("digits", digits), labelled("required", required), remove);
  name.oninput = () => change(field, { name: name.value.trim() });
  format.onchange = () => change(field, formatOf(format.value));
  digits.onchange = () => change(field, { length: digits.validity.valid && digits.valueAsNumber || undefined });
  required.onchange = () => change(field, { required: required.checked || undefined });
  remove.onclick = () => {
    removeField(index);
    (element("fields").children[state.draft.field]?.lastChild ?? element("add-field")).focus();
  };
  row.addEventListener("focusin", () => {
    chooseField(index);
    markRow();
  });
  return row;
}

function formatChoice(field, number) {
  const format = create("select", { ariaLabel: `Format of field ${number}` });
  const formats = [...element("form").options].filter(({ id }) => !id);
  format.append(...formats.map(({ value, text }) => create("option", { value, textContent: text })));
  format.value = optionOf(field);
  return format;
}

function labelled(words, control) {
  const label = create("label", { textContent: `${words} ` });
  label.append(control);
  return label;
}

function change(field, values) {
  Object.assign(field, values);
  keepFormSoon();
}

// Return the option that stands for a field's format, and what it says.
function optionOf({ format, date }) {
  return `${format ? `&format=${format}` : ""}${date ? `&date=${date}` : ""}`;
}

function formatOf(option) {
  const { format, date } = Object.fromEntries(new URLSearchParams(option));
  return { format, date };
}

function markRow() {
  [...element("fields").children].forEach((row, index) => row.classList.toggle("chosen", index === state.draft.field));
}

// Do something with the form, if the names of its fields can be those of columns.
function withForm(act) {
  const { form } = state.draft;
  if (!form.name) {
    say("The form has no name.");
    return element("form-name").focus();
  }
  const wrong = wrongName(form);
  if (!wrong) return act(form);
  say(wrong.why);
  const page = form.pages.findIndex((each) => each.fields.includes(wrong.field));
  Object.assign(state.draft, { page, field: form.pages[page].fields.indexOf(wrong.field) });
  showDraft();
  element("fields").children[state.draft.field].firstChild.focus();
}

for (const [id, act] of [["sample", proposeFrom], ["form-file", openForm]]) {
  element(id).onchange = ({ target }) => {
    if (target.files.length) act(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
}

element("form-name").oninput = ({ target }) => change(state.draft.form, { name: target.value.trim() });
element("form-page").onchange = ({ target }) => edit({ ...state.draft, page: Number(target.value), field: 0 });

element("plan").addEventListener("fields", () => {
  showFields();
  keepFormSoon();
});
element("plan").addEventListener("chosen", markRow);
element("plan").addEventListener("named", () => element("fields").children[state.draft.field].firstChild.select());

onClick("use-form", () => withForm((form) => {
  useForm(form);
  say(state.listed.length ? "The list is read again by this form." : "Choose the sheets: each becomes a row of a table.");
  element("files").focus();
}));
onClick("save-form", () => withForm((form) => download(JSON.stringify(form), "application/json", `${form.name}.json`)));
onClick("close-form", () => {
  edit(null);
  say("");
  element("sample").focus();
});

export async function restoreDraft() {
  await restoreForm();
  showDraft();
}
