// Reading again: after an error, with an API key, or in another format.

import { byLine, fieldsOf, isEdited, isUnread } from "./answers.js";
import { element, onClick } from "./dom.js";
import { showList } from "./list.js";
import { readListed } from "./queue.js";
import { form, SHEETS } from "./reading.js";
import { choose } from "./sheet.js";
import { state, tab } from "./state.js";

function again() {
  if (!state.current?.url) delete state.current?.answer;
  for (const picture of state.listed) delete picture.error;
  readListed(state.listed.filter(isUnread));
  if (!state.current?.url) choose(null, state.strokes);
}

onClick("again", again);

element("ask-key").onsubmit = (event) => {
  event.preventDefault();
  tab.apiKey = element("key").value.trim();
  again();
};

form.value = tab.form ?? "";

form.onchange = () => readAs(form.value);

// Read the pictures of the list again in another format.
export function readAs(format) {
  form.value = tab.form = format;
  for (const { answers } of [...state.past, ...state.future]) answers.forEach((answer, picture) => answers.set(picture, toKeep(answer)));
  for (const picture of state.listed) picture.answer = toKeep(picture.answer);
  showList(state.listed);
  again();
}

// Return an answer if it was edited; another is read again in another form. Of sheets, it has to have the form's fields.
function toKeep(answer) {
  const names = byLine(answer ?? { lines: [] }).flatMap(({ lines }) => lines.map(({ name }) => name));
  const fits = form.value !== SHEETS || fieldsOf(state.form).every(({ name }) => names.includes(name));
  return answer && isEdited(answer) && fits ? answer : undefined;
}
