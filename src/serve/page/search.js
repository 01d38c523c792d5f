// The search for a product, which completes ids as they are typed.

import { api } from './address.js';
import { element, foreign } from './draw.js';

/** Waits so long for the next letter. */
const TYPING = 120;

/** Lets an input find products; `choose` gets the one that was chosen. */
export function search(input, list, choose) {
  let timer = 0;
  let asked = 0;
  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const take = (product) => {
    close();
    input.value = product;
    choose(product);
  };
  const propose = async () => {
    const mine = ++asked;
    const answer = await fetch(api('products', { q: input.value.trim(), limit: 12 })).catch(() => null);
    // A later question may have been answered sooner.
    if (mine !== asked || !answer?.ok || document.activeElement !== input) return;
    const { rows } = await answer.json();
    list.replaceChildren(...(rows.length ? rows.map(({ product_id }, index) => option(product_id, index)) : [none()]));
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
      if (chosen || typed) take(chosen?.dataset.product ?? typed);
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
    if (chosen) take(chosen.dataset.product);
    event.preventDefault();
  });
}

function option(product, index) {
  const made = element('li', { role: 'option', id: `found-${index}`, 'aria-selected': 'false' }, foreign(product));
  made.dataset.product = product;
  return made;
}

const none = () => element('li', { class: 'nothing' }, 'No product begins so');
