// Small parts that panels are drawn with. Texts of events are only ever set as text.

import { number, say } from './language.js';
import { beside, compact } from './text.js';
import { explain } from './tip.js';

export const still = matchMedia('(prefers-reduced-motion: reduce)');

/** Of what is walked through by the arrow keys. */
export const WALK = { tabindex: '0', 'aria-description': say('chart.walk') };

/** A new element with these attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A text of an event, which may be written in another direction than what stands around it. */
export const foreign = (...parts) => element('bdi', {}, ...parts);

/** Sets a text only if it is another one; so nothing blinks. Says whether it was. */
export function write(node, ...parts) {
  if (node.textContent === parts.map((part) => part.textContent ?? part).join('')) return false;
  node.replaceChildren(...parts);
  return true;
}

/** Puts a sentence, in its parts, where there is nothing to draw, and one that says what there is. */
export function sentence(body, said, hint = '') {
  if (body.firstElementChild?.className !== 'nothing') {
    body.replaceChildren(element('p', { class: 'nothing' }), element('p', { class: 'nothing hint' }));
  }
  write(body.firstElementChild, ...said);
  write(body.lastElementChild, hint);
}

/** The one child of a panel's body that this kind of drawing keeps its state in. */
function kept(body, name, className) {
  const child = body.firstElementChild;
  if (child?.className === className) return child;
  const made = element(name, { class: className });
  body.replaceChildren(made);
  return made;
}

/**
 * A ranked list of bars. Rows that change places glide there.
 * `rows` are `{key, label: [nodes], title, views, tip, act, current}`, and may have a `rank`, a `share` and a `change`; one with `act` is a button,
 * one that `isExpanded` or not has something `below`. The longest bar is of `longest` views, or of the most.
 */
export function bars(body, rows, longest = 0) {
  const list = kept(body, 'ol', 'bars');
  const before = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const places = new Map([...before].map(([key, item]) => [key, item.offsetTop]));
  const most = Math.max(1, longest, ...rows.map((row) => row.views));
  // Room for all numbers, their shares and changes.
  const [{ share, change } = {}] = rows;
  list.style.setProperty('--aside', `calc(${number(most).length + 1}ch + ${(share ? 4.2 : 0) + (change ? 5 : 0)}em)`);
  const items = rows.map((row) => {
    const item = before.get(row.key) ?? bar(row);
    fill(item, row, most);
    return item;
  });
  if (items.length !== list.children.length || items.some((item, index) => item !== list.children[index])) {
    arrange(list, items);
    if (!still.matches) items.forEach((item) => glide(item, places.get(item.dataset.key)));
  }
  // The keyboard scrolls what has nothing in it that it reaches.
  const isStop = list.scrollHeight > list.clientHeight && !list.querySelector('button');
  list.tabIndex = isStop ? 0 : -1;
  if (isStop) list.setAttribute('aria-label', body.closest('section').ariaLabel);
}

/** Puts the items in order. The one with the focus stays where it is, and the others go round it: an element that is moved loses it. */
function arrange(list, items) {
  const hasFocus = (item) => item.contains(document.activeElement);
  const place = items.findIndex(hasFocus);
  if (place >= 0) {
    [...list.children].filter((item) => !items.includes(item)).forEach((item) => item.remove());
    items[place].before(...items.slice(0, place));
    items[place].after(...items.slice(place + 1));
    return;
  }
  const isLost = [...list.children].some(hasFocus);
  list.replaceChildren(...items);
  // Its row is gone; the focus is still in the list.
  if (isLost) list.focus({ preventScroll: true });
}

function bar(row) {
  const inside = ['fill', 'label', 'views', 'share', 'change'].map((name) => element('span', { class: name }));
  const content = row.act ? element('button', { type: 'button' }, ...inside) : element('div', {}, ...inside);
  const item = element('li', {}, content);
  item.dataset.key = row.key;
  item.querySelector('.label').append(...row.label());
  // What a click does depends on what is chosen by then.
  content.addEventListener('click', () => item.act?.());
  if (row.extra) item.append(row.extra());
  return item;
}

function fill(item, row, most) {
  const [content] = item.children;
  item.act = row.act;
  const rank = content.querySelector('.rank');
  if (rank) write(rank, number(row.rank));
  content.querySelector('.fill').style.setProperty('--share', row.views / most);
  const changed = write(content.querySelector('.views'), number(row.views));
  if (changed && !still.matches && item.isConnected) flash(content.querySelector('.views'));
  for (const name of ['share', 'change']) {
    const node = content.querySelector(`.${name}`);
    node.hidden = row[name] === undefined;
    write(node, row[name] ?? '');
  }
  explain(content, `${row.title}\n${row.tip}`);
  if (row.isExpanded !== undefined) {
    content.setAttribute('aria-expanded', row.isExpanded);
    unfold(item, row.below);
  } else if (row.act) content.setAttribute('aria-pressed', Boolean(row.current));
}

/** A list below an item, which `draw` draws; none without that. */
function unfold(item, draw) {
  const list = item.querySelector('.below') ?? (draw && item.appendChild(element('ul', { class: 'below' })));
  if (draw) draw(list);
  else list?.remove();
}

function glide(item, from) {
  const way = from === undefined ? null : from - item.offsetTop;
  if (way === null) item.animate({ opacity: [0, 1] }, { duration: 400 });
  else if (way) item.animate({ transform: [`translateY(${way}px)`, 'none'] }, { duration: 450, easing: 'ease-in-out' });
}

function flash(node) {
  node.animate({ color: ['var(--accent)', 'var(--text)'] }, { duration: 1200, easing: 'ease-out' });
}

/** A column for each time, with the views of its row; those without are there too. The views before are a line behind. */
export function columns(body, times, rows, name) {
  const chart = kept(body, 'div', 'hours');
  if (!chart.children.length) {
    const marks = element('div', { class: 'marks', 'aria-hidden': 'true' }, element('span'), element('span'), element('span'));
    chart.append(marks, element('ol', { ...WALK, class: 'walk' }), line());
  }
  const [marks, list, before] = chart.children;
  if (list.children.length !== times.length) {
    list.replaceChildren(...times.map(() => element('li', {}, element('i'), element('span', { class: 'unseen' }))));
    list.style.setProperty('--columns', times.length);
  }
  list.setAttribute('aria-label', name);
  const top = ceiling(Math.max(...rows.map(({ views, views_before: before }) => Math.max(views, before ?? 0))));
  [top, top / 2, 0].forEach((mark, index) => write(marks.children[index], mark % 1 ? '' : compact(mark)));
  times.forEach(({ title, tick }, at) => {
    const [column, { views: count, views_before: before }] = [list.children[at], rows[at]];
    column.dataset.tick = tick;
    column.querySelector('i').style.setProperty('--share', count / top);
    column.classList.toggle('none', !count);
    write(column.querySelector('span'), say('pair', { what: title, value: beside(count, before) }));
    explain(column, `${title}\n${beside(count, before)}`);
  });
  before.setAttribute('viewBox', `0 0 ${times.length} 1`);
  before.firstElementChild.setAttribute('d', way(rows, top));
}

/** A line over columns. */
function line() {
  const [drawing, path] = ['svg', 'path'].map((name) => document.createElementNS('http://www.w3.org/2000/svg', name));
  drawing.setAttribute('preserveAspectRatio', 'none');
  drawing.setAttribute('aria-hidden', 'true');
  drawing.setAttribute('class', 'before');
  drawing.append(path);
  return drawing;
}

/** From the middle of each column to that of the next, as far as it is known; over a single one from side to side. */
function way(rows, top) {
  const known = rows.map(({ views_before: before }) => (typeof before === 'number' ? 1 - before / top : null));
  if (known.length === 1) return known[0] === null ? '' : `M0 ${known[0]}H1`;
  return known.map((height, at) => (height === null ? '' : `${(known[at - 1] ?? null) === null ? 'M' : 'L'}${at + 0.5} ${height}`)).join('');
}

/** The least round number that is not smaller. */
function ceiling(most) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 4)));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((times) => times * unit).find((round) => round >= most);
}
