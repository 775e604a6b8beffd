// The server's clock, for latency that does not depend on how the viewer's clock is set.

const SAMPLES = 3;

export class Clock {
  #offset = 0;

  /// Asks for the server's time a few times and keeps the answer that travelled shortest.
  async synchronise(url) {
    let shortest = Infinity;
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      try {
        const sent = Date.now();
        const answer = await fetch(url, { cache: 'no-store' });
        if (!answer.ok) return;
        const server = Date.parse(await answer.text());
        const took = Date.now() - sent;
        if (Number.isNaN(server) || took >= shortest) continue;
        shortest = took;
        this.#offset = server + took / 2 - Date.now();
      } catch {
        return;
      }
    }
  }

  /// The server's time now, Unix milliseconds.
  now() {
    return Date.now() + this.#offset;
  }

  /// Seconds since `date` by the server's clock; null without one.
  since(date) {
    const at = date ? date.getTime() : NaN;
    return Number.isNaN(at) ? null : (this.now() - at) / 1000;
  }
}
