// The page: what is shown, where it comes from, and how fresh it is.

import { api, asked, remember } from './address.js';
import './copy.js';
import { element, write } from './draw.js';
import { hearken, tick, wake } from './fresh.js';
import { drawAll, first, forget, take } from './panels.js';
import { search } from './search.js';
import * as text from './text.js';
import { nextTheme, paint } from './theme.js';

/** How soon it tries again where the browser does not by itself. */
const AGAIN = 2000;

const at = (id) => document.getElementById(id);

/** What was chosen, and what is shown of what was not: the first country, the first product. */
let chosen = asked();
let usual = {};
let status = null;
let days = [];
let stream = null;
let failure = '';
let retry = 0;

const shown = () => ({ ...usual, ...chosen });
const day = () => chosen.day ?? status?.day;

// What is shown ---------------------------------------------------------------------------------------------------------

function choose(change) {
  const before = shown();
  chosen = Object.fromEntries(Object.entries({ ...chosen, ...change }).filter(([, value]) => value));
  remember(chosen);
  follow(before);
}

/** Shows what was chosen by now. */
function follow(before) {
  const after = shown();
  if (before.day !== after.day) {
    forget('top-products', 'top-countries-daily', 'top-referrers', 'browser-hours', 'os-hours', 'product-hours');
    delete usual.product;
  }
  if (before.country !== after.country) forget('store-views');
  if (before.product !== after.product) forget('product-hours');
  if (['day', 'country', 'product'].some((name) => before[name] !== after[name])) listen();
  draw();
}

/** Where nobody chose a country and a product, the first ones are shown, and stay. */
function settle() {
  const before = shown();
  usual.country ??= first('top-countries')?.country;
  usual.product ??= first('top-products')?.product_id;
  follow(before);
}

function draw() {
  drawAll(shown(), day(), choose);
  at('reports').setAttribute('aria-busy', !status);
  const { countries = 'all', by = 'browser', country = '', product = '' } = shown();
  check('countries', countries);
  check('by', by);
  if (at('country').value !== country) at('country').value = country;
  if (document.activeElement !== at('product')) at('product').value = product;
  document.title = day() ? `Freshet – ${text.day(day())}` : 'Freshet';
  drawDays();
}

function check(name, value) {
  const input = document.querySelector(`input[name=${name}][value=${CSS.escape(value)}]`);
  if (input) input.checked = true;
}

// The days --------------------------------------------------------------------------------------------------------------

async function rows(path) {
  const answer = await fetch(path).catch(() => null);
  return answer?.ok ? (await answer.json()).rows : null;
}

async function findDays() {
  const found = await rows('/api/days');
  // A list that is open just now is only disturbed by what is new.
  if (!found || String(found.map((row) => row.day)) === String(days.map((row) => row.day))) return;
  days = found;
  const options = days.map((row) => element('option', { value: row.day }, text.day(row.day)));
  at('day').replaceChildren(element('option', { value: '' }, 'Live'), ...options.reverse());
  drawDays();
}

function drawDays() {
  const picker = at('day');
  write(picker.options[0], status?.day ? `Live · ${text.day(status.day)}` : 'Live');
  if (chosen.day && ![...picker.options].some((option) => option.value === chosen.day)) {
    picker.append(element('option', { value: chosen.day }, text.day(chosen.day)));
  }
  picker.value = chosen.day ?? '';
  at('earlier').disabled = !neighbour(-1);
  at('later').disabled = !chosen.day;
}

/** The next day that has views; the current one is the last. */
function neighbour(way) {
  const known = days.map((row) => row.day);
  return way < 0 ? known.filter((it) => it < day()).pop() : known.find((it) => it > day());
}

async function findCountries() {
  const found = (await rows('/api/countries')) ?? [];
  const known = [...at('country').options].map((option) => option.value);
  if (!found.some((row) => !known.includes(row.country))) return;
  const named = found.toSorted((a, b) => a.country_name.localeCompare(b.country_name));
  at('country').replaceChildren(...named.map((row) => element('option', { value: row.country }, row.country_name)));
  at('country').value = shown().country ?? '';
}

// The stream ------------------------------------------------------------------------------------------------------------

function listen() {
  stream?.close();
  clearTimeout(retry);
  // A page that nobody sees costs nothing, and a browser has few connections to give.
  if (document.hidden) return;
  const { country, product } = shown();
  const mine = new EventSource(api('live', { day: chosen.day, country, product }));
  stream = mine;
  mine.addEventListener('panel', (event) => stream === mine && take(JSON.parse(event.data)));
  mine.addEventListener('failure', (event) => (failure = event.data));
  mine.addEventListener('status', (event) => stream === mine && hear(JSON.parse(event.data)));
  mine.addEventListener('error', () => {
    if (mine.readyState === EventSource.CLOSED && stream === mine) retry = setTimeout(listen, AGAIN);
  });
}

function hear(news) {
  const [before, failed] = [status, failure];
  failure = '';
  status = news;
  if (before?.day !== status.day) {
    findDays();
    // Another day has begun, with a first product of its own.
    if (before && !chosen.day) delete usual.product;
  }
  if (!at('country').options.length || !before) findCountries();
  hearken(news, failed, Boolean(chosen.day));
  settle();
}

// What people do -------------------------------------------------------------------------------------------------------

document.addEventListener('change', ({ target }) => {
  if (target.name === 'countries') choose({ countries: target.value === 'all' ? '' : target.value });
  if (target.name === 'by') choose({ by: target.value === 'browser' ? '' : target.value });
});
document.addEventListener('visibilitychange', () => {
  wake();
  listen();
});
addEventListener('popstate', () => {
  const before = shown();
  chosen = asked();
  follow(before);
});
at('theme').addEventListener('click', nextTheme);
at('day').addEventListener('change', () => choose({ day: at('day').value }));
at('day').addEventListener('focus', findDays);
at('country').addEventListener('focus', findCountries);
at('country').addEventListener('change', () => choose({ country: at('country').value }));
at('earlier').addEventListener('click', () => choose({ day: neighbour(-1) }));
at('later').addEventListener('click', () => choose({ day: neighbour(1) === status?.day ? '' : neighbour(1) }));
search(at('product'), at('found'), (product) => choose({ product }));

paint();
draw();
listen();
setInterval(tick, 200);
