// The colours: as the system has them, unless somebody says otherwise.

import { toast } from './copy.js';
import { say } from './language.js';

const THEMES = ['auto', 'light', 'dark'];

/** What the browser keeps; a page in a frame may have nothing kept. */
function kept(value) {
  try {
    if (value) localStorage.setItem('theme', value);
    return localStorage.getItem('theme');
  } catch {
    return value;
  }
}

/** Paints with the colours that were chosen last, or with these. */
export function paint(chosen = kept()) {
  const theme = THEMES.includes(chosen) ? chosen : 'auto';
  const button = document.getElementById('theme');
  document.documentElement.dataset.theme = theme;
  button.title = say(`colours.${theme}`);
  button.setAttribute('aria-label', button.title);
}

/** Goes on to the next colours. */
export function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  kept(theme);
  paint(theme);
  toast(say(`colours.${theme}`));
}
