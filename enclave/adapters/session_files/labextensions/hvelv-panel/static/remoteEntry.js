// What JupyterLab loads: a module-federation container as its own build tool would write it, by hand, so that nothing is
// built (docs/adr/0016). It takes the libraries that JupyterLab shares and hands them to the panel, which is plain
// modules beside this file.
(() => {
  "use strict";
  const here = document.currentScript.src;
  const beside = (name) => new URL(name, here).href;
  let scope = {};

  // A shared library is kept once for each version; JupyterLab's own are singletons, so there is one.
  const shared = async (name) => {
    const [provided] = Object.values(scope[name] || {});
    if (!provided) throw new Error(`JupyterLab shares no ${name}`);
    return (await provided.get())();
  };

  const activate = async (app, tracker, translator, libraries) => {
    const { ProjectPanel } = await import(beside("panel.js"));
    const { pickWords } = await import(beside("words.js"));
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = beside("panel.css");
    document.head.append(style);

    const words = pickWords(translator ? translator.languageCode : "", navigator.languages);
    const panel = new ProjectPanel({ ...libraries, tracker, words });
    const widget = new libraries.Widget({ node: panel.node });
    widget.id = "hvelv-panel";
    widget.title.label = words.panel;
    widget.title.caption = words.caption;
    app.shell.add(widget, "right", { rank: 10 });
    app.commands.addCommand("hvelv:panel", {
      label: words.caption,
      execute: () => {
        app.shell.activateById(widget.id);
        panel.focus();
      },
    });
    app.commands.addKeyBinding({ command: "hvelv:panel", keys: ["Accel Alt H"], selector: "body" });
    panel.refresh();
  };

  const plugin = async () => {
    const [widgets, notebook, translation, services] = await Promise.all(
      ["@lumino/widgets", "@jupyterlab/notebook", "@jupyterlab/translation", "@jupyterlab/services"].map(shared),
    );
    const libraries = {
      Widget: widgets.Widget,
      NotebookActions: notebook.NotebookActions,
      ServerConnection: services.ServerConnection,
    };
    return {
      id: "hvelv-panel:plugin",
      description: "The project beside the notebook.",
      autoStart: true,
      requires: [notebook.INotebookTracker],
      optional: [translation.ITranslator],
      activate: (app, tracker, translator) => activate(app, tracker, translator, libraries),
    };
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["hvelv-panel"] = {
    init: async (given) => {
      scope = given;
    },
    get: async () => {
      const found = await plugin();
      return () => ({ __esModule: true, default: found });
    },
  };
})();
