// Links and addresses, copied with a click.

import { local } from './address.js';
import { write } from './draw.js';
import { say } from './language.js';

const line = document.getElementById('toast');

/** Says something for a moment. */
export function toast(message) {
  write(line, message);
  line.getAnimations().forEach((animation) => animation.cancel());
  line.animate({ opacity: [1, 1, 0] }, { duration: 2400 });
}

async function copy(text, message) {
  try {
    await navigator.clipboard.writeText(text);
    toast(message);
  } catch {
    toast(say('copy.denied'));
  }
}

document.addEventListener('click', (event) => {
  const [share, address] = [event.target.closest('[data-share]'), event.target.closest('[data-copy]')];
  // Without a clipboard the link is followed, and stands in the address.
  if (share && navigator.clipboard) {
    event.preventDefault();
    history.replaceState(null, '', local(share.href));
    copy(share.href, say('copy.link'));
  }
  if (address) copy(address.dataset.copy, say('copy.address'));
});
