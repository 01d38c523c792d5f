// Exact values, where someone points or walks to with the arrow keys.

import { foreign, write } from './draw.js';
import { say } from './language.js';

const tip = document.getElementById('tip');
const heard = document.getElementById('walked');
let shown = null;
/** Where the arrow keys are; what hides a tip does not lose the way. */
let walked = null;

/** Says what a tip is to tell of an element. */
export function explain(node, text) {
  node.dataset.tip = text;
  if (shown === node) show(node);
}

/** The tooltip of an element. The last line is ours; what stands before it may be an event's. */
function told(node) {
  return /^(.*)\n(.*)$/s.exec(node.dataset.tip).slice(1);
}

function show(node) {
  shown = node;
  const [title, value] = told(node);
  tip.replaceChildren(foreign(title), `\n${value}`);
  tip.hidden = false;
  // Above whatever else is above the page.
  if (!tip.matches(':popover-open')) tip.showPopover();
  const [at, own] = [node.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.min(Math.max(8, at.left + at.width / 2 - own.width / 2), innerWidth - own.width - 8);
  const above = at.top - own.height - 8;
  tip.style.setProperty('left', `${left}px`);
  tip.style.setProperty('top', `${above < 8 ? at.bottom + 8 : above}px`);
}

export function hide() {
  shown = null;
  tip.hidden = true;
  tip.hidePopover();
}

/** Where each key leads from a place, in lines of so many places. */
const WAYS = {
  ArrowRight: (from) => from + 1,
  ArrowLeft: (from) => from - 1,
  ArrowDown: (from, width) => from + width,
  ArrowUp: (from, width) => from - width,
  Home: (from, width) => from - (from % width),
  End: (from, width) => from - (from % width) + width - 1,
};

/** Goes on with the arrow keys, through tables and lists whose class is `walk`. */
function walk(event) {
  const list = event.target.closest?.('.walk');
  const way = WAYS[event.key];
  if (!list || !way) return;
  const places = [...list.querySelectorAll('[data-tip]')];
  const width = list.tagName === 'OL' ? places.length : Number(list.dataset.width);
  const from = places.indexOf(walked);
  const to = places[from < 0 ? 0 : way(from, width)];
  if (to) stop(to);
  event.preventDefault();
}

/** Marks a place, and says what it is; none ends the walk. */
function stop(node) {
  walked?.classList.remove('walked');
  walked = node;
  walked?.classList.add('walked');
  if (node) show(node);
  else hide();
  const [what, value] = node ? told(node) : [];
  write(heard, node ? say('pair', { what, value }) : '');
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
  stop(null);
});
document.addEventListener('scroll', hide, { passive: true, capture: true });
document.addEventListener('keydown', (event) => (event.key === 'Escape' ? hide() : walk(event)));
