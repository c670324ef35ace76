// Shows the flags of `phaseflag serve`, and evaluates one for a context. All texts of the file and of the
// user become text nodes; the policy of the page forbids HTML from text.

// How many flags, rules, conditions or entries are drawn; a document may have very many.
const MAX_FLAGS = 500, MAX_PARTS = 200;
// How long the page waits for more typing, and before it opens a stream again that was refused.
const TYPING = 120, REOPEN = 5000;

const REASONS = {
  targeting_match: "a rule matches",
  percentage_rollout: "a rollout decides",
  default: "no rule decides",
  flag_inactive: "the flag is off",
  prerequisite_failed: "a prerequisite fails",
};

const byId = id => document.getElementById(id);
const panel = byId("panel"), list = byId("flags"), filter = byId("filter");

let flags = [];        // what the file has
let selected = null;   // the key of a flag, or null
let values = new Map;  // what each flag serves in the context, by its key
let edited = new Set;  // the keys of the flags that the last edit changed
let file = "";
let command = "";      // the same evaluation on the command line
let current = null;    // the request for an answer

// Escapes control characters, and those that change the direction of text, as the command does.
function visible(text) {
  return text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    char => `\\u{${char.charCodeAt(0).toString(16)}}`);
}

// Returns an element with classes and children. Texts are children, never HTML.
function make(name, classes, ...children) {
  const element = document.createElement(name);
  if (classes) element.className = classes;
  const shown = children.filter(child => child !== null);
  element.append(...shown.map(child => typeof child === "string" ? visible(child) : child));
  return element;
}

const nameOf = key => key === "" ? '""' : visible(key);

function makeButton(classes, text, act) {
  const button = make("button", classes, text);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

// Draws the first parts of a list, and the number of the others.
function draw(parts, drawPart, name = "li") {
  const drawn = parts.slice(0, MAX_PARTS).map(drawPart);
  const others = parts.length - drawn.length;
  return others > 0 ? [...drawn, make(name, "faint", `and ${others} more`)] : drawn;
}

// The state of the form is in the address, so that a reload and a bookmark keep it.

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  selected = given.get("flag");
  byId("user").value = given.get("user") ?? "";
  byId("session").value = given.get("session") ?? "";
  byId("attributes").replaceChildren();
  for (const [option, pair] of given) {
    const split = pair.indexOf("=");
    if ((option === "attr" || option === "attr-text") && split > 0) {
      addAttribute(pair.slice(0, split), pair.slice(split + 1), option === "attr-text");
    }
  }
}

function writeAddress() {
  const state = new URLSearchParams;
  if (selected !== null) state.set("flag", selected);
  for (const [option, value] of contextOptions()) state.append(option.slice(2), value);
  history.replaceState(null, "", `#${state}`);
}

// Returns the context as options of the command.
function contextOptions() {
  const options = [];
  if (byId("user").value) options.push(["--user", byId("user").value]);
  if (byId("session").value) options.push(["--session", byId("session").value]);
  for (const { name, value, text } of attributes()) {
    if (name) options.push([text ? "--attr-text" : "--attr", `${name}=${value}`]);
  }
  return options;
}

// The form.

function attributes() {
  return [...byId("attributes").children].map(row => {
    const [name, value] = row.querySelectorAll("input");
    const text = row.querySelector(".kind").getAttribute("aria-pressed") === "true";
    return { name: name.value, value: value.value, text };
  });
}

function addAttribute(name = "", value = "", text = false) {
  const field = (label, content) => {
    const input = make("input");
    input.setAttribute("aria-label", label);
    input.placeholder = label.toLowerCase();
    input.autocomplete = "off";
    input.autocapitalize = "off";
    input.spellcheck = false;
    input.value = content;
    return input;
  };
  const nameField = field("Name", name), valueField = field("Value", value);
  nameField.setAttribute("list", "names");
  const kind = makeButton("kind", "text", () => {
    kind.setAttribute("aria-pressed", kind.getAttribute("aria-pressed") !== "true");
    contextChanged();
  });
  kind.setAttribute("aria-pressed", text);
  kind.title = "Press to use the value as text";
  kind.disabled = !text;
  const remove = makeButton("", "×", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector("input") ?? byId("add")).focus();
    contextChanged();
  });
  remove.setAttribute("aria-label", "Remove this attribute");
  const row = make("div", "attribute", nameField, valueField, kind, remove);
  byId("attributes").append(row);
  return name ? valueField : nameField;
}

// Shows the types that the service has read from the values.
function showKinds(kinds) {
  [...byId("attributes").children].forEach((row, position) => {
    const kind = row.querySelector(".kind"), found = kinds[position];
    if (found === undefined) return;
    const forced = kind.getAttribute("aria-pressed") === "true";
    kind.textContent = found;
    kind.disabled = found === "text" && !forced;
  });
}

// Offers the attributes that the rules of the flag read.
function showReads(names) {
  byId("names").replaceChildren(...names.map(name => {
    const option = make("option");
    option.value = name;
    return option;
  }));
  const given = new Set(attributes().map(({ name }) => name));
  const missing = names.filter(name => !given.has(name) && name !== "user_id" && name !== "session_id");
  const reads = byId("reads");
  const offered = missing.slice(0, 20).join("\n");
  if (reads.dataset.names === offered) return;
  reads.dataset.names = offered;
  const buttons = missing.slice(0, 20).map(name =>
    makeButton("", name, () => { addAttribute(name).focus(); contextChanged(); }));
  reads.replaceChildren(...(buttons.length ? ["The rules also read", ...buttons] : []));
}

// The list of flags.

function showFlags() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(word => word);
  const found = flags.filter(flag => {
    const text = [flag.key, flag.name, flag.description, flag.environment, flag.kind, flag.on ? "on" : "off",
      ...flag.tags].join("\n").toLowerCase();
    return words.every(word => text.includes(word));
  });
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  list.replaceChildren(...found.slice(0, MAX_FLAGS).map(drawFlag));
  const others = found.length - MAX_FLAGS;
  byId("count").textContent = found.length === flags.length && others <= 0
    ? `${flags.length} ${flags.length === 1 ? "flag" : "flags"}`
    : `${found.length} of ${flags.length} flags${others > 0 ? `, the first ${MAX_FLAGS} are shown` : ""}`;
  markSelected();
  showValues();
  if (focused !== null) buttonOf(focused)?.focus({ preventScroll: true });
}

function drawFlag(flag) {
  const dot = make("span", flag.on ? "dot on" : "dot");
  const state = make("span", "hidden", flag.on ? "on" : "off");
  const rules = `${flag.rules} ${flag.rules === 1 ? "rule" : "rules"}`;
  const about = [flag.on ? flag.kind : `off, ${flag.kind}`, rules, flag.environment].filter(part => part).join(" · ");
  const button = makeButton(edited.has(flag.key) ? "edited" : "", "", () => select(flag.key));
  button.append(dot, make("span", "key", nameOf(flag.key)), make("span", "kind", state, " ", about), make("span", "value"));
  button.dataset.key = flag.key;
  button.title = visible(flag.name ?? flag.key);
  return make("li", "", button);
}

const buttons = () => [...list.querySelectorAll("button")];
const buttonOf = key => buttons().find(button => button.dataset.key === key);

// Marks the selected flag, which Tab reaches; the arrows reach the others.
function markSelected() {
  const all = buttons();
  const reached = all.find(button => button.dataset.key === selected) ?? all[0];
  for (const button of all) {
    button.tabIndex = button === reached ? 0 : -1;
    if (button.dataset.key === selected) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function showValues() {
  for (const button of buttons()) {
    const value = button.querySelector(".value"), text = values.get(button.dataset.key);
    value.hidden = text === undefined;
    value.textContent = visible(text ?? "");
    value.className = text === "true" ? "value true" : "value";
  }
}

function select(key) {
  if (key !== selected) {
    panel.classList.add("busy");
    current?.abort();
  }
  selected = key;
  markSelected();
  showFlag();
  contextChanged(0);
}

// The panel of a flag.

function showFlag() {
  const flag = flags.find(flag => flag.key === selected);
  panel.hidden = selected === null;
  if (selected === null) return;
  document.title = `${nameOf(selected)} · Phase Flag`;
  byId("key").textContent = nameOf(selected);
  byId("missing").hidden = flag !== undefined;
  byId("missing").firstElementChild.textContent = `The file has no flag ${nameOf(selected)}.`;
  const about = [flag?.name === flag?.key ? null : flag?.name, flag?.description];
  byId("about").textContent = visible(about.filter(text => text).join(": "));
  const facts = flag === undefined ? [] : [
    make("span", flag.on ? "chip on" : "chip off", flag.on ? "on" : "off"),
    make("span", "chip", flag.kind),
    ...flag.environment ? [make("span", "chip", flag.environment)] : [],
    ...flag.default_variation ? [make("span", "chip", `default ${flag.default_variation}`)] : [],
    ...flag.tags.map(tag => make("span", "chip", `#${tag}`)),
  ];
  byId("facts").replaceChildren(...facts);
  for (const id of ["answer", "why", "split", "command"]) {
    byId(id).closest("section").hidden = flag === undefined;
  }
  showCommand();
}

function showCommand() {
  if (selected === null) return;
  const quote = text => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const words = ["phaseflag", "explain"];
  // The command takes no value for an option that looks like another one, unless it is joined by `=`.
  const add = (option, value) =>
    words.push(...value.startsWith("-") ? [quote(`${option}=${value}`)] : [option, quote(value)]);
  if (file !== "-") add("--bootstrap", file);
  for (const [option, value] of contextOptions()) add(option, value);
  if (selected.startsWith("-")) words.push("--");
  words.push(quote(selected));
  command = words.join(" ");
  byId("command").firstElementChild.textContent = visible(command);
}

// Returns a value as text: JSON with its digits as they are, with line breaks in lists and objects.
function indented(json) {
  let text = "", depth = 0, quoted = false;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (quoted) {
      text += char;
      if (char === "\\") text += json[++at] ?? "";
      else if (char === '"') quoted = false;
    } else if (char === '"') {
      quoted = true;
      text += char;
    } else if (char === "{" || char === "[") {
      const empty = json[at + 1] === "}" || json[at + 1] === "]";
      if (empty) text += char + json[++at];
      else { depth++; text += char + line(); }
    } else if (char === "}" || char === "]") {
      depth--;
      text += line() + char;
    } else if (char === ",") text += char + line();
    else if (char === ":") text += ": ";
    else text += char;
  }
  return text;
}

function showAnswer(answer) {
  const it = answer.explanation;
  values = new Map(Object.entries(answer.values));
  showValues();
  showKinds(answer.kinds);
  if (it === null || selected === null) return;
  panel.classList.remove("busy");
  if (stream?.readyState === EventSource.OPEN) showLive("good", "live");
  showReads(it.attributes);
  const shares = answer.split.shares;
  const colours = new Map(shares.map((share, position) => [share.variation_key, `v${position % 6}`]));
  const isLong = it.value.length > 24;
  const served = it.value.startsWith("{") || it.value.startsWith("[")
    ? make("pre", "", indented(it.value))
    : make("span", isLong ? "long" : it.value === "true" ? "true" : it.value === "null" ? "null" : "", it.value);
  if (served.localName === "pre" || isLong) served.tabIndex = 0;
  byId("served").replaceChildren(served);
  byId("reason").replaceChildren(
    ...it.variation_key === null ? ["no variation"] : ["variation ", make("code", "", it.variation_key)],
    ", because ", REASONS[it.reason] ?? it.reason, " ", make("code", "", it.reason));
  byId("why").replaceChildren(...steps(it, colours));
  showSplit(answer.split, colours);
  showCommand();
}

// Returns the steps of an evaluation, in their order.
function steps(it, colours) {
  const decided = it.rules.some(rule => rule.decides);
  const result = [step(it.on ? "good" : "bad", it.on ? "✓" : "✗", it.on ? "The flag is on" : "The flag is off")];
  if (it.prerequisites_never_hold) result.push(step("bad", "✗", "The prerequisites can never hold"));
  result.push(...draw(it.prerequisites, drawPrerequisite));
  result.push(...draw(it.rules, (rule, position) => drawRule(rule, position, it, colours)));
  const last = step(decided ? "faded" : "decides", decided ? "–" : "✓", "Otherwise, the default variation");
  const key = decided ? flags.find(flag => flag.key === selected)?.default_variation ?? null : it.variation_key;
  last.append(make("div", "serves", "serves ", ...name({ key, exists: !decided && it.value !== "null" }, colours)));
  return [...result, last];
}

function step(classes, mark, title, ...notes) {
  const item = make("li", classes, make("div", "step", title, ...notes));
  item.dataset.mark = mark;
  return item;
}

// Returns the name of a variation, after its colour.
function name(variation, colours) {
  const text = variation.key ?? (variation.exists ? "a variation without a key" : "null");
  return [make("span", `swatch ${colours.get(variation.key) ?? ""}`), make("code", "", text)];
}

function drawPrerequisite(it) {
  const title = make("span", "", "Requires ", make("code", "", it.flag_key), " to serve ", make("code", "", it.variation_key));
  const served = it.served.key ?? (it.served.exists ? "a variation without a key" : "null");
  const why = !it.on ? "it is off" : `it serves ${served}, ${it.reason}`;
  return step(it.holds ? "good" : "bad", it.holds ? "✓" : "✗", title, make("small", "", why));
}

function drawRule(rule, position, it, colours) {
  const [classes, mark, text] = rule.matches === null ? ["faded", "–", "not reached"]
    : !rule.matches ? ["bad", "✗", "does not match"]
    : rule.decides ? ["decides", "✓", "matches and decides"]
    : ["faded", "✓", "matches and decides nothing"];
  const item = step(classes, mark, `Rule ${position + 1}`, make("small", rule.decides ? "decides" : "", text),
    make("small", "", `targeting_rules[${rule.index}]`));
  const reached = rule.matches !== null;
  if (rule.conditions.length === 0 && rule.segment === null) item.append(make("div", "faint", "matches everybody"));
  item.append(...draw(rule.conditions, condition => drawCondition(condition, reached), "div"));
  if (rule.segment !== null) item.append(drawSegment(it.segments[rule.segment]));
  if (rule.serves.kind === "rollout") item.append(drawRollout(rule.serves, colours));
  else if (rule.serves.kind === "variation") {
    item.append(make("div", "serves", "serves ", ...name(rule.serves.variation, colours)));
  } else item.append(make("div", "serves faint", "serves nothing"));
  return item;
}

function drawSegment(segment) {
  const title = segment.name === null ? ["in a segment that does not exist"] : ["in the segment ", make("code", "", segment.name)];
  const inner = make("div", "inner", ...draw(segment.conditions, condition => drawCondition(condition, true), "div"));
  return make("div", "", ...title, inner);
}

function drawCondition(it, reached) {
  const [tone, mark, word] = it.holds === null ? ["", "–", reached ? "not searched for" : ""]
    : it.holds ? ["good", "✓", "holds"] : ["bad", "✗", "fails"];
  const sign = make("span", `mark ${tone}`, mark);
  sign.setAttribute("aria-hidden", "true");
  if (it.attribute === null) return make("div", "condition", sign, "a condition that can never hold");
  const isList = ["one_of", "not_one_of", "gt", "lt"].includes(it.operator);
  const target = isList ? it.target : JSON.stringify(it.target);
  const value = it.value === null ? "a missing attribute" : it.value === "" ? "an empty text" : it.value;
  const why = it.holds === null ? word : `${word} for ${value}`;
  const text = make("span", "", make("b", "", it.attribute), ` ${it.operator} ${target} `, make("small", "", why));
  return make("div", "condition", sign, text);
}

function drawRollout(it, colours) {
  const at = position => Math.min(Math.max(position, 0), 100);
  const percent = number => `${+number.toFixed(3)}`;
  const undecided = !it.entries.some(entry => entry.chosen);
  const track = make("div", undecided ? "track undecided" : "track");
  for (const entry of it.entries.slice(0, MAX_PARTS)) {
    const from = at(entry.lower), to = at(entry.upper);
    if (to <= from) continue;
    const colour = colours.get(entry.variation.key) ?? "";
    const range = make("div", `range ${colour}${entry.chosen ? " chosen" : ""}${from === 0 ? " first" : ""}${to === 100 ? " last" : ""}`);
    range.style.left = `${from}%`;
    range.style.width = `${to - from}%`;
    track.append(range);
  }
  const end = at(it.entries.at(-1)?.upper ?? 0);
  if (end < 100 && it.entries.length <= MAX_PARTS) {
    const rest = make("div", `range rest last${end === 0 ? " first" : ""}`);
    rest.style.left = `${end}%`;
    rest.style.width = `${100 - end}%`;
    track.append(rest);
  }
  if (it.bucket !== null) {
    const marker = make("div", `marker${it.bucket < 12 ? " left" : it.bucket > 87 ? " right" : ""}`,
      make("span", "", `bucket ${it.bucket}`));
    // The marker is in the middle of its bucket.
    marker.style.left = `${it.bucket + 0.5}%`;
    track.append(marker);
  } else track.classList.add("unmarked");
  track.setAttribute("role", "img");
  track.setAttribute("aria-label", it.bucket === null ? "no bucket" : `bucket ${it.bucket} of 0 to 99`);
  const scale = make("div", "scale", ...[0, 25, 50, 75, 100].map(number => make("span", "", `${number}`)));
  const entries = draw(it.entries, entry => make("span", entry.chosen ? "chosen" : "",
    ...name(entry.variation, colours), ` ${percent(entry.lower)} to ${percent(entry.upper)}${entry.chosen ? " ✓" : ""}`), "span");
  const by = it.bucket === null ? "rollout: no user and no session" : `rollout: bucket ${it.bucket} by ${it.identified_by}`;
  return make("div", "rollout", make("div", "serves", by), track, scale, make("div", "entries", ...entries));
}

function showSplit(split, colours) {
  byId("split-about").textContent = split.total === 1000
    ? "user-1 to user-1000, each with the attributes above"
    : `user-1 to user-${split.total}, each with the attributes above; the others took too long`;
  byId("split").replaceChildren(...draw(split.shares, share => {
    const key = share.variation_key ?? (share.value === "null" ? "null" : "without a key");
    const percent = split.total ? share.count * 100 / split.total : 0;
    const fill = make("div", `fill ${colours.get(share.variation_key) ?? ""}`);
    fill.style.width = `${percent}%`;
    fill.hidden = share.count === 0;
    const label = make("span", "label mono", key);
    label.title = visible(`${key}: ${share.value.slice(0, 200)}`);
    return make("div", "bar", label, make("div", "groove", fill), make("span", "count", `${share.count} · ${percent.toFixed(1)} %`));
  }, "div"));
}

// Requests.

async function request(path, body, signal) {
  const options = body === undefined ? { signal }
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  const response = await fetch(path, options);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

let typing = 0;

// Asks for an answer after the last of several changes. Only the newest answer is shown.
function contextChanged(delay = TYPING) {
  clearTimeout(typing);
  typing = setTimeout(ask, delay);
}

async function ask() {
  writeAddress();
  showCommand();
  current?.abort();
  const own = current = new AbortController;
  const body = { key: selected ?? "", user_id: byId("user").value, session_id: byId("session").value, attributes: attributes() };
  try {
    const answer = await request("/_page/answer", body, own.signal);
    if (own === current) showAnswer(answer);
  } catch (error) {
    if (own !== current || error.name === "AbortError") return;
    // The last answer was for another flag or context.
    panel.classList.add("busy");
    showLive("bad", "no answer");
  }
}

let loads = 0;

async function load() {
  const own = ++loads;
  let state;
  try {
    state = await request("/_page/flags");
  } catch {
    if (own === loads) showLive("bad", "no answer");
    return;
  }
  if (own !== loads) return;
  noteEdits(state);
  file = state.file;
  flags = state.flags;
  byId("file").textContent = visible(file);
  byId("version").textContent = `version ${state.version}`;
  showTrouble(state);
  if (selected === null && flags.length > 0) selected = flags[0].key;
  showFlags();
  showFlag();
  contextChanged(0);
}

function showTrouble(state) {
  const trouble = byId("trouble");
  trouble.hidden = state.trouble === null && state.problem_count === 0;
  if (state.trouble !== null) {
    trouble.replaceChildren(visible(`${state.trouble}. The last rules stay in use.`));
  } else if (state.problem_count > 0) {
    const others = state.problem_count - state.problems.length;
    const title = state.problem_count === 1 ? "1 part of the file cannot be used:" : `${state.problem_count} parts of the file cannot be used:`;
    trouble.replaceChildren(title, make("ul", "", ...state.problems.slice(0, 5).map(problem => make("li", "mono", problem)),
      state.problem_count > 5 ? make("li", "", `and ${others + state.problems.length - 5} more: see phaseflag check`) : null));
  }
}

let known = null;  // the last state of the file

// Lists what an edit of the file has changed.
function noteEdits(state) {
  const before = known;
  known = state;
  if (before === null || (before.version === state.version && before.trouble === state.trouble)) return;
  let text;
  edited = new Set;
  if (state.trouble !== null) text = "the file cannot be used";
  else {
    const old = new Map(before.flags.map(flag => [flag.key, flag.fingerprint]));
    const now = new Set(state.flags.map(flag => flag.key));
    const added = state.flags.filter(flag => !old.has(flag.key)).map(flag => flag.key);
    const changed = state.flags.filter(flag => old.has(flag.key) && old.get(flag.key) !== flag.fingerprint).map(flag => flag.key);
    const removed = [...old.keys()].filter(key => !now.has(key));
    edited = new Set([...added, ...changed]);
    const say = (keys, what) => keys.length === 0 ? [] : keys.length > 10 ? [`${keys.length} flags ${what}`] : [`${keys.join(", ")} ${what}`];
    const said = [...say(changed, "changed"), ...say(added, "added"), ...say(removed, "removed")];
    text = `version ${state.version}: ${said.join("; ") || "no flag changed"}`;
  }
  const time = make("time", "", new Date().toLocaleTimeString());
  const log = byId("edits").querySelector("ol");
  log.prepend(make("li", "", time, text));
  while (log.children.length > 20) log.lastElementChild.remove();
  byId("edits").hidden = false;
}

// The stream of edits. It is closed in a hidden tab: a browser opens six connections at most.

let stream = null, reopening = 0;

function showLive(tone, text) {
  byId("live").className = tone;
  byId("live").textContent = text;
}

function openStream() {
  clearTimeout(reopening);
  stream?.close();
  stream = new EventSource("/_page/changes");
  stream.addEventListener("edited", () => { showLive("good", "live"); load(); });
  stream.addEventListener("error", () => {
    showLive("bad", "not connected");
    if (stream?.readyState !== EventSource.CLOSED) return;
    // It was refused, since too many are open. The page works without edits.
    load();
    clearTimeout(reopening);
    reopening = setTimeout(openStream, REOPEN);
  });
}

function followVisibility() {
  if (!document.hidden) return openStream();
  clearTimeout(reopening);
  stream?.close();
  stream = null;
}

// The keyboard.

function moveFocus(event) {
  const all = buttons(), at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  if (to < 0) return filter.focus();
  const button = all[Math.min(to, all.length - 1)];
  button?.focus();
  if (button) select(button.dataset.key);
}

list.addEventListener("keydown", moveFocus);
filter.addEventListener("input", showFlags);
filter.addEventListener("keydown", event => {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  const first = buttons()[0];
  if (first === undefined) return;
  first.focus();
  select(first.dataset.key);
});
document.addEventListener("keydown", event => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.localName === "input") return;
  event.preventDefault();
  filter.focus();
});
byId("context").addEventListener("input", () => contextChanged());
byId("context").addEventListener("submit", event => event.preventDefault());
byId("attributes").addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.target.localName !== "input" || event.isComposing) return;
  event.preventDefault();
  addAttribute().focus();
});
byId("add").addEventListener("click", () => addAttribute().focus());
byId("command").lastElementChild.addEventListener("click", async event => {
  const button = event.target;
  try {
    await navigator.clipboard.writeText(command);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});
window.addEventListener("hashchange", () => { panel.classList.add("busy"); readAddress(); showFlags(); showFlag(); contextChanged(0); });
document.addEventListener("visibilitychange", followVisibility);

readAddress();
followVisibility();
