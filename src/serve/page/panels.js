// Each panel: what it is called, how it is drawn, and where programs find the same.

import { api, path } from './address.js';
import { bars, element, foreign, hours, sentence, write } from './draw.js';
import { heat } from './heat.js';
import * as text from './text.js';

const sections = new Map([...document.querySelectorAll('main > section')].map((section) => [section.id, section]));

/** What the server said last of each panel. */
const said = new Map();

/** Takes what the server says of a panel. */
export function take(panel) {
  said.set(panel.panel, panel);
}

/** The first row of a panel, if it has one. */
export const first = (panel) => said.get(panel)?.rows?.[0];

/** Forgets what was said of these panels, as something else is wanted of them now. */
export function forget(...panels) {
  panels.forEach((panel) => said.delete(panel));
}

function draw(id, panel, subtitle, drawn, of = []) {
  const section = sections.get(id);
  const answer = said.get(panel);
  const body = section.querySelector('.body');
  write(section.querySelector('small'), ...of, subtitle);
  section.setAttribute('aria-busy', !answer);
  if (!answer) body.childElementCount || waiting(body);
  else if (answer.nothing) sentence(body, capital(answer.nothing.replace(/;.*/, '')) + '.');
  else drawn(body, answer.rows);
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Grey bars where there will be others. */
function waiting(body) {
  body.replaceChildren(element('div', { class: 'waiting' }, ...Array.from({ length: 5 }, () => element('i'))));
}

/** Draws all panels. `shown` is what is shown, `day` the day of the panels that are about one. */
export function drawAll(shown, day, choose) {
  const date = text.day(day);
  allHours(date);
  draw('top-products', 'top-products', date, (body, rows) => bars(body, rows.map((row) => ({
    // One that gets another name is another row, as a label is drawn once.
    key: JSON.stringify([row.product_id, row.product_name]), label: () => product(row), title: `Product ${text.product(row)}`, views: row.views,
    current: row.product_id === shown.product, act: () => choose({ product: row.product_id }),
  }))));
  const daily = shown.countries === 'day';
  draw('top-countries', daily ? 'top-countries-daily' : 'top-countries', daily ? date : 'all days', (body, rows) => bars(body, rows.map((row) => ({
    key: row.country, label: () => [row.country_name], title: `${row.country_name} (${row.country})`, views: row.views,
    current: row.country === shown.country, act: () => choose({ country: row.country }),
  }))));
  draw('top-referrers', 'top-referrers', date, (body, rows) => bars(body, rows.map(referrer)));
  // Where there is no country or product to show anything of, the reason is that of their lists.
  draw('store-views', shown.country ? 'store-views' : 'top-countries', 'all days', (body, rows) => bars(body, rows.map((row) => ({
    key: `${row.country} ${row.store_id}`, label: () => ['Store ', foreign(row.store_id)], title: `Store ${row.store_id}, ${row.country_name}`, views: row.views,
  }))));
  const known = text.product(first('product-hours') ?? { product_id: shown.product });
  draw('product-hours', shown.product ? 'product-hours' : 'top-products', date, (body, rows) => {
    hours(body, rows.map((row) => row.views), `Views of product ${text.isolated(known)} on ${date}`);
  }, shown.product ? [foreign(known), ', '] : []);
  const by = shown.by === 'os' ? ['os-hours', 'os', 'operating system'] : ['browser-hours', 'browser', 'browser'];
  draw('browser-os-hours', by[0], date, (body, rows) => heat(body, rows, by[1], `Views by hour and ${by[2]}, ${date}`));
  links(shown, day);
}

/** Everything that was counted on the day: each view has a browser. */
function allHours(date) {
  const rows = said.get('browser-hours')?.rows ?? [];
  const counts = Array(24).fill(0);
  rows.forEach((row) => (counts[row.hour] += row.views));
  write(document.getElementById('total'), rows.length ? text.number(counts.reduce((sum, count) => sum + count)) : '');
  draw('all-hours', 'browser-hours', date, (body) => hours(body, counts, `All views on ${date}`));
}

/** The name, and the id, as two products may share a name. */
function product({ product_id: id, product_name: name }) {
  return name === id ? [foreign(id)] : [foreign(name), ' ', element('small', {}, foreign(id))];
}

/** The whole address is there to be copied; the eye is spared what goes without saying. */
function referrer(row) {
  const url = row.referrer_url;
  const [plain, rest, slash] = text.parted(url);
  const spared = (part) => element('span', { class: 'spared' }, part);
  return {
    key: url, title: url, views: row.views,
    label: () => [foreign(spared(plain), rest, spared(slash))],
    extra: () => {
      const copy = element('button', { type: 'button', class: 'copy', title: 'Copy the address', 'aria-label': 'Copy the address' });
      copy.dataset.copy = url;
      return copy;
    },
  };
}

/** Under each panel: the same for programs, and a link to it. */
function links(shown, day) {
  const daily = shown.countries === 'day';
  const reports = {
    'all-hours': ['browser-os-hours', { day }],
    'top-products': ['top-products', { day }],
    'top-countries': ['top-countries', daily ? { day } : {}],
    'top-referrers': ['top-referrers', { day }],
    'store-views': ['store-views', { country: shown.country }],
    'product-hours': ['product-hours', { product: shown.product, day }],
    'browser-os-hours': ['browser-os-hours', { day }],
  };
  for (const [id, [report, parameters]] of Object.entries(reports)) {
    const [csv, json, link] = foot(sections.get(id));
    csv.href = api(`reports/${report}`, { ...parameters, format: 'csv' });
    json.href = api(`reports/${report}`, parameters);
    link.href = path({ ...shown, day: shown.day }, id);
  }
}

function foot(section) {
  if (!section.querySelector('.foot')) {
    const name = section.querySelector('h1, h2').firstChild.textContent.trim();
    const link = (label, of) => element('a', { href: '', 'aria-label': `${name}: ${of}` }, label);
    const share = link('Link', 'copy a link');
    share.dataset.share = '';
    section.append(element('p', { class: 'foot' }, link('CSV', 'as CSV'), link('JSON', 'as JSON'), share));
  }
  return section.querySelectorAll('.foot a');
}
