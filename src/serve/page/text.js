// Numbers, days and addresses as people read them.

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const date = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });

const brief = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const span = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

export const capital = (text) => text[0].toUpperCase() + text.slice(1);
/** A clause as a sentence; none is none. */
export const sentence = (clause) => (clause ? `${capital(clause)}.` : '');
export const clock = (moment) => time.format(moment);
export const number = (value) => whole.format(value);
export const compact = (value) => (value < 10_000 ? whole : short).format(value);
export const day = (text) => (text ? date.format(new Date(text + 'T00:00:00Z')) : '');
export const shortDay = (text) => brief.format(new Date(text + 'T00:00:00Z'));
/** From a day to another, with what both have in common said once. */
export const days = (from, to) => span.formatRange(...[from, to].map((day) => new Date(day + 'T00:00:00Z')));
export const hour = (value) => String(value).padStart(2, '0') + ':00';
export const views = (count) => `${number(count)} ${count === 1 ? 'view' : 'views'}`;
export const records = (count) => `${number(count)} ${count === 1 ? 'record' : 'records'}`;

/** A time in seconds, no finer than it can be told apart. */
export function seconds(value) {
  if (value < 1) return '< 1 s';
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172_800) return `${Math.round(value / 3600)} h`;
  return `${number(Math.round(value / 86_400))} days`;
}

/** A text of an event where no element can stand: between marks that keep its direction to itself. */
export const isolated = (text) => `\u2068${text}\u2069`;

/** An address parted into what goes without saying and the rest. Nothing of it is lost. */
export function parted(url) {
  const [, plain, rest] = /^(https?:\/\/(?:www\.)?)?([^]*)$/i.exec(url);
  return [plain ?? '', rest.replace(/\/$/, ''), rest.endsWith('/') ? '/' : ''];
}
