// What an operator wants to know: behind the line in the head of the page.

import { element, foreign, write } from './draw.js';
import { listed, number, say } from './language.js';

const at = (id) => document.getElementById(id);

/** Takes who writes the tables; null is not known. */
export function operate(run) {
  if (!run) return;
  at('copies').hidden = !run.dedup;
  write(at('duplicates'), number(run.duplicates));
  const days = Number.parseInt(run.retain, 10);
  write(at('retention'), days ? say('retention.days', { count: days }) : say('retention.all'));
  write(at('owner'), run.owner ? foreign(run.owner) : say('owner.none'));
  at('processes').hidden = !run.processes.length;
  if (run.processes.length) drawProcesses(run.processes);
}

/** A row for each, in their order. */
function drawProcesses(processes) {
  if (at('processes').querySelectorAll('tbody tr').length !== processes.length) {
    const columns = ['process', 'address', 'partitions', 'behind'];
    const head = element('tr', {}, ...columns.map((column) => element('th', { scope: 'col' }, say(`processes.${column}`))));
    const rows = processes.map(() => element('tr', {}, ...columns.map((_, place) => element(place ? 'td' : 'th', place ? {} : { scope: 'row' }))));
    const table = element('table', { class: 'processes' }, element('caption', {}, say('processes')), element('thead', {}, head), element('tbody', {}, ...rows));
    at('processes').replaceChildren(table);
  }
  processes.forEach(({ process, address, partitions, lag }, place) => {
    const { cells } = at('processes').querySelector('tbody').rows[place];
    const texts = [number(process), foreign(address), listed(partitions.map(number)), lag === null ? say('unknown') : number(lag)];
    texts.forEach((text, column) => write(cells[column], text));
  });
}
