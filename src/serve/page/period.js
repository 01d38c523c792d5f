// Which days are shown: one, or several together; those until now go on by themselves.

import { allow, isDay } from './address.js';
import { listed, say } from './language.js';
import * as text from './text.js';

/** No more days are counted together; of a few hours are told apart, of more, days. */
const { daysMax: DAYS_MAX, hourlyDaysMax: HOURLY_DAYS_MAX } = document.documentElement.dataset;

/** So many days are named below a chart: a phone has room for no more. */
const TICKS = 6;

const DAY = 86_400_000;
const moment = (day) => Date.parse(`${day}T00:00:00Z`);
const later = (day, by) => new Date(moment(day) + by * DAY).toISOString().slice(0, 10);
const count = ({ from, to }) => (moment(to) - moment(from)) / DAY + 1;

/** What can be chosen, beside one day: days until the current one, and its month. */
const PRESETS = ['7', '30', '90', 'month'];

allow('days', (given) => PRESETS.includes(given), say('advice.days', { choices: listed(PRESETS) }));
allow('from', isDay, say('advice.day'));
allow('to', isEnd, say('advice.to', { most: Number(DAYS_MAX) }));

function isEnd(to) {
  const from = new URLSearchParams(location.search).get('from') ?? '';
  return isDay(to) && isDay(from) && from <= to && count({ from, to }) <= DAYS_MAX;
}

/**
 * The days that are shown: `{day}`, or `{from, to}`, without `isFixed` until now. Until the current day is known, `{}` where
 * it decides.
 */
export function period({ day, days, from, to }, today) {
  if (!from && !days) return { day: day ?? today, isFixed: Boolean(day) };
  if (from && to) return { from, to, isFixed: true };
  if (!today) return {};
  const first = () => (days === 'month' ? `${today.slice(0, 8)}01` : later(today, 1 - Number(days)));
  return { from: from ?? first(), to: today };
}

/** What is chosen with the same days. */
export const custom = ({ day, from = day, to = from }) => ({ day: '', days: '', from, to });

/** What the server is asked for. */
export function parameters({ day, from, to, isFixed }) {
  if (from) return { from, to: isFixed ? to : '' };
  return { day };
}

/** The days as people read them. */
export const title = ({ day, from, to }) => (from ? text.days(from, to) : text.day(day));

/** What is shown, in a word: what is live, or does not go on. */
export const state = ({ isFixed, from }) => say(isFixed ? (from ? 'state.live.days' : 'state.live.day') : 'state.live');

/** What a chart has columns for: the hours of a day, or of few days, or days; each with the rows' time that it is of. */
export function times({ day, from, to }, isByHour = true) {
  const hours = Array.from({ length: 24 }, (_, hour) => hour);
  if (!from && !isByHour) return [{ key: day, title: text.day(day), tick: text.shortDay(day) }];
  if (!from) return hours.map((hour) => ({ key: String(hour), title: text.hour(hour), tick: hour % 3 ? '' : text.hour(hour).slice(0, 2) }));
  const days = Array.from({ length: Math.min(count({ from, to }), DAYS_MAX) }, (_, at) => later(from, at));
  if (days.length <= HOURLY_DAYS_MAX && isByHour) {
    return days.flatMap((day) => hours.map((hour) => ({ key: `${day} ${hour}`, title: say('panel.of_one', { member: text.day(day), days: text.hour(hour) }), tick: hour % 6 ? '' : text.hour(hour).slice(0, 2) })));
  }
  const every = Math.ceil(days.length / TICKS);
  return days.map((day, at) => ({ key: day, title: text.day(day), tick: at % every ? '' : text.shortDay(day) }));
}

/** The time of a row, among these. */
export const time = ({ from }, { day, hour }) => (hour === undefined ? day : from ? `${day} ${hour}` : String(hour));
