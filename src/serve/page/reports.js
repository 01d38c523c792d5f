// The reports that there are, as the server lists them, and the panels that follow from them.

import { allow, api } from './address.js';
import { listed as enumerated, say } from './language.js';
import { parameters } from './period.js';

/** What the days can be compared with. */
const comparisons = ['previous', 'weekday'];

/** How soon it asks again if there was no answer. */
const AGAIN = 2000;

/** What the server answers, as soon as it does. */
async function listed() {
  for (;;) {
    const answer = await fetch(api('/api/reports')).catch(() => null);
    if (answer?.ok) return answer.json();
    await new Promise((resolve) => setTimeout(resolve, AGAIN));
  }
}

const { reports, filters: labels, has_trend: hasTrend } = await listed();
const named = (name) => reports.find((report) => report.name === name);

/** What is asked for by a panel's switch, beside what is chosen. */
export const switched = (report) => `${report.name}.by`;

/** The name under which the server tells of a report; of a heat map by one of its dimensions. */
const streamed = (report, dimension) => (dimension ? `${report.name}.${dimension.label}` : report.name);
/** And of a report of all days by what it has of these. */
const streamedOfDays = ({ name }) => `${name}.day`;

const isField = ({ kind }) => kind !== 'day' && kind !== 'hour';

function panel(report) {
  const fields = report.dimensions.filter(isField);
  const needed = report.dimensions.filter((dimension) => dimension.is_needed);
  return {
    id: report.name,
    report,
    daily: named(report.daily),
    /** Whether it is of all days, and can be of some. */
    hasDays: !report.is_of_a_day && Boolean(report.daily || report.is_over_days),
    needed,
    /** The heat map's sides. */
    sides: report.shape === 'heat-map' ? fields : [],
    /** What tells its rows apart. */
    items: report.dimensions.filter((dimension) => !dimension.is_needed && dimension.kind !== 'day'),
  };
}

/** Whether its members are countries, by their codes. */
export const isCountry = ({ kind }) => kind === 'country' || kind === 'country-code';

/** The panels in their order. A report of one day that belongs to one of all days is shown in its place. */
export const panels = reports.filter(({ name }) => !reports.some(({ daily }) => daily === name)).map(panel);

/** All that was counted, by time. */
if (hasTrend) {
  const report = { name: 'trend', shape: 'hours', is_of_a_day: true };
  panels.unshift({ id: 'all-hours', isWhole: true, report, needed: [], sides: [], items: [] });
}

/** The dimensions that panels are filtered by, by their labels. */
export const filters = new Map(labels.map((label) => [label, reports.flatMap(({ dimensions }) => dimensions).find((it) => it.label === label)]));

/** The dimensions of which a member is chosen, by their labels. */
export const chosen = new Map(panels.flatMap(({ needed }) => needed.map((dimension) => [dimension.label, dimension])));

/** Of such a dimension: the report whose first row is shown if nobody chooses. */
export function ranking({ column }) {
  return reports.find(({ shape, dimensions }) => shape === 'bars' && dimensions.some((dimension) => dimension.column === column));
}

/** The name of what a panel shows, where `shown` says how it is switched. */
export function source({ report, daily, hasDays, sides }, shown) {
  const value = shown[switched(report)];
  if (hasDays && !value) return daily?.name ?? streamedOfDays(report);
  return streamed(report, sides.find(({ label }) => label === value) ?? sides[0]);
}

/** Whether a panel is of these days, rather than of all. */
export function isOf({ report, hasDays }, shown) {
  return report.is_of_a_day || (hasDays && !shown[switched(report)]);
}

/** Where programs find what a panel shows, of the members that the server says it is `of`. */
export function address(panel, shown, period, { of, compared } = {}) {
  const { report, needed } = panel;
  const given = of ?? Object.fromEntries(needed.map(({ label }) => [label, shown[label]]));
  const { day } = period;
  // One day of a report that has none of its own is a range.
  const isRange = panel.hasDays && !panel.daily && day;
  const days = isOf(panel, shown) ? parameters(isRange ? { from: day, to: day, isFixed: true } : period) : {};
  const share = ['bars', 'list'].includes(report.shape) ? 'true' : '';
  const compare = compared ? shown.compare : '';
  return (format, more = {}) => api(panel.isWhole ? '/api/trend' : `/api/reports/${report.name}`, { ...days, ...given, compare, share, format, ...more });
}

/** The names of what is another thing if one of these is: labels, `period`, or what is filtered by and compared with. */
export function concerned(changed) {
  const isConcerned = (report) => (changed.includes('period') && (report.is_of_a_day || report.is_over_days)) || report.dimensions.some(({ label, is_needed: isNeeded }) => isNeeded && changed.includes(label));
  const isOther = changed.includes('filters') || changed.includes('compare');
  const names = (report) => [report.name, streamedOfDays(report), ...report.dimensions.map((dimension) => streamed(report, dimension))];
  const found = reports.filter((report) => isOther || isConcerned(report)).flatMap(names);
  return isOther || changed.includes('period') ? ['trend', ...found] : found;
}

for (const dimension of filters.values()) {
  const { label, kind } = dimension;
  const most = kind === 'url' ? 8192 : 1024;
  if (isCountry(dimension)) allow(label, (text) => /^[A-Z]{2}$/.test(text), say('advice.country'));
  else if (kind === 'boolean') allow(label, (text) => ['true', 'false'].includes(text), say('advice.choices', { choices: enumerated(['true', 'false']) }));
  else allow(label, (text) => new TextEncoder().encode(text).length <= most && !text.includes('\0'), say('advice.long'));
}
allow('compare', (text) => comparisons.includes(text), say('advice.compare', { choices: enumerated(comparisons) }));
for (const { report, hasDays, sides } of panels) {
  const choices = hasDays ? ['all'] : report.sites ? ['host'] : sides.map(({ label }) => label);
  if (choices.length) allow(switched(report), (text) => choices.includes(text), say('advice.choices', { choices: enumerated(choices) }));
}
