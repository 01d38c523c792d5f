// The page: what is shown, where it comes from, and how fresh it is.

import { api, asked, misunderstood, path, remember } from './address.js';
import './copy.js';
import { element, write } from './draw.js';
import { advise, halt, connect, refuse, tick, wake } from './fresh.js';
import { say } from './language.js';
import { drawChips, parameters as filtered } from './filters.js';
import { build, compared, drawAll, first, forget, rowOf, take, takeNothing } from './panels.js';
import { custom, parameters, period as periodOf, state, title } from './period.js';
import { members } from './picker.js';
import { take as takeRejected } from './rejected.js';
import { chosen as dimensions, concerned, ranking } from './reports.js';
import * as text from './text.js';
import { nextTheme, paint } from './theme.js';
import { follow as followLists } from './whole.js';

/** How soon it tries again where the browser does not by itself. */
const AGAIN = 2000;

const at = (id) => document.getElementById(id);

/** What was chosen, and what is shown of what was not: the first members of their rankings. */
let chosen = asked();
let usual = {};
let status = null;
let days = [];
let stream = null;
let failure = '';
let retry = 0;
let isPaused = false;

const shown = () => ({ ...usual, ...chosen });
const period = () => periodOf(chosen, status?.day);
/** What decides about the panels' rows. */
const wanted = () => ({ ...shown(), filters: JSON.stringify(filtered({ ...chosen, compare: '' })), period: JSON.stringify(period()) });

// What is shown ---------------------------------------------------------------------------------------------------------

/** Shows something else, which is a step back in the browser's history unless it goes on with the last one. */
function choose(change, isSame = false) {
  const before = wanted();
  chosen = Object.fromEntries(Object.entries({ ...chosen, ...change }).filter(([, value]) => value));
  remember(chosen, isSame);
  follow(before);
}

/** Shows what was chosen by now. */
function follow(before) {
  const after = wanted();
  const changed = ['period', 'compare', 'filters', ...dimensions.keys()].filter((name) => before[name] !== after[name]);
  forget(concerned(changed));
  if (changed.includes('period')) forgetUsual();
  if (changed.length) listen();
  draw();
}

/** Another day has first members of its own. */
function forgetUsual() {
  for (const dimension of dimensions.values()) {
    if (ranking(dimension)?.is_of_a_day) delete usual[dimension.label];
  }
}

/** Where nobody chose a member, the first one is shown, and stays. */
function settle() {
  const before = wanted();
  for (const dimension of dimensions.values()) {
    usual[dimension.label] ??= first(ranking(dimension), dimension);
    if (!ranking(dimension)) findUsual(dimension);
  }
  follow(before);
}

/** The first member of what is ranked nowhere. */
async function findUsual(dimension) {
  if (shown()[dimension.label]) return;
  const before = wanted();
  const found = await members(dimension);
  usual[dimension.label] ??= found?.[0]?.[dimension.column];
  if (found?.length === 0) takeNothing();
  follow(before);
}

function draw() {
  followLists(status?.position, isPaused, draw);
  drawAll(shown(), chosen, period(), choose);
  drawChips(chosen, compared(), rowOf, choose);
  at('reports').setAttribute('aria-busy', !status);
  pickers.forEach(({ dimension, show }) => show(shown()[dimension.label] ?? ''));
  advise(misunderstood(), status?.position);
  const days = title(period());
  document.title = days ? say('title.of', { days }) : say('title');
  drawPeriod();
  drawDays();
}

/** Which of its controls there are, and what they say. */
function drawPeriod() {
  const { from, to } = period();
  const way = chosen.from ? 'custom' : (chosen.days ?? '');
  at('period').value = way;
  at('compare').value = chosen.compare ?? '';
  at('one-day').hidden = way !== '';
  at('some-days').hidden = way !== 'custom';
  // One that somebody types into is left alone.
  for (const [id, value] of [['from', from], ['to', to]]) {
    if (document.activeElement !== at(id)) at(id).value = value ?? '';
  }
}

/** What was chosen of several days, with the other end where it must be. */
function bound(id) {
  const value = at(id).value;
  if (!value) return;
  const { from, to } = { ...period(), [id]: value };
  choose(from > to ? custom({ day: value }) : custom({ from, to }));
}

// The days --------------------------------------------------------------------------------------------------------------

async function findDays() {
  const found = await members({ values: '/api/days' });
  // A list that is open just now is only disturbed by what is new.
  if (!found || String(found.map((row) => row.day)) === String(days.map((row) => row.day))) return;
  days = found;
  const options = days.map((row) => element('option', { value: row.day }, text.day(row.day)));
  at('day').replaceChildren(element('option', { value: '' }, say('live')), ...options.reverse());
  drawDays();
}

function drawDays() {
  const picker = at('day');
  write(picker.options[0], status?.day ? say('live.of', { day: text.day(status.day) }) : say('live'));
  if (chosen.day && ![...picker.options].some((option) => option.value === chosen.day)) {
    picker.append(element('option', { value: chosen.day }, text.day(chosen.day)));
  }
  picker.value = chosen.day ?? '';
  at('earlier').disabled = !neighbour(-1);
  at('later').disabled = !chosen.day;
}

/** The next day that has views; the current one is the last. */
function neighbour(way) {
  const [known, { day }] = [days.map((row) => row.day), period()];
  return way < 0 ? known.filter((it) => it < day).pop() : known.find((it) => it > day);
}

// The stream ------------------------------------------------------------------------------------------------------------

function listen() {
  stream?.close();
  clearTimeout(retry);
  // A page that nobody sees costs nothing, and a browser has few connections to give.
  if (document.hidden) return;
  const defaults = [...dimensions.keys()].filter((label) => !chosen[label]).map((label) => [`${label}.default`, usual[label]]);
  const { from, isFixed } = period();
  const days = from || isFixed ? parameters(period()) : {};
  const mine = new EventSource(api('/api/live', { ...days, ...filtered(chosen), ...Object.fromEntries(defaults) }));
  stream = mine;
  // Where the current day decides which days are meant, and is not known yet, what comes is of others.
  const isMeant = from || !(chosen.days || chosen.from);
  mine.addEventListener('panel', (event) => stream === mine && isMeant && take(JSON.parse(event.data)));
  mine.addEventListener('failure', (event) => (failure = JSON.parse(event.data).code));
  mine.addEventListener('status', (event) => stream === mine && hear(JSON.parse(event.data)));
  mine.addEventListener('error', () => {
    if (mine.readyState !== EventSource.CLOSED || stream !== mine) return;
    askWhy(mine.url);
    retry = setTimeout(listen, AGAIN);
  });
}

/** A stream does not say why it was refused; the same request does. */
async function askWhy(url) {
  const stop = new AbortController();
  try {
    const answer = await fetch(url, { signal: stop.signal });
    refuse(answer.ok ? '' : (await answer.json()).error.code);
  } catch {
    refuse('');
  }
  stop.abort();
}

function hear(news) {
  const [before, failed, wantedBefore] = [status, failure, wanted()];
  failure = '';
  status = news;
  // Days until now begin later than yesterday's.
  if (before?.day !== status.day && (chosen.days || chosen.from)) follow(wantedBefore);
  if (before?.day !== status.day) {
    findDays();
    if (before && !chosen.day) forgetUsual();
  }
  pickers.forEach(({ refresh }) => refresh(!before));
  connect(news, failed, state(period()));
  if (news.position) takeRejected(news.position.rejected, chosen.day);
  // What was chosen while nothing is to move has come with its first word.
  if (isPaused) stream.close();
  settle();
}

/** Nothing moves until somebody wants it to again. */
function pause() {
  isPaused = !isPaused;
  at('pause').setAttribute('aria-pressed', isPaused);
  halt(isPaused);
  if (isPaused) stream?.close();
  else listen();
}

// What people do -------------------------------------------------------------------------------------------------------

document.addEventListener('change', ({ target }) => {
  // The first choice of a switch is what goes without saying.
  const choices = target.closest('.switch')?.querySelectorAll('input');
  if (choices) choose({ [target.name]: target === choices[0] ? '' : target.value });
});
document.addEventListener('visibilitychange', () => {
  wake();
  if (!isPaused) listen();
});
addEventListener('popstate', () => {
  const before = wanted();
  chosen = asked();
  follow(before);
});
at('theme').addEventListener('click', nextTheme);
at('language').addEventListener('change', () => location.assign(path({ ...chosen, lang: at('language').value })));
at('pause').addEventListener('click', pause);
at('day').addEventListener('change', () => choose({ day: at('day').value }));
at('period').addEventListener('change', () => {
  const way = at('period').value;
  choose(way === 'custom' ? custom(period()) : { day: '', days: way, from: '', to: '' });
});
at('compare').addEventListener('change', () => choose({ compare: at('compare').value }));
['from', 'to'].forEach((id) => at(id).addEventListener('change', () => bound(id)));
at('day').addEventListener('focus', findDays);
at('earlier').addEventListener('click', () => choose({ day: neighbour(-1) }));
at('later').addEventListener('click', () => choose({ day: neighbour(1) === status?.day ? '' : neighbour(1) }));

const pickers = build(at('reports'), choose);
paint();
draw();
listen();
setInterval(tick, 200);
