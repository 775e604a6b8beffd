// Looks for recordings in all channels without asking for all at once: some channels at a time, page after page, until there are
// enough.

import { call, channelPath } from '../../parts/api.js';
import { newestFirst } from '../../parts/recordings/listing.js';

const AT_ONCE = 4;

export class Harvest {
  /// `[{ channel, recording }]` as found so far.
  found = [];
  #kind;
  #queue;
  #asked = 0;
  #count;

  constructor(channels, kind) {
    this.#kind = kind;
    this.#count = channels.length;
    const query = new URLSearchParams({ kind });
    // Those that record now come first: there is most to be seen.
    const flag = kind === 'file' ? 'isVideo' : 'isOnDemand';
    const order = [...channels].sort((one, other) => Number(other[flag]) - Number(one[flag]));
    this.#queue = order.map((channel) => ({ channel, path: channelPath(channel.id, `/recordings?${query}`) }));
  }

  /// Whether there is nothing more to look at.
  get isOver() {
    return this.#queue.length === 0;
  }

  /// The share of channels that were looked through.
  get share() {
    return this.#count ? this.#asked / this.#count : 1;
  }

  /// Goes on until `many` were found or nothing is left; `told` is called after each answer.
  async until(many, signal, told) {
    const before = this.found.length;
    const work = async () => {
      while (this.#queue.length > 0 && this.found.length < many) {
        const next = this.#queue.shift();
        try {
          await this.#ask(next, before, signal);
        } catch (problem) {
          // A channel that was deleted meanwhile has nothing; what else went wrong is asked for again.
          if (problem.kind !== 'not-found') {
            this.#queue.unshift(next);
            throw problem;
          }
          this.#asked += 1;
        }
        told();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  drop(recording) {
    this.found = this.found.filter((one) => one.recording !== recording);
  }

  async #ask({ channel, path }, before, signal) {
    const { data, next } = await call('GET', path, { signal });
    if (signal.aborted) return;
    const fresh = data.filter(({ kind }) => kind === this.#kind).map((recording) => ({ channel, recording }));
    // What is on screen stays where it is; what comes behind it is in order.
    const rest = [...this.found.slice(before), ...fresh].sort((one, other) => newestFirst(one.recording, other.recording));
    this.found = [...this.found.slice(0, before), ...rest];
    if (next) this.#queue.unshift({ channel, path: next });
    else this.#asked += 1;
  }
}
