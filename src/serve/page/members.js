// The members of a dimension as people read them.

import { element, foreign } from './draw.js';
import { inLanguage, say } from './language.js';
import { isCountry } from './reports.js';
import * as text from './text.js';

/** The country of what says none. */
const UNKNOWN = 'ZZ';

/** What a dimension is called within a sentence. */
export const called = ({ label, labels }) => inLanguage(labels, label);

/** The same by itself. A label of two letters stands for something longer. */
export function word({ label, labels }) {
  const spoken = label.length === 2 ? label.toUpperCase() : label[0].toUpperCase() + label.slice(1).replaceAll(/[-_]/g, ' ');
  return inLanguage(labels, spoken);
}

/** What a member is called, or itself where it has no name. Of countries the language has names of its own. */
export function name(dimension, row) {
  const { column, name_column: named } = dimension;
  const usual = row[named] ?? row[column];
  return isCountry(dimension) ? text.country(row[column], usual) : usual;
}

/** A member as one text: its name and itself, or itself where it has no name. */
export function whole(dimension, row) {
  const [id, known] = [row[dimension.column], name(dimension, row)];
  return known === id ? id : `${known} (${id})`;
}

/** What a row is about, as nodes. */
export function label(dimension, row) {
  const [id, known] = [row[dimension.column], name(dimension, row)];
  if (dimension.kind === 'hour') return [text.hour(id)];
  if (isCountry(dimension)) return [text.hasFlags && id !== UNKNOWN ? element('span', { class: 'flag', 'data-flag': text.flag(id) }, known) : known];
  if (dimension.kind === 'url') return [url(id)];
  if (known !== id) return [foreign(known), ' ', element('small', {}, foreign(id))];
  // A bare number says little; where others have names, it is known what they are of.
  return dimension.kind === 'id' && !row[dimension.name_column] ? [`${word(dimension)} `, foreign(id)] : [foreign(id)];
}

/** The same as one text. */
export function title(dimension, row) {
  const id = whole(dimension, row);
  if (dimension.kind === 'hour') return text.hour(row[dimension.column]);
  return dimension.kind === 'id' ? `${word(dimension)} ${id}` : id;
}

/** What a row of a list by a chosen member says of that. */
export const heading = (dimension, row) => String(name(dimension, row));

/** The whole address is there to be copied; the eye is spared what goes without saying. */
function url(address) {
  const [plain, rest, slash] = text.parted(address);
  const spared = (part) => element('span', { class: 'spared' }, part);
  return foreign(spared(plain), rest, spared(slash));
}

/** A button that copies an address. */
export function copier(address) {
  const copy = element('button', { type: 'button', class: 'copy', title: say('copy'), 'aria-label': say('copy') });
  copy.dataset.copy = address;
  return copy;
}
