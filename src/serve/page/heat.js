// Times by what visitors came with, as a table whose cells are the warmer the more views they stand for.

import { WALK, element, foreign, write } from './draw.js';
import { number, say } from './language.js';
import { name } from './members.js';
import { beside, change, more } from './text.js';
import { explain } from './tip.js';

/** So many rows have a name; the rest are one row. */
const NAMED = 9;

/** Rows of times and views as members of a dimension with a row of views at each time, those with the most views first. */
function summed(rows, dimension, { times, time }) {
  const { column } = dimension;
  const places = new Map(times.map(({ key }, place) => [key, place]));
  const members = new Map();
  for (const row of rows) {
    if (!members.has(row[column])) members.set(row[column], { row, label: name(dimension, row), cells: times.map(() => ({ views: 0 })) });
    add(members.get(row[column]).cells[places.get(time(row))], row);
  }
  const lines = [...members.values()].map((line) => ({ ...line, sum: total(line.cells) }));
  const sorted = lines.sort((a, b) => b.sum.views - a.sum.views || (a.row[column] < b.row[column] ? -1 : 1));
  if (sorted.length <= NAMED) return sorted;
  const rest = sorted.splice(NAMED);
  const cells = times.map((_, at) => total(rest.map((line) => line.cells[at])));
  return [...sorted, { label: say('heat.others'), cells, sum: total(cells) }];
}

/** Adds the views of a row, and those before, which are not known where those of any are not. */
function add(sum, { views, views_before: before }) {
  sum.views += views;
  if (before !== undefined) sum.views_before = before === null || sum.views_before === null ? null : (sum.views_before ?? 0) + before;
}

function total(cells) {
  const sum = { views: 0 };
  cells.forEach((cell) => add(sum, cell));
  return sum;
}

/** Draws the table over these times, of views or of what else is counted: what it is called in sum, and how so many of it are. */
export function heat(body, rows, dimension, over, caption, sum = say('heat.sum'), counted = beside) {
  const { times, filter } = over;
  const lines = summed(rows, dimension, over);
  let table = body.querySelector('table');
  const isCompared = rows.some((row) => row.views_before !== undefined);
  const size = `${lines.length} ${isCompared} ${Boolean(filter)}`;
  if (table?.dataset.size !== size || table.dataset.width !== String(times.length)) {
    table = empty(lines.length, times.length, [sum, ...(isCompared ? [say('compare.change')] : [])], Boolean(filter));
    table.dataset.size = size;
    body.replaceChildren(table);
  }
  write(table.caption, caption);
  times.forEach(({ tick, title }, at) => {
    const [shown, whole] = table.tHead.rows[0].cells[at + 1].children;
    write(shown, tick);
    write(whole, title);
  });
  table.style.setProperty('--digits', Math.max(...lines.map(({ sum: { views } }) => number(views).length)));
  const most = Math.max(1, ...lines.flatMap((line) => line.cells.map(({ views }) => views)));
  lines.forEach((line, index) => fill(table.tBodies[0].rows[index], line, times, most, counted, line.row && filter ? filter(line.row) : {}));
}

function empty(count, width, sums, isFiltering) {
  const cells = (make) => Array.from({ length: width }, make);
  const unseen = () => element('span', { class: 'unseen' });
  const head = element('tr', {}, element('td'), ...cells(() => element('th', { scope: 'col' }, element('span', { 'aria-hidden': 'true' }), unseen())), ...sums.map((sum) => element('th', { scope: 'col', class: 'sum' }, sum)));
  const lines = Array.from({ length: count }, () =>
    element('tr', {}, element('th', { scope: 'row' }, chooser(isFiltering)), ...cells(() => element('td', {}, unseen())), ...sums.map(() => element('td', { class: 'sum' }))));
  const table = element('table', { ...WALK, class: 'heat walk', 'data-width': width }, element('caption', { class: 'unseen' }), element('thead', {}, head), element('tbody', {}, ...lines));
  table.style.setProperty('--columns', width);
  return table;
}

/** What a line is called; as a button it filters by that. */
function chooser(isFiltering) {
  if (!isFiltering) return element('span');
  const button = element('button', { type: 'button' });
  button.addEventListener('click', () => button.act?.());
  return button;
}

function fill(row, line, times, most, counted, { act, current }) {
  const [head] = row.cells[0].children;
  write(head, foreign(line.label));
  row.cells[0].title = line.label;
  head.act = act;
  head.disabled = !act;
  if (act) head.setAttribute('aria-pressed', Boolean(current));
  else head.removeAttribute('aria-pressed');
  line.cells.forEach(({ views, views_before: before }, at) => {
    const cell = row.cells[at + 1];
    // By its root, as a few times have most of the views, and the others would all look alike.
    cell.style.setProperty('--heat', Math.sqrt(views / most).toFixed(3));
    write(cell.firstChild, number(views));
    explain(cell, `${say('heat.cell', { member: line.label, time: times[at].title })}\n${counted(views, before)}`);
  });
  const [sum, changed] = [...row.cells].slice(times.length + 1);
  write(sum, number(line.sum.views));
  if (changed) write(changed, change({ ...line.sum, change_percent: more(line.sum.views, line.sum.views_before) }) ?? '');
}
