// What a member is chosen by: a list of all there are, or a search that completes what is typed.

import { api } from './address.js';
import { element, foreign } from './draw.js';
import { say } from './language.js';
import { called, label, name as nameOf, word } from './members.js';

/** Waits so long for the next letter. */
const TYPING = 120;

let pickers = 0;

/** Of a dimension of the panel with this title; `choose` gets what is chosen. */
export function picker(dimension, title, choose) {
  const make = dimension.is_open ? search : list;
  return { dimension, ...make(dimension, say('picker', { dimension: word(dimension), panel: title }), (value) => choose({ [dimension.label]: value })) };
}

/** The members that there are, as the server lists them. */
export async function members({ values }, parameters = {}) {
  const answer = await fetch(api(values, parameters)).catch(() => null);
  return answer?.ok ? (await answer.json()).rows : null;
}

/** All members by their names. */
function list(dimension, name, choose) {
  const { column } = dimension;
  const node = element('select', { 'aria-label': name });
  let shown = '';
  const show = (value) => {
    shown = value;
    if (node.value !== value) node.value = value;
  };
  const refresh = async () => {
    const found = (await members(dimension)) ?? [];
    const known = [...node.options].map((option) => option.value);
    if (!found.some((row) => !known.includes(row[column]))) return;
    const named = found.map((row) => ({ value: row[column], name: nameOf(dimension, row) })).sort((a, b) => a.name.localeCompare(b.name));
    node.replaceChildren(...named.map(({ value, name }) => element('option', { value }, name)));
    node.value = shown;
  };
  node.addEventListener('focus', refresh);
  node.addEventListener('change', () => choose(node.value));
  return { node, show, refresh: (always) => (always || !node.options.length) && refresh() };
}

/** An input that finds members. */
function search(dimension, name, choose) {
  const found = element('ul', { id: `found-${++pickers}`, role: 'listbox', 'aria-label': word(dimension), hidden: '' });
  const input = element('input', {
    type: 'search', dir: 'auto', role: 'combobox', placeholder: say('picker.find', { dimension: called(dimension) }), autocomplete: 'off', spellcheck: 'false',
    'aria-label': name, 'aria-expanded': 'false', 'aria-controls': found.id, 'aria-autocomplete': 'list',
  });
  complete(input, found, dimension, choose);
  const show = (value) => {
    if (document.activeElement !== input) input.value = value;
  };
  return { node: element('div', { class: 'search' }, input, found), show, refresh: () => {} };
}

/** Lets an input propose members; `choose` gets the one that was chosen. */
function complete(input, list, dimension, choose) {
  let timer = 0;
  let asked = 0;
  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const take = (member) => {
    close();
    input.value = member;
    choose(member);
  };
  const propose = async () => {
    const mine = ++asked;
    const rows = await members(dimension, { q: input.value.trim(), limit: 12 });
    // A later question may have been answered sooner.
    if (mine !== asked || document.activeElement !== input) return;
    const option = (row, index) => proposal(row[dimension.column], shown(dimension, row), `${list.id}-${index}`);
    const nothing = rows ? say('picker.nothing') : say('picker.trouble');
    list.replaceChildren(...(rows?.length ? rows.map(option) : [element('li', { class: 'nothing' }, nothing)]));
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
  };
  const move = (by) => {
    const options = [...list.querySelectorAll('[role=option]')];
    const from = options.findIndex((it) => it.ariaSelected === 'true');
    const to = options[(from + by + options.length) % options.length] ?? options[0];
    options.forEach((it) => it.setAttribute('aria-selected', it === to));
    to?.scrollIntoView({ block: 'nearest' });
    if (to) input.setAttribute('aria-activedescendant', to.id);
  };
  const keys = {
    ArrowDown: () => (list.hidden ? propose() : move(1)),
    ArrowUp: () => move(-1),
    Escape: close,
    Enter: () => {
      const chosen = list.hidden ? null : list.querySelector('[aria-selected=true]');
      const typed = input.value.trim();
      if (chosen || typed) take(chosen?.dataset.member ?? typed);
    },
  };
  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(propose, TYPING);
  });
  input.addEventListener('focus', () => input.select());
  input.addEventListener('blur', close);
  input.addEventListener('keydown', (event) => {
    if (!keys[event.key]) return;
    keys[event.key]();
    event.preventDefault();
  });
  list.addEventListener('pointerdown', (event) => {
    const chosen = event.target.closest('[role=option]');
    if (chosen) take(chosen.dataset.member);
    event.preventDefault();
  });
}

/** A member as it is proposed: by its name, if members have names. */
const shown = (dimension, row) => (dimension.name_column ? label(dimension, row) : [foreign(row[dimension.column])]);

function proposal(member, shown, id) {
  const made = element('li', { role: 'option', id, 'aria-selected': 'false' }, ...shown);
  made.dataset.member = member;
  return made;
}
