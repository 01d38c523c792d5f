// Hour by what visitors came with, as a table whose cells are the warmer the more views they stand for.

import { WALK, element, foreign, write } from './draw.js';
import { hour, number, views } from './text.js';
import { explain } from './tip.js';

/** So many rows have a name; the rest are one row. */
const NAMED = 9;
const OTHERS = 'All others';

/** Rows of hours and views as members of a dimension with the views of each hour, those with the most views first. */
function summed(rows, { column, name_column: named }) {
  const members = new Map();
  const labels = new Map();
  for (const row of rows) {
    if (!members.has(row[column])) members.set(row[column], Array(24).fill(0));
    members.get(row[column])[row.hour] += row.views;
    labels.set(row[column], row[named] ?? row[column]);
  }
  const total = (counts) => counts.reduce((sum, count) => sum + count, 0);
  const sorted = [...members].sort(([a, left], [b, right]) => total(right) - total(left) || (a < b ? -1 : 1));
  const lines = sorted.slice(0, NAMED).map(([member, counts]) => [labels.get(member), counts]);
  if (sorted.length > NAMED) {
    lines.push([OTHERS, sorted.slice(NAMED).reduce((sum, [, counts]) => sum.map((count, at) => count + counts[at]), Array(24).fill(0))]);
  }
  return lines.map(([label, counts]) => ({ label, counts, total: total(counts) }));
}

/** Draws the table, of views or of what else is counted: its name, and how so many of it are called. */
export function heat(body, rows, dimension, caption, name = 'Views', counted = views) {
  const lines = summed(rows, dimension);
  let table = body.querySelector('table');
  if (table?.dataset.rows !== String(lines.length)) {
    table = empty(lines.length, name);
    body.replaceChildren(table);
  }
  write(table.caption, caption);
  const most = Math.max(1, ...lines.flatMap((line) => line.counts));
  lines.forEach((line, index) => fill(table.tBodies[0].rows[index], line, most, counted));
}

function empty(count, name) {
  const cells = (make) => Array.from({ length: 24 }, (_, at) => make(at));
  const head = element('tr', {}, element('td'), ...cells((at) => element('th', { scope: 'col' }, at % 3 ? element('span', { class: 'unseen' }, hour(at)) : String(at).padStart(2, '0'))), element('th', { scope: 'col' }, name));
  const lines = Array.from({ length: count }, () =>
    element('tr', {}, element('th', { scope: 'row' }, element('span')), ...cells(() => element('td', {}, element('span', { class: 'unseen' }))), element('td', { class: 'sum' })));
  const table = element('table', { ...WALK, class: 'heat walk', 'data-rows': count, 'data-width': 24 }, element('caption', { class: 'unseen' }), element('thead', {}, head), element('tbody', {}, ...lines));
  return table;
}

function fill(row, line, most, counted) {
  write(row.cells[0].firstChild, foreign(line.label));
  row.cells[0].title = line.label;
  line.counts.forEach((count, at) => {
    const cell = row.cells[at + 1];
    // By its root, as a few hours have most of the views, and the others would all look alike.
    cell.style.setProperty('--heat', Math.sqrt(count / most).toFixed(3));
    write(cell.firstChild, number(count));
    explain(cell, `${line.label}, ${hour(at)}\n${counted(count)}`);
  });
  write(row.cells[25], number(line.total));
}
