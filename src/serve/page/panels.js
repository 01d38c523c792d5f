// Each panel: what it is called, how it is drawn, and where programs find the same.

import { path } from './address.js';
import { columns, element, foreign, sentence, write } from './draw.js';
import { filtering, missed } from './filters.js';
import { heat } from './heat.js';
import { inLanguage, listed, number, parts, say } from './language.js';
import { called, copier, heading, label, title, whole, word } from './members.js';
import * as when from './period.js';
import { picker } from './picker.js';
import { address, filters, isOf, panels, ranking, source, switched } from './reports.js';
import * as text from './text.js';
import * as lists from './whole.js';

/** What the server said last of each panel. */
const said = new Map();

/** How wide a panel is. */
const WIDTHS = { hours: 'double', 'heat-map': 'wide' };

/** What is said of members that are ranked nowhere, where there are none. */
const UNRANKED = '';

/** There is nothing yet. */
export function takeNothing() {
  take({ panel: UNRANKED, code: 'empty' });
}

/** Takes what the server says of a panel. */
export function take(panel) {
  said.set(panel.panel, panel);
}

/** The member of a dimension in the first row of what is said of a report, if it has one. */
export const first = (report, { column }) => said.get(report?.name)?.rows?.[0]?.[column];

/** The days that something is compared with. */
export const compared = () => [...said.values()].find((answer) => answer.compared)?.compared;

/** A row of a member, wherever there is one. */
export function rowOf({ column }, member) {
  for (const { rows = [] } of said.values()) {
    const found = rows.find((row) => row[column] === member);
    if (found) return found;
  }
  return undefined;
}

/** Forgets what was said of these, as something else is wanted of them now. */
export function forget(names) {
  names.forEach((name) => said.delete(name));
}

/** Puts the panels there, and says what members are picked by. */
export function build(main, choose) {
  const pickers = [];
  for (const panel of panels) {
    const name = panel.isWhole ? say('panel.views') : inLanguage(panel.report.titles, panel.report.title);
    const line = element(panel.isWhole ? 'h1' : 'h2', {}, `${name} `, element('small'));
    const head = element('div', { class: 'head' }, line);
    if (panel.isWhole) head.append(element('p', {}, element('strong', { class: 'total', id: 'total' }), ' ', element('span', { class: 'change', id: 'change' })));
    else head.append(...switches(panel), ...panel.needed.map((dimension) => {
      const made = picker(dimension, name, choose);
      pickers.push(made);
      return made.node;
    }));
    const isLong = panel.items.some(({ kind }) => kind === 'url');
    const classes = [panel.isWhole ? 'wide' : WIDTHS[panel.report.shape], isLong && 'long'].filter(Boolean).join(' ');
    panel.section = element('section', { class: classes, 'aria-label': name }, head, element('div', { class: 'body' }), element('p', { class: 'note', hidden: '' }));
    // What else is on the page has its own ids.
    if (!document.getElementById(panel.id)) panel.section.id = panel.id;
    lists.controls(panel, choose);
    main.append(panel.section);
  }
  return pickers;
}

/** What a panel can be switched to: all days instead of these, or another side of it. */
function switches({ report, hasDays, sides }) {
  const bySites = report.sites ? [['', say('switch.urls')], ['host', say('switch.sites')]] : sides.map((side) => [side.label, word(side)]);
  const choices = hasDays ? [['', say('switch.days.one')], ['all', say('switch.days.all')]] : bySites;
  if (!choices.length) return [];
  const radio = ([value, name]) => element('label', {}, element('input', { type: 'radio', name: switched(report), value }), element('span', {}, name));
  return [element('fieldset', { class: 'switch' }, element('legend', {}, say(hasDays ? 'switch.days' : 'switch.side')), ...choices.map(radio))];
}

/** Sets a panel's switch, and what it says of days. */
function set({ section, report, hasDays }, shown, period) {
  const inputs = [...section.querySelectorAll('.switch input')];
  if (hasDays) write(inputs[0].nextElementSibling, say(period.from ? 'switch.days.these' : 'switch.days.one'));
  const chosen = inputs.find((input) => input.value === shown[switched(report)]) ?? inputs[0];
  if (chosen) chosen.checked = true;
}

/** Draws what was said under a name, of these days. */
function draw({ section, report, items: all, chosen }, { name, days, subtitle = [days], items = all, notes = () => [], answer = said.get(name) }, drawn) {
  const body = section.querySelector('.body');
  write(section.querySelector('small'), ...subtitle);
  section.setAttribute('aria-busy', !answer);
  if (!answer) body.childElementCount || waiting(body);
  else if (answer.code) sentence(body, ...reason(answer, days));
  else drawn(body, answer.rows);
  if (answer) note(section, [...notes(answer), uncompared(report, chosen, answer), missed(chosen, items, answer)]);
}

/** Why there is no change beside the numbers, though it was asked for. */
function uncompared(report, chosen, { rows, compared }) {
  if (!chosen.compare || !rows?.length || compared) return '';
  return say(report.is_of_a_day || chosen[switched(report)] !== 'all' ? 'compare.not' : 'compare.all_days');
}

/** What is said below. */
function note(section, sentences) {
  const node = section.querySelector('.note');
  const text = sentences.filter((sentence) => sentence).join(' ');
  node.hidden = !text;
  write(node, text);
}

/** What a line behind columns stands for. */
const dashed = ({ compared, rows = [] }) => (rows.some((row) => typeof row.views_before === 'number') ? [`${say('compare.dashed', { days: text.days(compared.from, compared.to) })}.`] : []);

/** Why there is nothing to draw, and what there is instead. */
function reason({ code, first, last, of }, days) {
  if (code !== 'nothing') return [[say(`nothing.${code}`)]];
  const shown = membersOf(of);
  const member = commas(shown.map(({ dimension, member }) => parts('member.quoted', { dimension, member: foreign(member) })));
  const what = shown.length ? parts('nothing.of', { member, days }) : parts('nothing.on', { days });
  if (first) return [what, say('nothing.hint.days', { days: text.days(first, last) })];
  return [what, shown.length ? say('nothing.hint.other') : ''];
}

/** What consists of parts, one after another. */
const commas = (items) => items.flatMap((item, place) => (place ? [', ', ...item] : item));

/** Grey bars where there will be others. */
function waiting(body) {
  body.replaceChildren(element('div', { class: 'waiting' }, ...Array.from({ length: 5 }, () => element('i'))));
}

/** Draws all panels. `shown` is what is shown, `chosen` what of that was chosen, `period` of which days, where a panel is of some. */
export function drawAll(shown, chosen, period, choose) {
  for (const panel of panels) {
    panel.chosen = chosen;
    if (panel.isWhole) allViews(panel, period);
    else drawOne(panel, shown, period, choose);
    set(panel, shown, period);
    links(panel, shown, period);
  }
}

function drawOne(panel, shown, period, choose) {
  const { report, needed } = panel;
  const days = isOf(panel, shown) ? when.title(period) : say('panel.all_days');
  // Where there is no member to show anything of, the reason is that of their list.
  const missing = needed.find(({ label }) => !shown[label]);
  const name = missing ? ranking(missing)?.name ?? UNRANKED : source(panel, shown);
  const of = members(panel, shown);
  if (report.shape === 'hours') {
    const member = commas(of.map((one) => [foreign(one.member)]));
    const subtitle = of.length ? parts('panel.of_one', { member, days }) : [days];
    draw(panel, { name, days, subtitle, notes: dashed }, (body, rows) => series(body, rows, period, of));
  } else if (report.shape === 'heat-map') {
    const side = sideOf(panel, shown);
    draw(panel, { name, days, items: [side] }, (body, rows) => map(panel, body, rows, side, period, choose));
  } else drawList(panel, { name, days, shown, period }, choose);
}

/** A list of bars: the first ones, or the whole of it. */
function drawList(panel, { name, days, shown, period }, choose) {
  const [first, found] = [said.get(name), address(panel, shown, period, said.get(name))];
  const answer = lists.instead(panel, shown, first, found);
  lists.drawControls(panel, shown, first, answer);
  // What is asked for is on its way; what was shown stays until then.
  const given = answer ?? (first && lists.isOpen(panel, shown) ? null : first);
  draw(panel, { name, days, answer: given }, (body, rows) => {
    const make = (row) => ({ ...bar(panel, row, choose), ...(panel.report.sites && row[panel.report.sites[0]] !== undefined ? lists.site(panel, row, shown, found, choose) : {}) });
    lists.drawRows(body, rows, first, make);
  });
}

/** The members that a panel is about. */
function members({ report, needed }, shown) {
  const row = said.get(report.name)?.rows?.[0];
  return needed.filter(({ label }) => shown[label]).map((dimension) => {
    const member = whole(dimension, row ?? { [dimension.column]: shown[dimension.label] });
    return { dimension: called(dimension), member };
  });
}

/** Those that the server says something is of, by their labels. */
function membersOf(of = {}) {
  return Object.entries(of).map(([label, member]) => {
    const dimension = filters.get(label);
    const row = rowOf(dimension, member) ?? { [dimension.column]: member };
    return { dimension: called(dimension), member: whole(dimension, row), title: title(dimension, row) };
  });
}

/** Everything that was counted in these days, or what of it was chosen. */
function allViews(panel, period) {
  const name = source(panel, {});
  const { rows = [], of = {} } = said.get(name) ?? {};
  const sum = (column) => rows.reduce((sum, row) => sum + row[column], 0);
  const [views, before] = [sum('views'), rows.some((row) => row.views_before === null) ? null : sum('views_before')];
  write(document.getElementById('total'), rows.length ? number(views) : '');
  const all = { views, views_before: rows[0]?.views_before === undefined ? undefined : before, change_percent: text.more(views, before) };
  write(document.getElementById('change'), text.change(all) ?? '');
  const members = membersOf(of);
  const member = commas(members.map((one) => [foreign(one.title)]));
  const subtitle = members.length ? parts('panel.of_one', { member, days: when.title(period) }) : [when.title(period)];
  draw(panel, { name, days: when.title(period), subtitle, notes: dashed }, (body) => series(body, rows, period, members));
}

/** By what the rows of a time are told apart. */
const unit = (rows) => (rows.some(({ hour }) => hour !== undefined) ? 'hour' : 'day');

/** Columns over the time, of these members or of all. */
function series(body, rows, period, of = []) {
  const members = of.map(({ dimension, member }) => say('member', { dimension, member: text.isolated(member) }));
  const name = say(`chart.${of.length ? 'of' : 'all'}.${unit(rows)}`, { member: listed(members), days: when.title(period) });
  const times = when.times(period, unit(rows) === 'hour');
  const at = new Map(rows.map((row) => [when.time(period, row), row]));
  columns(body, times, times.map(({ key }) => at.get(key) ?? { views: 0 }), name);
}

const sideOf = ({ report, sides }, shown) => sides.find(({ label }) => label === shown[switched(report)]) ?? sides[0];

function map({ chosen }, body, rows, side, period, choose) {
  const over = { times: when.times(period), time: (row) => when.time(period, row), filter: (row) => filtering(side, row, chosen, choose) };
  heat(body, rows, side, over, say(`heat.${unit(rows)}`, { side: called(side), days: when.title(period) }));
}

/** A row of a list of bars. Its member is filtered by with a click. */
function bar({ items, needed, chosen, isOpened }, row, choose) {
  const url = items.find(({ kind }) => kind === 'url');
  return {
    // One that gets another name is another row, as a label is drawn once.
    key: JSON.stringify([Boolean(isOpened), ...items.map((item) => [row[item.column], row[item.name_column]])]),
    label: () => [...(isOpened && row.rank ? [element('small', { class: 'rank' }), ' '] : []), ...items.flatMap((item, place) => [...(place ? [' · '] : []), ...label(item, row)])],
    title: [...items.map((item) => title(item, row)), ...needed.map((item) => heading(item, row))].join(', '),
    rank: row.rank,
    views: row.views,
    share: row.share_percent === undefined ? undefined : text.share(row.share_percent, 100),
    change: text.change(row),
    tip: [text.beside(row.views, row.views_before), ...(row.share_percent === undefined ? [] : [say('share', { share: text.share(row.share_percent, 100) })])].join(' · '),
    ...filtering(items.findLast((item) => filters.has(item.label)), row, chosen, choose),
    extra: url && row[url.column] !== undefined ? () => copier(row[url.column]) : undefined,
  };
}

/** Under each panel: the same for programs, and a link to it. */
function links(panel, shown, period) {
  const [csv, json, link] = foot(panel.section);
  const found = address(panel, shown, period, said.get(source(panel, shown)));
  const more = lists.parameters(panel, shown);
  csv.href = found('csv', more);
  json.href = found('', more);
  link.href = path(shown, panel.id);
}

function foot(section) {
  if (!section.querySelector('.foot')) {
    const link = (form) => element('a', { href: '', 'aria-label': say(`foot.${form}.of`, { panel: section.ariaLabel }) }, say(`foot.${form}`));
    const share = link('link');
    share.dataset.share = '';
    section.append(element('p', { class: 'foot' }, link('csv'), link('json'), share));
  }
  return section.querySelectorAll('.foot a');
}
