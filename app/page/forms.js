// The form by which sheets are read, and the one that is being made. Both survive a reload of the tab.

import { readAs } from "./again.js";
import { fieldsOf } from "./answers.js";
import { element } from "./dom.js";
import { inLists, listName } from "./keeping.js";
import { SHEETS } from "./reading.js";
import { state } from "./state.js";

const KEEP_FORM_MS = 300; // delay before a form is kept, so that several changes are kept at once
const NUMBERS = ["", "integer", "decimal", "amount"];
const FORMATS = { min: NUMBERS, max: NUMBERS, digits: ["", "decimal"], check: ["", "integer"] }; // in which a field may say so
const RUN_BY_SPREADSHEETS = /^[=+\-@]/;
const OWN = "unsure edited file page fit form confidence model error problem size modified path key pages turn fields"; // columns of all tables
let keeping; // the timer

// Read the list, and what is added to it, by this form.
export function useForm(form) {
  state.form = structuredClone(form);
  showForm();
  keepFormSoon();
  readAs(SHEETS);
}

function showForm() {
  element("of-form").hidden = !state.form;
  if (state.form) element("of-form").textContent = `sheets of “${state.form.name}”`;
}

// Return the first field whose name cannot be that of a column, and why; or nothing.
export function wrongName(form) {
  const fields = fieldsOf(form);
  const names = fields.map(({ name }) => name);
  for (const [index, field] of fields.entries()) {
    if (!field.name) return { field, why: `Field ${index + 1} has no name.` };
    if (names.indexOf(field.name) < index) return { field, why: `Two fields are named “${field.name}”.` };
    const isFormula = RUN_BY_SPREADSHEETS.test(field.name);
    if (isFormula) return { field, why: `“${field.name}” would be a formula: begin it with a letter.` };
    if (OWN.split(" ").includes(field.name)) return { field, why: `“${field.name}” is a column of all tables: choose another name.` };
  }
}

// Return whether something can be said of a field in its format.
export function fits({ format }, name) {
  return FORMATS[name]?.includes(format ?? "") ?? true;
}

export function formIn(text) {
  const form = JSON.parse(text);
  if (!form.pages.every(({ fields }) => Array.isArray(fields))) throw new TypeError("no fields");
  return linked(form);
}

// Sums name their fields; in a form that is being made they have the fields themselves, whose names may change.
export function linked(form) {
  const named = (name) => fieldsOf(form).find((field) => field.name === name);
  const sums = form.pages.flatMap((page) => page.sums ?? []);
  return { ...form, sums: sums.map(({ fields, total }) => ({ fields: fields.map(named), total: named(total) })) };
}

// Return the form as in its file, without sums of fields that were removed, and what does not fit a field's format.
export function written({ sums, ...form }) {
  const isThere = (field) => fieldsOf(form).includes(field);
  const left = sums.map((sum) => ({ ...sum, fields: sum.fields.filter(isThere) })).filter(({ fields }) => fields.length);
  const named = ({ fields, total }) => ({ fields: fields.map(({ name }) => name), total: total.name });
  const said = (field) => Object.fromEntries(Object.entries(field).filter(([name]) => fits(field, name)));
  const pages = form.pages.map((page) => {
    const own = left.filter(({ total }) => page.fields.includes(total));
    return { ...page, fields: page.fields.map(said), sums: own.length ? own.map(named) : undefined };
  });
  return { ...form, pages };
}

export function keepFormSoon() {
  keeping ??= setTimeout(keepForm, KEEP_FORM_MS);
}

async function keepForm() {
  keeping = undefined;
  const { form, draft } = state;
  await inLists((lists) => lists.put({ form, draft }, `${listName()} form`));
}

export async function restoreForm() {
  const kept = await inLists((lists) => lists.get(`${listName()} form`));
  if (!kept) return;
  Object.assign(state, kept);
  showForm();
}
