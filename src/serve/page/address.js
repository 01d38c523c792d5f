// What is shown, as the address says it: so a link shows somebody else the same.

/** What can be asked for, and whether it can be so. */
const NAMES = {
  day: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)),
  country: (text) => /^[A-Z]{2}$/.test(text),
  product: (text) => text.length <= 1024 && !text.includes('\0'),
  countries: (text) => text === 'day',
  by: (text) => text === 'os',
};

/** What the address asks for; what it leaves out, or what cannot be, is not there. */
export function asked() {
  const parameters = new URLSearchParams(location.search);
  const given = Object.entries(NAMES).map(([name, isRight]) => [name, parameters.get(name), isRight]);
  return Object.fromEntries(given.filter(([, text, isRight]) => text && isRight(text)));
}

/** The path of a page that shows this. */
export function path(shown, panel = '') {
  const query = String(new URLSearchParams(Object.entries(shown).filter(([, value]) => value)));
  return '/' + (query && '?' + query) + (panel && '#' + panel);
}

/** Puts what is shown into the address. */
export function remember(shown) {
  if (path(shown) !== location.pathname + location.search) history.pushState(null, '', path(shown));
}

/** The path of a report for programs. */
export function api(report, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const query = String(new URLSearchParams(given));
  return '/api/' + report + (query && '?' + query);
}
