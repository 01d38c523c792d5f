// What is shown, as the address says it: so a link shows somebody else the same.

const NAMES = ['day', 'country', 'product', 'countries', 'by'];

/** What the address asks for; what it leaves out is not there. */
export function asked() {
  const parameters = new URLSearchParams(location.search);
  return Object.fromEntries(NAMES.filter((name) => parameters.get(name)).map((name) => [name, parameters.get(name)]));
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
