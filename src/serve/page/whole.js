// The whole list of a panel, page by page and by what is sought in it; of addresses also by their hosts, with the addresses below.
// It is asked for when somebody opens it, and again as the tables move.

import { allow } from './address.js';
import { bars, element, foreign, write } from './draw.js';
import { number, parts, say } from './language.js';
import { called, copier, label } from './members.js';
import { isCountry, panels, switched } from './reports.js';
import * as text from './text.js';

/** So many rows are on a page. */
const ROWS = 25;
/** As many rows live lists have at most. */
const LIVE_ROWS = 100;
/** What has moved is asked for so seldom. */
const CALM = 5000;
/** Waits so long for the next letter. */
const TYPING = 250;

const parameter = (what) => ({ report }) => `${report.name}.${what}`;
const [pageOf, soughtOf, hostOf] = ['page', 'q', 'of_host'].map(parameter);

for (const panel of panels.filter(({ report }) => report.has_whole)) {
  const isShort = (most) => (given) => new TextEncoder().encode(given).length <= most && !given.includes('\0');
  allow(pageOf(panel), (given) => /^[1-9]\d{0,5}$/.test(given), say('advice.page'));
  allow(soughtOf(panel), isShort(1000), say('advice.long'));
  if (panel.report.sites) allow(hostOf(panel), isShort(253), say('advice.long'));
}

/** What was answered for each address that is shown, and when it was asked for. */
const answers = new Map();
/** How far the tables are, and what redraws everything. */
let moved = 0;
let isHalted = false;
let redraw = () => {};

/** Takes how far the tables are; `draw` draws what comes. */
export function follow(position, isPaused, draw) {
  [moved, isHalted, redraw] = [position?.next_offsets ?? moved, isPaused, draw];
}

/** Whether addresses are shown by their hosts. */
const isByHost = ({ report }, shown) => Boolean(report.sites) && shown[switched(report)] === 'host';

/** Whether a panel shows its whole list. */
export const isOpen = (panel, shown) => Boolean(panel.report.has_whole && (shown[pageOf(panel)] || isByHost(panel, shown)));

/** What it asks for, beside what the panel asks for anyway. */
export function parameters(panel, shown) {
  if (!isOpen(panel, shown)) return {};
  const page = Number(shown[pageOf(panel)] ?? 1);
  const group = isByHost(panel, shown) ? 'host' : '';
  return { all: 'true', group, q: meant(panel, shown[soughtOf(panel)]), offset: (page - 1) * ROWS || '', limit: ROWS };
}

/** What is sought as the server understands it: the language has names of its own for countries. */
function meant({ items }, sought = '') {
  const words = sought.trim();
  if (!words || !items.some(isCountry)) return words;
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  const isMeant = (code) => text.country(code, '').toLocaleLowerCase().includes(words.toLocaleLowerCase()) || code === words.toUpperCase();
  return codes.filter(isMeant).join(' ') || words;
}

/** What was answered to this, if anything was yet; it is asked for again if the tables have moved since. */
function answered(address) {
  const known = answers.get(address) ?? { asked: -CALM };
  answers.set(address, known);
  known.used = performance.now();
  const isDue = known.moved !== moved && performance.now() - known.asked >= CALM && !(isHalted && known.answer);
  if (isDue && !known.isAsking) ask(address, known);
  return known.answer;
}

async function ask(address, known) {
  Object.assign(known, { isAsking: true, asked: performance.now() });
  const before = moved;
  const answer = await fetch(address).catch(() => null);
  const found = await answer?.json().catch(() => null);
  if (answer?.ok && found) Object.assign(known, { answer: found, moved: before });
  // Nobody has viewed what is filtered by; other troubles are told by the stream.
  else if (answer?.status === 404) Object.assign(known, { answer: { rows: [], total: 0 }, moved: before });
  known.isAsking = false;
  const isOld = ([, { used }]) => performance.now() - used > 60_000;
  [...answers].filter(isOld).forEach(([old]) => answers.delete(old));
  redraw();
}

/** What a panel with such a list shows in place of the first rows the server sent. `found` gives the address. */
export function instead(panel, shown, said, found) {
  if (!said?.rows || !isOpen(panel, shown)) return said;
  const answer = answered(found('', parameters(panel, shown)));
  return answer && { ...answer, of: said.of };
}

/** The addresses of a host as a row has them, if it is the one that is open. */
function below(panel, host, shown, found) {
  const isShown = shown[hostOf(panel)] === host;
  const answer = isShown ? answered(found('', { all: 'true', of_host: host, limit: ROWS })) : undefined;
  return { isShown, answer };
}

/** A row of a host; what is below it comes with a click. */
export function site(panel, row, shown, found, choose) {
  const [host, kind] = panel.report.sites.map((column) => row[column]);
  const { isShown, answer } = below(panel, host, shown, found);
  return {
    key: JSON.stringify([host, kind]),
    label: () => [element('small', { class: 'rank' }), ' ', host ? foreign(host) : say('site.none'), ' ', element('small', {}, say(`site.${kind}`))],
    title: host || say('site.none'),
    isExpanded: isShown,
    below: isShown ? (list) => urls(panel, list, answer, host, choose) : null,
    act: host ? () => choose({ [hostOf(panel)]: isShown ? '' : host }) : undefined,
  };
}

/** Draws the addresses below a host. */
function urls({ items, report }, list, answer, host, choose) {
  if (!answer) return list.childElementCount || list.replaceChildren(element('li', {}, '…'));
  const [item] = items;
  const lines = answer.rows.map((row) => element('li', {}, element('span', { class: 'label' }, ...label(item, row)), copier(row[item.column]), element('span', { class: 'views' }, number(row.views))));
  if (answer.total > lines.length) {
    const all = element('button', { type: 'button' }, say('site.all', { count: answer.total }));
    all.addEventListener('click', () => choose({ [switched(report)]: '', [hostOf({ report })]: '', [`${report.name}.page`]: '1', [`${report.name}.q`]: host }));
    lines.push(element('li', {}, all));
  }
  const same = lines.length === list.childElementCount && lines.every((line, at) => line.textContent === list.children[at].textContent);
  return same || list.replaceChildren(...lines);
}

/** The controls of such a list: what opens it, a search, and the pages. */
export function controls(panel, choose) {
  if (!panel.report.has_whole) return;
  const { section } = panel;
  const input = element('input', { type: 'search', dir: 'auto', autocomplete: 'off', spellcheck: 'false', placeholder: say('list.find'), 'aria-label': say('list.find.in', { panel: section.ariaLabel }) });
  const search = element('div', { class: 'search within', hidden: '' }, input);
  const open = element('button', { type: 'button', class: 'open', 'aria-expanded': 'false' });
  const step = (by, sign) => {
    const button = element('button', { type: 'button', class: 'step', 'aria-label': say(by < 0 ? 'list.before' : 'list.after'), title: say(by < 0 ? 'list.before' : 'list.after') }, sign);
    button.addEventListener('click', () => choose({ [pageOf(panel)]: String(panel.page + by) }));
    return button;
  };
  const place = element('p', { role: 'status', class: 'place' });
  const pages = element('div', { class: 'pages', role: 'group', 'aria-label': say('list.pages', { panel: section.ariaLabel }) }, open, element('span', { class: 'steps', hidden: '' }, step(-1, '‹'), place, step(1, '›')));
  section.querySelector('.body').before(search);
  section.querySelector('.body').after(pages);
  open.addEventListener('click', () => choose(panel.isOpened ? closed(panel) : { [pageOf(panel)]: '1' }));
  let timer = 0;
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => choose({ [soughtOf(panel)]: input.value.trim(), [pageOf(panel)]: '1' }, true), TYPING);
  });
}

/** What is chosen where the list is closed again. */
const closed = (panel) => ({ [pageOf(panel)]: '', [soughtOf(panel)]: '', [hostOf(panel)]: '', ...(panel.report.sites ? { [switched(panel.report)]: '' } : {}) });

/** Draws the controls; `said` is what the server sent of the first rows, `answer` what is shown. */
export function drawControls(panel, shown, said, answer) {
  if (!panel.report.has_whole) return;
  const { section, report } = panel;
  const [isOpened, rows] = [isOpen(panel, shown), said?.rows?.length ?? 0];
  Object.assign(panel, { isOpened, page: Number(shown[pageOf(panel)] ?? 1) });
  section.classList.toggle('opened', isOpened);
  const input = section.querySelector('.within input');
  input.parentNode.hidden = !isOpened;
  if (document.activeElement !== input) input.value = shown[soughtOf(panel)] ?? '';
  const [open, steps] = section.querySelector('.pages').children;
  section.querySelector('.pages').hidden = !isOpened && (!rows || rows < (report.places ?? LIVE_ROWS));
  write(open, say(isOpened ? 'list.close' : 'list.open'));
  open.setAttribute('aria-expanded', isOpened);
  // While another page is on its way they stay, and so does the focus on one of them.
  steps.hidden = !isOpened || (steps.hidden && !answer?.rows);
  if (steps.hidden || !answer?.rows) return;
  const [back, place, on] = steps.children;
  const [first, { total, rows: { length } }] = [(panel.page - 1) * ROWS, answer];
  write(place, ...parts(length ? 'list.place' : 'list.nothing', { first: first + 1, last: first + length, total }));
  back.disabled = panel.page < 2;
  on.disabled = first + length >= total;
  // Nobody is left on a button that does nothing any more.
  if (on.disabled && document.activeElement === on) back.focus();
  if (back.disabled && document.activeElement === back) on.focus();
}

/** Draws the rows of the list: bars, which are shares of the first one's, and what is said where there are none. */
export function drawRows(body, rows, said, make) {
  bars(body, rows.map(make), said?.rows?.[0]?.views);
}
