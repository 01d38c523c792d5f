// Exact values, for whoever points at something or walks to it with the arrow keys.

import { foreign } from './draw.js';

const tip = document.getElementById('tip');
let shown = null;
/** Where the arrow keys are; what hides a tip does not lose the way. */
let walked = null;

/** Says what a tip is to tell of an element. */
export function explain(node, text) {
  node.dataset.tip = text;
  if (shown === node) show(node);
}

function show(node) {
  shown = node;
  // The last line is ours; what stands before it may be an event's.
  const [, title, views] = /^(.*)(\n.*)$/s.exec(node.dataset.tip);
  tip.replaceChildren(foreign(title), views);
  tip.hidden = false;
  const [at, own] = [node.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = at.top - own.height - 8;
  tip.style.setProperty('left', `${left}px`);
  tip.style.setProperty('top', `${above < 8 ? at.bottom + 8 : above}px`);
}

export function hide() {
  shown = null;
  tip.hidden = true;
}

/** Moves the walker's mark, for tables and lists whose class is `walk`. */
function walk(event) {
  const list = event.target.closest?.('.walk');
  const [right, down] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] ?? [0, 0];
  if (!list || !(right || down)) return;
  const places = [...list.querySelectorAll('[data-tip]')];
  const width = list.tagName === 'OL' ? places.length : Number(list.dataset.width);
  const from = places.indexOf(walked);
  const to = places[from < 0 ? 0 : from + right + down * width];
  if (to) show((walked = to));
  event.preventDefault();
}

document.addEventListener('pointerover', (event) => {
  const node = event.target.closest?.('[data-tip]');
  if (node) show(node);
  else hide();
});
document.addEventListener('pointerleave', hide);
document.addEventListener('focusin', (event) => {
  const node = event.target.closest('[data-tip]');
  if (node && event.target.matches(':focus-visible')) show(node);
});
document.addEventListener('focusout', () => {
  walked = null;
  hide();
});
document.addEventListener('scroll', hide, { passive: true, capture: true });
document.addEventListener('keydown', (event) => (event.key === 'Escape' ? hide() : walk(event)));
