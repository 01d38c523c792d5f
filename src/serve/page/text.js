// Numbers, days and addresses as people read them.

import { locale, number, say } from './language.js';

const short = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(locale, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });
const signed = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1, signDisplay: 'exceptZero' });
const date = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const brief = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' });
const span = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const time = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
const regions = new Intl.DisplayNames(locale, { type: 'region', fallback: 'none' });

const moment = (day) => new Date(`${day}T00:00:00Z`);

export const clock = (moment) => time.format(moment);
export const compact = (value) => (value < 10_000 ? number(value) : short.format(value));
export const share = (part, whole) => percent.format(part / whole);
export const day = (text) => (text ? date.format(moment(text)) : '');
export const shortDay = (text) => brief.format(moment(text));
/** From a day to another, with what both have in common said once. */
export const days = (from, to) => span.formatRange(moment(from), moment(to));
export const hour = (value) => String(value).padStart(2, '0') + ':00';
export const views = (count) => say('views', { count });
/** The same with those before, if they are known. */
export const beside = (count, before) => (typeof before === 'number' ? say('compare.value', { views: views(count), before: number(before) }) : views(count));
export const records = (count) => say('records', { count });
/** The country with this code, or else what it is usually called. */
export const country = (code, usual) => (/^[A-Z]{2}$/.test(code) && regions.of(code)) || usual;

/** The flag of the country with this code: a letter of another alphabet for each of its two. */
export const flag = (code) => String.fromCodePoint(...[...code].map((letter) => letter.charCodeAt(0) + 0x1f1a5));

/** Whether this system draws two such letters as one flag. */
export const hasFlags = (() => {
  const pen = document.createElement('canvas').getContext('2d');
  return pen.measureText(flag('DE')).width < 1.5 * pen.measureText(flag('D')).width;
})();

/** By how much more a row has than before: nothing where that is not asked. */
export function change({ views: count, views_before: before, change_percent: percents }) {
  if (before === undefined) return undefined;
  if (typeof percents === 'number') return signed.format(percents / 100);
  return before === 0 && count > 0 ? say('compare.new') : '–';
}

/** How many percent there are more, as the server rounds it; unknown where there were none. */
export const more = (count, before) => (before ? Math.round(((count - before) / before) * 1000) / 10 : null);

/** A time in seconds, no finer than it can be told apart. */
export function seconds(value) {
  if (value < 1) return say('time.moment');
  if (value < 10) return say('time.seconds', { count: tenths.format(value) });
  if (value < 120) return say('time.seconds', { count: Math.round(value) });
  if (value < 7200) return say('time.minutes', { count: Math.round(value / 60) });
  if (value < 172_800) return say('time.hours', { count: Math.round(value / 3600) });
  return say('time.days', { count: Math.round(value / 86_400) });
}

/** A text of an event where no element can stand: between marks that keep its direction to itself. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** An address parted into what goes without saying and the rest. Nothing of it is lost. */
export function parted(url) {
  const [, plain, rest] = /^(https?:\/\/(?:www\.)?)?([^]*)$/i.exec(url);
  return [plain ?? '', rest.replace(/\/$/, ''), rest.endsWith('/') ? '/' : ''];
}
