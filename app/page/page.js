// The page: a drawing or a picture → POST /read and /predict → the answer, its explanation, and corrections of it.

import "./again.js";
import { isUnread } from "./answers.js";
import "./corrections.js";
import "./cropping.js";
import { drawing } from "./drawing.js";
import "./editing.js";
import "./files.js";
import { restoreDraft } from "./form-editor.js";
import { inLists } from "./keeping.js";
import { showList } from "./list.js";
import "./pen.js";
import { readListed } from "./queue.js";
import "./records.js";
import "./review.js";
import "./saving.js";
import { parsed } from "./service.js";
import { choose } from "./sheet.js";
import { isEmpty, state, tab } from "./state.js";
import "./undo.js";
import { show } from "./view.js";

const DAY = 24 * 3600 * 1000; // how long a list is kept

async function restore() {
  const { strokes: drawn = [], answer, chosen } = parsed(tab.contents) ?? {};
  state.strokes = drawn;
  if (answer) show({ blob: drawing(), answer });
  else choose(null, state.strokes);
  await restoreDraft();
  await restoreList();
  if (isEmpty() && state.listed[chosen]) choose(state.listed[chosen]);
}

async function restoreList() {
  for (const name of (await inLists((lists) => lists.getAllKeys())) ?? []) {
    if (!name.startsWith(tab.list) && Date.now() - parseInt(name) > DAY) await inLists((lists) => lists.delete(name));
  }
  const kept = tab.list && (await inLists((lists) => lists.get(tab.list)));
  if (!kept || state.listed.length) return;
  const answers = (await inLists((lists) => lists.get(`${tab.list} answers`))) ?? new Map();
  showList(kept.pictures.map((picture) => ({ ...picture, url: URL.createObjectURL(picture.blob), answer: answers.get(picture.id) })));
  readListed(state.listed.filter(isUnread));
}

restore();
