// Undo and redo: of strokes, of what replaced the contents of the sheet, and of changes to the list and its texts.

import { isMissing, isUnread } from "./answers.js";
import { onClick } from "./dom.js";
import { showList } from "./list.js";
import { isCropping, setCropping } from "./part.js";
import { readListed } from "./queue.js";
import { choose } from "./sheet.js";
import { contents, isEmpty, remember, state } from "./state.js";

const undo = () => goTo(state.past, state.future);
const redo = () => goTo(state.future, state.past);

function goTo(states, others) {
  if (states.length === 0) return;
  others.push(contents());
  const { strokes: drawn, picture, answers } = states.pop();
  answers.forEach((answer, each) => (each.answer = withNewer(answer, each.answer)));
  showList([...answers.keys()]);
  readListed(state.listed.filter((each) => isUnread(each) && !each.reading));
  choose(picture, drawn);
}

// Return an earlier answer with what has been read since.
function withNewer(answer, newer) {
  if (!answer?.pages || !newer?.pages) return answer ?? newer;
  return { ...answer, pages: answer.pages.map((page, index) => (isMissing(page) ? newer.pages[index] : page)) };
}

export function clear() {
  if (!isEmpty()) remember();
  choose(null);
}

onClick("undo", undo);
onClick("redo", redo);
onClick("clear", clear);

addEventListener("keydown", (event) => {
  if (state.stroke || event.altKey || event.target.closest("input:not([type=radio], [type=file]), dialog, #plan")) return;
  const key = event.key.toLowerCase();
  const command = event.ctrlKey || event.metaKey;
  if (command && key === "z") (event.shiftKey ? redo : undo)();
  else if (command && key === "y") redo();
  else if (key === "escape" && isCropping) setCropping(false);
  else return;
  event.preventDefault();
});
