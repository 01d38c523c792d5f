// The colours: as the system has them, unless somebody says otherwise.

import { toast } from './copy.js';

const THEMES = { auto: 'as the system', light: 'light', dark: 'dark' };

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
  const theme = chosen in THEMES ? chosen : 'auto';
  const button = document.getElementById('theme');
  document.documentElement.dataset.theme = theme;
  button.title = `Colours: ${THEMES[theme]}`;
  button.setAttribute('aria-label', button.title);
}

/** Goes on to the next colours. */
export function nextTheme() {
  const names = Object.keys(THEMES);
  const theme = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  kept(theme);
  paint(theme);
  toast(`Colours: ${THEMES[theme]}`);
}
