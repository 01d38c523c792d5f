// What the page says, in the language that the server chose for it: every text is in a file of that language.

const texts = JSON.parse(document.getElementById('texts').textContent);

/** By whose habits numbers and dates are written. */
export const locale = texts.locale;
export const language = document.documentElement.lang;
/** All languages that there are, by their codes. */
export const languages = [...document.querySelectorAll('#language option')].map(({ value }) => value);

const plural = new Intl.PluralRules(locale);
const whole = new Intl.NumberFormat(locale);
const list = new Intl.ListFormat(locale);

export const number = (value) => whole.format(value);
/** Texts one after another, as a sentence has them. */
export const listed = (items) => list.format(items);

/** What was declared in several languages, in this one if it is among them. */
export const inLanguage = (texts, otherwise) => texts?.[language] ?? otherwise;

/** A text with its placeholders filled in, as what elements hold: a value may be an element, or several. `count` decides about the plural. */
export function parts(key, values = {}) {
  const found = texts[key];
  const text = typeof found === 'string' ? found : found[plural.select(values.count)];
  const filled = text.split(/\{(\w+)\}/).map((part, place) => (place % 2 ? values[part] : part));
  return filled.flat().filter((part) => part !== '').map((part) => (typeof part === 'number' ? number(part) : part));
}

/** The same as one text. */
export const say = (key, values) => parts(key, values).join('');

/** What is said in place of a sentence of the server's, of which the texts have the form behind `family.`: that which leaves the least open. */
export function translated(key) {
  const family = key.slice(0, key.indexOf('.') + 1);
  const sentence = key.slice(family.length);
  let found = { open: Infinity, text: sentence };
  for (const key of Object.keys(texts).filter((key) => key.startsWith(family))) {
    const form = key.slice(family.length).split(/\{(\w+)\}/);
    const literal = form.map((part, place) => (place % 2 ? '([^]+)' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')));
    const [whole, ...values] = new RegExp(`^${literal.join('')}$`).exec(sentence) ?? [];
    const open = values.join('').length;
    if (whole === undefined || open >= found.open) continue;
    const named = values.map((value, place) => [form[2 * place + 1], value]);
    found = { open, text: say(key, Object.fromEntries(named.map(([name, value]) => [name, name === 'reason' ? translated(family + value) : value]))) };
  }
  return found.text;
}

/** Whether there is such a text. */
export const isKnown = (key) => key in texts;
