// How fresh what is shown is, and whether anything is wrong.

import { write } from './draw.js';
import { number, seconds } from './text.js';

/** So long without a word means that there is no connection: there is one every second. */
const SILENT = 4000;

const at = (id) => document.getElementById(id);

let heard = 0;
let committed = null;

/** Nothing was to be heard for a while. */
export function wake() {
  heard = performance.now();
}

/** Takes what the server says of itself; `failed` is what it cannot do. */
export function hearken(status, failed, isFixed) {
  const { position, records_per_second: rate, seconds_since_commit: ago, behind, kafka_up: isKafkaUp } = status;
  const trouble = failed || (isKafkaUp ? '' : 'Kafka does not answer. What is shown is what was read before.');
  const share = position.consumed ? (100 * position.rejected) / position.consumed : 0;
  wake();
  committed = ago === null ? null : heard - ago * 1000;
  write(at('rate'), rate === null ? '–' : `${number(Math.round(rate))} /s`);
  write(at('read'), number(position.consumed));
  write(at('counted'), number(position.counted));
  at('bots').hidden = !position.bot;
  write(at('bot'), number(position.bot));
  write(at('rejected'), number(position.rejected) + (position.rejected ? ` (${share.toFixed(1)} %)` : ''));
  write(at('behind'), behind ? late(behind) : 'unknown');
  tell(trouble ? 'error' : 'live', isFixed, trouble);
}

function late({ records, seconds: time }) {
  if (!records) return 'nothing';
  return number(records) + (time === null ? '' : ` · ${seconds(time)}`);
}

/** The state of the page, as a word, and as a sentence where something is wrong. */
function tell(state, isFixed, sentence = '') {
  const words = { live: isFixed ? 'live · a fixed day' : 'live', stale: 'cut off', error: 'in trouble' };
  at('pulse').dataset.state = state;
  write(at('pulse').lastElementChild, words[state]);
  document.body.dataset.state = state;
  at('notice').hidden = !sentence;
  write(at('notice'), sentence);
}

/** Time goes by. */
export function tick() {
  const now = performance.now();
  if (committed !== null) write(at('ago'), `${seconds((now - committed) / 1000)} ago`);
  if (document.hidden || now - heard < SILENT) return;
  const known = heard ? 'What is shown is what there was when it was last heard of.' : 'There is nothing to show yet.';
  tell('stale', false, `Freshet does not answer. ${known} Trying again.`);
}
