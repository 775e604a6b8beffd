// The pages of the console, by the first word of their address.

import { Channels } from './channels.js';
import { Channel } from './channel.js';
import { Domains } from './domains.js';
import { Events } from './events.js';
import { OnDemand } from './on-demand.js';
import { html } from '../parts/ui.js';

export const PAGES = {
  channels: ({ path, query }) =>
    path[0] ? html`<${Channel} id=${path[0]} tab=${path[1] ?? 'live'} query=${query} />` : html`<${Channels} query=${query} />`,
  domains: Domains,
  events: Events,
  'on-demand': OnDemand,
};
