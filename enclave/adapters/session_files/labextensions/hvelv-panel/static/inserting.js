// Putting text into the notebook that is open, at the cursor of the active cell.

const IMPORT = "from hvelv.enclave.lab import project";
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

function sources(notebook) {
  return [...notebook.model.cells].map((cell) => cell.sharedModel.getSource());
}

// A line that reads a table, with the import before it where the notebook has none yet.
export function readingOf(table, tracker) {
  const variable = NAME.test(table) ? table : "table";
  const line = `${variable} = project.read(${JSON.stringify(table)})\n`;
  const open = tracker.currentWidget;
  const imported = open && open.content.model && sources(open.content).some((source) => source.includes(IMPORT));
  return imported ? line : `${IMPORT}\n${line}`;
}

// Returns whether there was a notebook to put it into. A cell that is not code is left alone: one is made below it.
export function insert(text, tracker, NotebookActions) {
  const open = tracker.currentWidget;
  if (!open || !open.content.model) return false;
  const notebook = open.content;
  if (!notebook.activeCell || notebook.activeCell.model.type !== "code") NotebookActions.insertBelow(notebook);
  const cell = notebook.activeCell;
  if (cell.editor) {
    cell.editor.replaceSelection(text);
  } else {
    cell.model.sharedModel.setSource(cell.model.sharedModel.getSource() + text);
  }
  return true;
}
