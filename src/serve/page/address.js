// What is shown, as the address says it: so a link shows somebody else the same.

import { languages, listed, say } from './language.js';

/** What can be asked for: whether it can be so, and what is said where it cannot. */
const rules = new Map();

/** Lets the address ask for something more; `instead` says what is shown where it asks for what cannot be. */
export function allow(name, isRight, instead) {
  rules.set(name, { isRight, instead });
}

allow('day', isDay, say('advice.day'));
allow('lang', (code) => languages.includes(code), say('advice.language', { choices: listed(languages) }));

/** A day of the calendar: there is no 31st of June. */
export function isDay(text) {
  const day = new Date(`${text}T00:00:00Z`);
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(day.valueOf()) && day.toISOString().startsWith(text) && text > '0001';
}

const given = () => {
  const parameters = new URLSearchParams(location.search);
  return [...rules].map(([name, rule]) => ({ name, text: parameters.get(name), ...rule })).filter(({ text }) => text);
};

/** What the address asks for; what it leaves out, or what cannot be, is not there. */
export function asked() {
  return Object.fromEntries(given().filter(({ text, isRight }) => isRight(text)).map(({ name, text }) => [name, text]));
}

/** What the address asks for that cannot be, with what is said of it. */
export const misunderstood = () => given().filter(({ text, isRight }) => !isRight(text));

/** Where the page is: a proxy may have it below a path of its own. A password in the address is left out, as no request takes one. */
const base = location.origin + new URL('.', location.href).pathname.slice(0, -1);

/** A path of the server with parameters, as far as they have values. */
export function api(path, parameters = {}) {
  const query = String(new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)));
  return base + path + (query && '?' + query);
}

/** The path of a page that shows this. */
export function path(shown, panel = '') {
  return api('/', shown) + (panel && '#' + panel);
}

/** A link to this page as its history takes it: without what stands before the path, which may have a password. */
export const local = (link) => link.slice(location.origin.length);

/** Puts what is shown into the address. */
export function remember(shown, isSame) {
  const now = local(path(shown));
  if (now !== location.pathname + location.search) history[isSame ? 'replaceState' : 'pushState'](null, '', now);
}
