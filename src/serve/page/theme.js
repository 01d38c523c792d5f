// The colours: as the system has them, unless somebody says otherwise.

import { toast } from './copy.js';

const THEMES = { auto: 'as the system', light: 'light', dark: 'dark' };

/** Paints with the colours that were chosen last. */
export function paint() {
  const stored = localStorage.getItem('theme');
  const theme = stored in THEMES ? stored : 'auto';
  const button = document.getElementById('theme');
  document.documentElement.dataset.theme = theme;
  button.title = `Colours: ${THEMES[theme]}`;
  button.setAttribute('aria-label', button.title);
}

/** Goes on to the next colours. */
export function nextTheme() {
  const names = Object.keys(THEMES);
  const theme = names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length];
  localStorage.setItem('theme', theme);
  paint();
  toast(`Colours: ${THEMES[theme]}`);
}
