// The panel itself: asks the session's server for the project's state, draws it, and inserts what is clicked.

import { insert, readingOf } from "./inserting.js";

const MICRO = 1_000_000;
const MOST_SHOWN = 50; // releases and exports; the newest come first

// An element with properties, data-… and aria-… as attributes, and children. Texts are set as text, never as markup.
function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== "" && child !== null && child !== undefined));
  return made;
}

export class ProjectPanel {
  constructor({ tracker, words, ServerConnection, NotebookActions }) {
    Object.assign(this, { tracker, words, ServerConnection, NotebookActions });
    this.number = new Intl.NumberFormat(words.code, { maximumFractionDigits: 3 });
    this.body = el("div", { className: "hvelv-body" });
    this.said = el("p", { className: "hvelv-said", role: "status" });
    this.button = el("button", { type: "button", textContent: words.refresh, onclick: () => this.refresh() });
    this.node = el(
      "div",
      { className: "hvelv-panel", lang: words.code, role: "region", "aria-label": words.caption },
      el("div", { className: "hvelv-top" }, this.button, this.said),
      this.body,
    );
  }

  focus() {
    this.button.focus();
  }

  say(text) {
    this.said.textContent = text;
  }

  async refresh() {
    this.button.disabled = true;
    this.say(this.words.loading);
    const state = await this.ask();
    const open = new Set([...this.body.querySelectorAll("details[open]")].map((each) => each.dataset.part));
    this.body.replaceChildren(...this.drawn(state));
    for (const each of this.body.querySelectorAll("details")) each.open = each.open || open.has(each.dataset.part);
    this.button.disabled = false;
    this.say(this.words.fresh(new Date().toLocaleTimeString(this.words.code, { timeStyle: "short" })));
  }

  async ask() {
    const settings = this.ServerConnection.makeSettings();
    try {
      const answer = await this.ServerConnection.makeRequest(`${settings.baseUrl}hvelv/panel`, {}, settings);
      if (answer.ok) return await answer.json();
    } catch {
      // no answer, or none that can be read: said below
    }
    return { refusals: { project: { ...this.words.silent, code: "silent" } } };
  }

  drawn(state) {
    const refused = state.refusals || {};
    if (refused.project) return [this.refusal(refused.project), this.help()];
    const { project } = state;
    return [
      el("h2", { textContent: this.title(project.title) }),
      project.permit?.valid_until ? el("p", { textContent: this.words.until(this.date(project.permit.valid_until)) }) : "",
      this.part("tables", this.words.tables, this.tables(project.datasets || []), true),
      this.part("budget", this.words.budget, this.budget(project.budget || []), true),
      this.part("releases", this.words.releases, this.either(refused.releases, () => this.releases(state.releases || []))),
      this.part("exports", this.words.exports, this.either(refused.exports, () => this.exports(state.exports || []))),
      this.help(),
    ].filter(Boolean);
  }

  part(name, heading, content, open = false) {
    const inside = el("details", { open, className: "hvelv-part", "data-part": name }, el("summary", {}, el("h3", { textContent: heading })));
    inside.append(...[content].flat());
    return inside;
  }

  either(refusal, draw) {
    return refusal ? this.refusal(refusal) : draw();
  }

  // A refusal says what happened and what to do.
  refusal(given) {
    const known = this.words.refusals[given.code] || given;
    return el(
      "div",
      { className: "hvelv-refusal", role: "alert" },
      el("strong", { textContent: this.words.refusedTitle }),
      el("p", { textContent: known.reason }),
      el("p", { textContent: `→ ${known.remedy || this.words.remedyUnknown}` }),
    );
  }

  tables(datasets) {
    if (!datasets.length) return el("p", { textContent: this.words.noTables });
    return datasets.map((dataset) => this.table(dataset));
  }

  table(dataset) {
    const ready = dataset.rows !== null && dataset.rows !== undefined;
    const size = ready ? this.words.size(this.number.format(dataset.rows), this.number.format(dataset.persons)) : this.words.waiting;
    const reading = () => readingOf(dataset.name, this.tracker);
    const list = el("ul", {}, (dataset.variables || []).map((variable) => this.variable(variable)));
    const none = el("p", { textContent: this.words.noneFound, hidden: true });
    const find = el("input", { type: "search", placeholder: this.words.find, "aria-label": `${this.words.find}: ${dataset.name}` });
    find.oninput = () => {
      const wanted = find.value.trim().toLowerCase();
      for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(wanted);
      none.hidden = [...list.children].some((item) => !item.hidden);
    };
    return el(
      "details",
      { className: "hvelv-table", "data-part": `table ${dataset.name}` },
      el("summary", {}, el("code", { textContent: dataset.name }), ` ${this.title(dataset.title)}`),
      el("p", { textContent: size }),
      ready ? this.inserting(this.words.read, reading, this.words.readTitle(dataset.name), "hvelv-read") : "",
      find,
      list,
      none,
    );
  }

  variable(variable) {
    const title = this.title(variable.title);
    const unit = variable.unit ? `${this.words.unit} ${variable.unit}` : "";
    const bounds = [variable.low, variable.high].some((bound) => bound !== null && bound !== undefined)
      ? `${variable.low ?? ""}–${variable.high ?? ""}`
      : "";
    const facts = [variable.type, unit, bounds, ...(variable.notes || [])].filter(Boolean).join(" · ");
    return el(
      "li",
      {},
      this.inserting(variable.name, () => variable.name, this.words.insertTitle(variable.name), "hvelv-name"),
      el("span", { className: "hvelv-title", textContent: title === variable.name ? "" : title }),
      el("span", { className: "hvelv-facts", textContent: facts }),
      this.categories(variable.categories || []),
    );
  }

  categories(given) {
    if (!given.length) return "";
    const shown = given.map(({ code, label }) => el("li", {}, el("code", { textContent: code }), ` ${this.title(label)}`));
    return el("details", {}, el("summary", { textContent: `${this.words.categories} (${given.length})` }), el("ul", {}, shown));
  }

  // A button that inserts when clicked, and whose text can be dragged into a cell instead.
  inserting(label, text, title, className) {
    const put = () => {
      const done = text();
      const found = insert(done, this.tracker, this.NotebookActions);
      this.say(found ? this.words.inserted(done.trim().split("\n").pop()) : this.words.noNotebook);
    };
    const button = el("button", { type: "button", className, title, textContent: label, draggable: true, onclick: put });
    if (title !== label) button.setAttribute("aria-label", title);
    button.ondragstart = (event) => {
      event.dataTransfer.setData("text/plain", text());
      event.dataTransfer.effectAllowed = "copy";
    };
    return button;
  }

  budget(lines) {
    if (!lines.length) return el("p", { textContent: this.words.noBudget });
    return lines.map((line) => {
      const [allocated, spent] = [Number(line.allocated) || 0, Number(line.spent) || 0];
      const rho = (micro) => this.number.format(micro / MICRO);
      const epsilon = `ε ${this.number.format(line.epsilon_spent ?? 0)} / ${this.number.format(line.epsilon_allocated ?? 0)}`;
      const words = `${this.words.spent(rho(spent), `${rho(allocated)} ρ`)} (${this.words.left(rho(allocated - spent))}), ${epsilon}`;
      const name = this.title(line.title) || line.table || line.dataset;
      return el(
        "div",
        { className: "hvelv-account" },
        el("span", { className: "hvelv-title", textContent: name }),
        el("meter", { min: 0, max: allocated, high: allocated * 0.8, optimum: 0, value: spent, "aria-label": `${name}: ${words}` }),
        el("span", { className: "hvelv-facts", textContent: words }),
      );
    });
  }

  releases(given) {
    if (!given.length) return el("p", { textContent: this.words.noReleases });
    const items = given.slice(0, MOST_SHOWN).map((release) => {
      const call = `project.release(${JSON.stringify(release.id)})`;
      const facts = [release.dataset, release.summary, this.date(release.at), release.rho_micro ? `${this.number.format(release.rho_micro / MICRO)} ρ` : ""];
      return el(
        "li",
        {},
        this.inserting(release.id, () => call, this.words.insertTitle(call), "hvelv-name"),
        el("span", { className: "hvelv-facts", textContent: facts.filter(Boolean).join(" · ") }),
      );
    });
    return el("ul", {}, items);
  }

  exports(given) {
    if (!given.length) return el("p", { textContent: this.words.noExports });
    const items = given.slice(0, MOST_SHOWN).map((asked) =>
      el(
        "li",
        {},
        el("span", { className: "hvelv-title", textContent: asked.title || asked.id }),
        el("span", { className: `hvelv-state hvelv-${asked.state}`, textContent: this.words.states[asked.state] || asked.state }),
        el("span", { className: "hvelv-facts", textContent: this.date(asked.asked_at) }),
        (asked.findings || []).map((each) => el("p", { textContent: [each.reason, each.remedy && `→ ${each.remedy}`].filter(Boolean).join(" ") })),
        asked.state === "released" ? el("p", { textContent: this.words.fetch }) : "",
      ),
    );
    return el("ul", {}, items);
  }

  help() {
    return this.part("help", this.words.help, el("ol", {}, this.words.steps.map((step) => el("li", { textContent: step }))));
  }

  // Titles come as one text, or as one for each language.
  title(given) {
    if (!given || typeof given === "string") return given || "";
    return given[this.words.code] || given.nb || Object.values(given)[0] || "";
  }

  date(given) {
    const when = new Date(given);
    return given && !Number.isNaN(when.valueOf()) ? when.toLocaleDateString(this.words.code, { dateStyle: "medium" }) : "";
  }
}
