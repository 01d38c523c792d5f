// How fresh what is shown is, and whether anything is wrong or not known.

import { foreign, write } from './draw.js';
import { isKnown, number, parts, say } from './language.js';
import { operate } from './operation.js';
import { clock, records, seconds, share } from './text.js';

/** Silence after which the connection counts as lost: the server sends something every second. */
const SILENT = 4000;
const UNKNOWN = say('unknown');

const at = (id) => document.getElementById(id);

let heard = 0;
let committed = null;
/** When everything was right last. */
let right = null;
let isPaused = false;
/** The code of why the server refuses to send anything, if it says so. */
let refused = '';

/** Nothing was to be heard for a while. */
export function wake() {
  heard = performance.now();
}

/** Takes what the server says of itself; `failed` is the code of what it cannot do, `fixed` says what is shown: what is live, or what does not go on. */
export function connect(status, failed, fixed) {
  const { position, records_per_second: rate, seconds_since_commit: ago, behind, kafka_up: isKafkaUp, run } = status;
  operate(run);
  wake();
  refused = '';
  committed = ago === null ? null : heard - ago * 1000;
  write(at('rate'), rate === null ? UNKNOWN : say('events.rate', { rate: Math.round(rate) }));
  write(at('behind'), behind ? late(behind) : UNKNOWN);
  if (committed === null) write(at('ago'), UNKNOWN);
  // What was known before still stands.
  if (!failed || !right) count(failed ? null : position);
  if (failed) return tell('error', fixed, say('trouble', { what: error(failed), as_of: asOf() }));
  if (position) right = new Date();
  if (!isKafkaUp) return tell('error', fixed, say('trouble.kafka'));
  tell(isPaused ? 'paused' : 'live', fixed);
}

/** How many records there were; none is known before the tables could be read. */
function count(position) {
  const known = (name) => (position ? number(position[name]) : UNKNOWN);
  write(at('read'), known('consumed'));
  write(at('counted'), known('counted'));
  at('bots').hidden = !position?.bot;
  write(at('bot'), known('bot'));
  const count = known('rejected');
  write(at('rejected'), position?.rejected ? say('rejected.share', { count, share: share(position.rejected, position.consumed) }) : count);
}

function late({ records: count, seconds: time }) {
  if (!count) return say('behind.nothing');
  return time === null ? number(count) : say('behind.time', { records: count, time: seconds(time) });
}

/** Of when that is which is shown although something is wrong. */
const asOf = () => (right ? say('as_of', { time: clock(right) }) : say('as_of.nothing'));

/** What an error of the server's means, by its code. Its own words are for programs. */
export const error = (code) => say(isKnown(`error.${code}`) ? `error.${code}` : 'error.internal');

/** The state of the page, as a word, and as a sentence where something is wrong. */
function tell(state, fixed, trouble = '') {
  at('pulse').dataset.state = state;
  write(at('pulse').lastElementChild, state === 'live' ? fixed : say(`state.${state}`, { time: clock(right ?? new Date()) }));
  document.body.dataset.state = state;
  at('notice').hidden = !trouble;
  write(at('notice'), trouble);
}

/** Takes the code of why the server sends nothing, as far as it says. */
export function refuse(reason) {
  refused = reason;
}

/** Nothing moves any more, or everything does again. */
export function halt(isToPause) {
  isPaused = isToPause;
  wake();
  tell(isPaused ? 'paused' : 'loading', '');
  // How long ago it is would be wrong in a moment.
  if (isPaused && committed !== null) write(at('ago'), say('commit.at', { time: clock(new Date(Date.now() - (performance.now() - committed))) }));
}

/** Says what of the address cannot be shown, and how to begin where there is nothing. */
export function advise(misunderstood, position) {
  const sentences = misunderstood.flatMap(({ name, text, instead }) => parts('advice.address', { name, value: foreign(text.slice(0, 60)), instead }));
  sentences.push(...beginning(position));
  write(at('advice'), ...sentences);
  at('advice').hidden = !sentences.length;
}

/** What to do next where nothing is counted. */
function beginning(position) {
  if (!position || position.counted) return [];
  const check = say('advice.check');
  if (!position.consumed) return parts('advice.unread', { check });
  return parts(position.rejected ? 'advice.rejected' : 'advice.uncounted', { records: records(position.consumed), check });
}

/** Time goes by. */
export function tick() {
  if (isPaused || document.hidden) return;
  const now = performance.now();
  if (now - heard < SILENT) {
    if (committed !== null) write(at('ago'), say('commit.ago', { time: seconds((now - committed) / 1000) }));
    return;
  }
  ['ago', 'rate', 'behind'].forEach((id) => write(at(id), UNKNOWN));
  tell('stale', '', say('again', { what: refused ? error(refused) : say('trouble.silent'), as_of: asOf() }));
}
