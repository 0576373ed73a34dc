// New form: its fields are proposed from a sample sheet; each gets its name and format. It is saved as a file.

import { create, element, onClick, onFiles, write } from "./dom.js";
import { said } from "./errors.js";
import { rowOf } from "./field-row.js";
import { formIn, keepFormSoon, linked, restoreForm, useForm, written, wrongName } from "./forms.js";
import { hasPages, toSend } from "./images.js";
import { fields, showBoxes } from "./plan.js";
import { download } from "./saving.js";
import { askPatiently } from "./service.js";
import { state } from "./state.js";

const MOST_PAGES = 20; // of a form
const say = (words) => write("form-note", words);
let url; // of the sample

async function proposeFrom(...samples) {
  try {
    const proposed = [];
    for (const sample of samples) proposed.push(...(await proposals(sample)));
    const pages = proposed.flatMap(({ form }) => form.pages);
    const found = pages.flatMap(({ fields }) => fields);
    found.forEach((field, index) => (field.name = `field${index + 1}`));
    edit({ form: linked({ ...proposed[0].form, pages }), samples: proposed });
    say(`${found.length} ${found.length === 1 ? "field is" : "fields are"} proposed. Name them, remove what is none, and draw what is missing.`);
    element("form-name").focus();
    element("form-name").select();
  } catch (error) {
    say(said(error));
    if (error.status === 401) element("ask-key").hidden = false;
  }
}

// Return a form for each page of a sample.
async function proposals(sample, page = 1) {
  say(`Looking for fields on page ${page} …`);
  try {
    const form = await askPatiently(`forms/new?page=${page}`, sample, undefined, say);
    const isLast = !hasPages(sample) || page === MOST_PAGES;
    return [{ sample, page, form }, ...(isLast ? [] : await proposals(sample, page + 1))];
  } catch (error) {
    if (page > 1 && error.type?.endsWith("no-such-page")) return [];
    throw error;
  }
}

async function openForm(file) {
  try {
    edit({ form: formIn(await file.text()), samples: [] });
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
  const { samples, page = 0 } = state.draft;
  const shown = samples[page];
  URL.revokeObjectURL(url);
  url = shown && URL.createObjectURL(shown.sample);
  const source = shown && (await pictureOf(shown, url));
  if (state.draft?.samples[state.draft.page ?? 0] !== shown) return;
  element("sample-picture").hidden = !source;
  if (source) element("sample-picture").src = source;
}

// Return the sample itself, or, if the browser cannot show it, the service's picture of a page; or nothing.
async function pictureOf({ sample, page }, address) {
  const { isShown } = await toSend({ blob: sample, url: address });
  if (isShown && !hasPages(sample)) return address;
  return askPatiently(`read?picture=true&page=${page}`, sample).then(({ picture }) => picture, () => undefined);
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

onFiles(element("sample"), proposeFrom);
onFiles(element("form-file"), openForm);

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
