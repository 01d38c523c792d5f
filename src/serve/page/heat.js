// Times by what visitors came with, as a table whose cells are the warmer the more views they stand for.

import { WALK, element, foreign, write } from './draw.js';
import { number, say } from './language.js';
import { name } from './members.js';
import { views } from './text.js';
import { explain } from './tip.js';

/** So many rows have a name; the rest are one row. */
const NAMED = 9;

/** Rows of times and views as members of a dimension with the views at each time, those with the most views first. */
function summed(rows, dimension, { times, time }) {
  const { column } = dimension;
  const places = new Map(times.map(({ key }, place) => [key, place]));
  const none = () => Array(times.length).fill(0);
  const members = new Map();
  const labels = new Map();
  for (const row of rows) {
    if (!members.has(row[column])) members.set(row[column], none());
    members.get(row[column])[places.get(time(row))] += row.views;
    labels.set(row[column], name(dimension, row));
  }
  const total = (counts) => counts.reduce((sum, count) => sum + count, 0);
  const sorted = [...members].sort(([a, left], [b, right]) => total(right) - total(left) || (a < b ? -1 : 1));
  const lines = sorted.slice(0, NAMED).map(([member, counts]) => [labels.get(member), counts]);
  if (sorted.length > NAMED) {
    lines.push([say('heat.others'), sorted.slice(NAMED).reduce((sum, [, counts]) => sum.map((count, at) => count + counts[at]), none())]);
  }
  return lines.map(([label, counts]) => ({ label, counts, total: total(counts) }));
}

/** Draws the table over these times, of views or of what else is counted: what it is called in sum, and how so many of it are. */
export function heat(body, rows, dimension, over, caption, sum = say('heat.sum'), counted = views) {
  const { times } = over;
  const lines = summed(rows, dimension, over);
  let table = body.querySelector('table');
  if (table?.dataset.rows !== String(lines.length) || table.dataset.width !== String(times.length)) {
    table = empty(lines.length, times.length, sum);
    body.replaceChildren(table);
  }
  write(table.caption, caption);
  times.forEach(({ tick, title }, at) => {
    const [shown, whole] = table.tHead.rows[0].cells[at + 1].children;
    write(shown, tick);
    write(whole, title);
  });
  table.style.setProperty('--digits', Math.max(...lines.map(({ total }) => number(total).length)));
  const most = Math.max(1, ...lines.flatMap((line) => line.counts));
  lines.forEach((line, index) => fill(table.tBodies[0].rows[index], line, times, most, counted));
}

function empty(count, width, sum) {
  const cells = (make) => Array.from({ length: width }, make);
  const unseen = () => element('span', { class: 'unseen' });
  const head = element('tr', {}, element('td'), ...cells(() => element('th', { scope: 'col' }, element('span', { 'aria-hidden': 'true' }), unseen())), element('th', { scope: 'col' }, sum));
  const lines = Array.from({ length: count }, () =>
    element('tr', {}, element('th', { scope: 'row' }, element('span')), ...cells(() => element('td', {}, unseen())), element('td', { class: 'sum' })));
  const table = element('table', { ...WALK, class: 'heat walk', 'data-rows': count, 'data-width': width }, element('caption', { class: 'unseen' }), element('thead', {}, head), element('tbody', {}, ...lines));
  table.style.setProperty('--columns', width);
  return table;
}

function fill(row, line, times, most, counted) {
  write(row.cells[0].firstChild, foreign(line.label));
  row.cells[0].title = line.label;
  line.counts.forEach((count, at) => {
    const cell = row.cells[at + 1];
    // By its root, as a few times have most of the views, and the others would all look alike.
    cell.style.setProperty('--heat', Math.sqrt(count / most).toFixed(3));
    write(cell.firstChild, number(count));
    explain(cell, `${say('heat.cell', { member: line.label, time: times[at].title })}\n${counted(count)}`);
  });
  write(row.lastElementChild, number(line.total));
}
