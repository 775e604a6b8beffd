// Long lists in pages: numbers to click, the page before and the next. The page is in the address, so that back and reload keep it.

import { Icon } from './icons.js';
import { href, place } from './router.js';
import { html } from './ui.js';
import { know, t } from './words.js';

know({
  'pager.label': ['Pages', '分页'],
  'pager.previous': ['Previous page', '上一页'],
  'pager.next': ['Next page', '下一页'],
  'pager.page': ['Page {page}', '第 {page} 页'],
});

/// The part of `items` that page `wanted` (from 1) shows: `{ page, pages, shown }`, the last page where there is no such page.
export function pageOf(items, wanted, size) {
  const pages = Math.max(1, Math.ceil(items.length / size));
  const page = Math.min(pages, Math.max(1, Math.floor(Number(wanted)) || 1));
  return { page, pages, shown: items.slice((page - 1) * size, page * size) };
}

/// Links to the pages of a list; nothing where there is one page. `turned` shows the beginning of the list again.
export function Pager({ page, pages, turned = () => window.scrollTo(0, 0) }) {
  if (pages < 2) return null;
  const step = (to, icon, label) => html`<a class="button icon-only" rel=${icon} href=${to ? linkTo(to) : undefined}
    aria-disabled=${to ? undefined : 'true'} role="link" aria-label=${label}><${Icon} name=${icon === 'prev' ? 'back' : 'forward'} /></a>`;
  return html`<nav class="pager" aria-label=${t('pager.label')} onClick=${turned}>
    ${step(page > 1 && page - 1, 'prev', t('pager.previous'))}
    ${numbers(page, pages).map((to, at) => (to === null
      ? html`<span key=${`gap${at}`} aria-hidden="true">…</span>`
      : html`<a key=${to} class="button" href=${linkTo(to)} aria-label=${t('pager.page', { page: to })}
          aria-current=${to === page ? 'page' : undefined}>${to}</a>`))}
    ${step(page < pages && page + 1, 'next', t('pager.next'))}
  </nav>`;
}

function linkTo(page) {
  const { path, query } = place();
  return href(path, { ...Object.fromEntries(query), page });
}

/// The first, the last and those around `page`; null for a gap.
function numbers(page, pages) {
  const wanted = [...new Set([1, page - 1, page, page + 1, pages])].filter((one) => one >= 1 && one <= pages);
  return wanted.flatMap((one, at) => {
    const gap = at > 0 ? one - wanted[at - 1] : 1;
    if (gap === 1) return [one];
    return gap === 2 ? [one - 1, one] : [null, one];
  });
}
