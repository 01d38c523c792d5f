// How fresh what is shown is, and whether anything is wrong or not known.

import { foreign, write } from './draw.js';
import { clock, number, records, seconds, sentence } from './text.js';

/** So long without a word means that there is no connection: there is one every second. */
const SILENT = 4000;
const UNKNOWN = 'unknown';

const at = (id) => document.getElementById(id);

let heard = 0;
let committed = null;
/** When everything was right last. */
let right = null;
let isPaused = false;
/** Why the server refuses to send anything, if it says so. */
let refused = '';

/** Nothing was to be heard for a while. */
export function wake() {
  heard = performance.now();
}

/** Takes what the server says of itself; `failed` is what it cannot do, `fixed` what is shown that does not go on. */
export function hearken(status, failed, fixed) {
  const { position, records_per_second: rate, seconds_since_commit: ago, behind, kafka_up: isKafkaUp } = status;
  wake();
  refused = '';
  committed = ago === null ? null : heard - ago * 1000;
  write(at('rate'), rate === null ? UNKNOWN : `${number(Math.round(rate))} /s`);
  write(at('behind'), behind ? late(behind) : UNKNOWN);
  if (committed === null) write(at('ago'), UNKNOWN);
  // What was known before still stands.
  if (!failed || !right) count(failed ? null : position);
  if (failed) return tell('error', fixed, `${sentence(failed)} ${asOf()}`);
  if (position) right = new Date();
  if (!isKafkaUp) return tell('error', fixed, 'Kafka does not answer, so new events are not counted. They will be once it answers again.');
  tell(isPaused ? 'paused' : 'live', fixed);
}

/** How many records there were; none is known before the tables could be read. */
function count(position) {
  const share = position?.consumed ? (100 * position.rejected) / position.consumed : 0;
  const known = (name) => (position ? number(position[name]) : UNKNOWN);
  write(at('read'), known('consumed'));
  write(at('counted'), known('counted'));
  at('bots').hidden = !position?.bot;
  write(at('bot'), known('bot'));
  write(at('rejected'), known('rejected') + (share ? ` (${share.toFixed(1)} %)` : ''));
}

function late({ records: count, seconds: time }) {
  if (!count) return 'nothing';
  return number(count) + (time === null ? '' : ` · ${seconds(time)}`);
}

/** Of when that is which is shown although something is wrong. */
const asOf = () => (right ? `What is shown is as of ${clock(right)}.` : 'There is nothing to show yet.');

/** The state of the page, as a word, and as a sentence where something is wrong. */
function tell(state, fixed, trouble = '') {
  const words = { live: fixed ? `live · ${fixed}` : 'live', stale: 'cut off', error: 'in trouble', paused: `paused at ${clock(right ?? new Date())}`, loading: 'connecting' };
  at('pulse').dataset.state = state;
  write(at('pulse').lastElementChild, words[state]);
  document.body.dataset.state = state;
  at('notice').hidden = !trouble;
  write(at('notice'), trouble);
}

/** Takes why the server sends nothing, as far as it says. */
export function refuse(reason) {
  refused = reason;
}

/** Nothing moves any more, or everything does again. */
export function halt(isToPause) {
  isPaused = isToPause;
  wake();
  tell(isPaused ? 'paused' : 'loading', '');
  // How long ago it is would be wrong in a moment.
  if (isPaused && committed !== null) write(at('ago'), `at ${clock(new Date(Date.now() - (performance.now() - committed)))}`);
}

/** Says what of the address cannot be shown, and how to begin where there is nothing. */
export function advise(misunderstood, position) {
  const sentences = misunderstood.map(({ name, text, otherwise }) => [`The address asks for ${name} ‘`, foreign(text.slice(0, 60)), `’: ${otherwise}. `]);
  sentences.push(beginning(position));
  const parts = sentences.flat().filter(Boolean);
  write(at('advice'), ...parts);
  at('advice').hidden = !parts.length;
}

/** What to do next where nothing is counted. */
function beginning(position) {
  if (!position || position.counted) return '';
  const check = '‘freshet check’ lists the kinds of events in the topic, and which of them count.';
  if (!position.consumed) return `No event was read yet. The first one shows up here a moment after it is written to the topic. ${check}`;
  const why = position.rejected ? ' The number of rejected records above opens the reasons.' : '';
  return `Read so far: ${records(position.consumed)}, none of which counts.${why} ${check}`;
}

/** Time goes by. */
export function tick() {
  if (isPaused || document.hidden) return;
  const now = performance.now();
  if (now - heard < SILENT) {
    if (committed !== null) write(at('ago'), `${seconds((now - committed) / 1000)} ago`);
    return;
  }
  ['ago', 'rate', 'behind'].forEach((id) => write(at(id), UNKNOWN));
  const what = refused ? `Freshet sends nothing: ${refused}.` : 'Freshet does not answer.';
  tell('stale', '', `${what} ${asOf()} Trying again.`);
}
