// Why records were rejected, hour by hour: with what an operator wants to know.

import { api } from './address.js';
import { element, sentence, write } from './draw.js';
import { heat } from './heat.js';
import { say, translated } from './language.js';
import { time, times } from './period.js';
import * as text from './text.js';

/** More than a day has hours with reasons. */
const ROWS = 1000;
/** The hour of records whose hour is not known. */
const UNKNOWN = '1970-01-01';

const popover = document.getElementById('operation');
const section = document.getElementById('rejections');
const head = element('div', { class: 'head' }, element('h3', {}, `${say('rejections')} `, element('small')));
const body = element('div', { class: 'body' });
const [csv, json] = ['csv', 'json'].map((form) => element('a', { href: '', 'aria-label': say(`foot.${form}.of`, { panel: say('rejections') }) }, say(`foot.${form}`)));

let wanted = {};
let drawn = '';
let asking = false;

/** So many are rejected by now; a fixed day may be shown. */
export function take(rejected, day) {
  wanted = { rejected, day };
  refresh();
}

/** Asks once for each state of the tables, and only while somebody looks. */
async function refresh() {
  const now = `${wanted.rejected} ${wanted.day ?? ''}`;
  if (!popover.matches(':popover-open') || asking || now === drawn) return;
  asking = true;
  const path = (more) => api('/api/rejected', { day: wanted.day, limit: ROWS, ...more });
  [csv.href, json.href] = [path({ format: 'csv' }), path()];
  const answer = await fetch(path()).catch(() => null);
  const rows = answer?.ok ? (await answer.json()).rows : null;
  if (rows) draw(rows);
  // The next word of the server brings another try.
  else sentence(body, [say('rejections.trouble')]);
  drawn = rows ? now : '';
  asking = false;
}

/** Draws the newest day. */
function draw(rows) {
  const [day] = rows.map((row) => row.hour.slice(0, 10));
  const shown = day === UNKNOWN ? say('rejections.unknown') : text.day(day ?? wanted.day);
  write(head.querySelector('small'), shown);
  if (!day) return sentence(body, [say('rejections.nothing')]);
  const hours = rows.filter((row) => row.hour.startsWith(day));
  const counts = hours.map(({ hour, reason, records }) => ({ hour: Number(hour.slice(11, 13)), reason, said: translated(`reason.${reason}`), views: records }));
  const caption = say('rejections.heat', { days: shown });
  heat(body, counts, { column: 'reason', name_column: 'said' }, { times: times({}), time: (row) => time({}, row) }, caption, say('rejections.sum'), text.records);
}

popover.addEventListener('toggle', () => {
  if (!section.hasChildNodes()) section.append(head, body, element('p', { class: 'foot' }, csv, json));
  refresh();
});
