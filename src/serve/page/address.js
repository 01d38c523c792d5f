// What is shown, as the address says it: so a link shows somebody else the same.

/** What can be asked for, and whether it can be so. */
const rules = new Map([['day', (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))]]);

/** Lets the address ask for something more. */
export function allow(name, isRight) {
  rules.set(name, isRight);
}

/** What the address asks for; what it leaves out, or what cannot be, is not there. */
export function asked() {
  const parameters = new URLSearchParams(location.search);
  const given = [...rules].map(([name, isRight]) => [name, parameters.get(name), isRight]);
  return Object.fromEntries(given.filter(([, text, isRight]) => text && isRight(text)).map(([name, text]) => [name, text]));
}

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

/** Puts what is shown into the address. */
export function remember(shown) {
  if (path(shown) !== location.origin + location.pathname + location.search) history.pushState(null, '', path(shown));
}
