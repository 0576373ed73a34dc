// New form: its fields are proposed from a sample sheet; each gets its name and format. It is saved as a file.

import { create, element, onClick, write } from "./dom.js";
import { said } from "./errors.js";
import { rowOf } from "./field-row.js";
import { formIn, keepFormSoon, linked, restoreForm, useForm, written, wrongName } from "./forms.js";
import { toSend } from "./images.js";
import { fields, showBoxes } from "./plan.js";
import { download } from "./saving.js";
import { ask, patiently } from "./service.js";
import { state } from "./state.js";

const say = (words) => write("form-note", words);
let url; // of the sample

async function proposeFrom(sample) {
  say("Looking for fields …");
  try {
    const form = await patiently(() => ask("forms/new?page=1", sample, undefined, say), undefined, say);
    edit({ form: linked(form), sample });
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
  element("fields").replaceChildren(...fields().map(rowOf));
  showBoxes();
}

// Do something with the form, if the names of its fields can be those of columns.
function withForm(act) {
  const { form } = state.draft;
  if (!form.name) {
    say("The form has no name.");
    return element("form-name").focus();
  }
  const wrong = wrongName(form);
  if (!wrong) return act(written(form));
  say(wrong.why);
  const page = form.pages.findIndex((each) => each.fields.includes(wrong.field));
  Object.assign(state.draft, { page, field: form.pages[page].fields.indexOf(wrong.field) });
  showDraft();
  element("fields").children[state.draft.field].firstElementChild.focus();
}

for (const [id, act] of [["sample", proposeFrom], ["form-file", openForm]]) {
  element(id).onchange = ({ target }) => {
    if (target.files.length) act(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
}

element("form-name").oninput = ({ target }) => {
  state.draft.form.name = target.value.trim();
  keepFormSoon();
};
element("form-page").onchange = ({ target }) => edit({ ...state.draft, page: Number(target.value), field: 0 });

element("plan").addEventListener("fields", () => {
  showFields();
  keepFormSoon();
});
element("plan").addEventListener("named", () => element("fields").children[state.draft.field].firstElementChild.select());

onClick("use-form", () => withForm((form) => {
  useForm(form);
  say(state.listed.length ? "The list is read again by this form." : "Choose the sheets: each becomes a row of a table.");
  if (state.listed.length) element("files").focus();
  else element("files").click();
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
