// What the tables are filtered by and compared with: a chip for each, which takes it away again, and what a panel cannot show so.

import { element, foreign, write } from './draw.js';
import { listed, parts, say } from './language.js';
import { called, name, word } from './members.js';
import { filters } from './reports.js';
import * as text from './text.js';

const list = document.getElementById('filters');

/** What the server is asked for of what was chosen, beside the days. */
export function parameters(chosen) {
  return Object.fromEntries([...filters.keys(), 'compare'].map((label) => [label, chosen[label]]));
}

/** The chips of what was chosen. `rows` finds a row of a member, which may have its name. */
export function drawChips(chosen, compared, rows, choose) {
  const chips = [...filters.values()].filter(({ label }) => chosen[label]).map((dimension) => {
    const row = rows(dimension, chosen[dimension.label]) ?? { [dimension.column]: chosen[dimension.label] };
    return { name: dimension.label, parts: parts('filter', { dimension: word(dimension), member: foreign(name(dimension, row)) }) };
  });
  if (chosen.compare) chips.push({ name: 'compare', parts: compared ? [say('compare.days', { days: text.days(compared.from, compared.to) })] : [say('compare.nothing')] });
  list.hidden = !chips.length;
  const all = chips.length > 1 ? [{ name: '', parts: [say('filter.clear')] }] : [];
  const known = new Map([...list.children].map((item) => [item.dataset.name, item]));
  const items = [...chips, ...all].map((chip) => {
    const item = known.get(chip.name) ?? made(chip.name, choose);
    const button = item.firstElementChild;
    write(button.firstElementChild, ...chip.parts);
    if (chip.name) button.setAttribute('aria-label', say('filter.remove', { filter: button.firstElementChild.textContent }));
    return item;
  });
  if (items.length !== known.size || items.some((item, place) => item !== list.children[place])) list.replaceChildren(...items);
}

function made(name, choose) {
  const button = element('button', { type: 'button' }, element('span'));
  const item = element('li', { class: name ? 'chip' : '' }, button);
  item.dataset.name = name;
  button.addEventListener('click', () => choose(name ? { [name]: '' } : Object.fromEntries([...filters.keys(), 'compare'].map((label) => [label, '']))));
  return item;
}

/** What a panel with these items says of what was chosen and it cannot show. */
export function missed(chosen, items, { of = {} }) {
  const listing = items.map(({ label }) => label);
  const missed = [...filters.values()].filter(({ label }) => chosen[label] && !(label in of) && !listing.includes(label));
  return missed.length ? say('filter.not', { dimensions: listed(missed.map(called)) }) : '';
}

/** Whether a member can be filtered by, and is. A choice that is made again is taken back. */
export function filtering(dimension, row, chosen, choose) {
  const member = row[dimension?.column];
  if (!filters.has(dimension?.label) || member === undefined || member === '(others)') return {};
  const isChosen = chosen[dimension.label] === member;
  return { current: isChosen, act: () => choose({ [dimension.label]: isChosen ? '' : member }) };
}
