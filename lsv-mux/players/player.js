// Keeps one source playing: connects, watches that pictures move, connects again when they stop.

import { Clock } from './clock.js';
import { playable } from './sources.js';

const TICK_MS = 250;
/// Without a moving picture for so long, playback counts as stalled.
const STALL_MS = 600;
/// Stalled or connecting for so long, the source is opened again.
const GIVE_UP_MS = 12000;
/// So many seconds further behind live than it should be, playback jumps when it begins.
const LATE_START = 0.5;
const RETRY_FIRST_MS = 500;
const RETRY_MOST_MS = 5000;
/// Played for so long, the next failure starts with the shortest pause again.
const STEADY_MS = 5000;
const ERRORS_KEPT = 20;

export class Player {
  /// `starting`, `connecting`, `playing`, `buffering`, `paused`, `blocked`, `offline` or `unsupported`.
  state = 'starting';
  source = null;
  stalls = 0;
  restarts = 0;
  errors = [];
  onchange = () => {};

  #video;
  #credentials = null;
  #base = '';
  #engine = null;
  #closed = Promise.resolve();
  #session = 0;
  #attempts = 0;
  #retry = 0;
  #watch = 0;
  #position = -1;
  #moved = 0;
  #since = 0;
  #played = false;
  #clock = new Clock();

  constructor(video) {
    this.#video = video;
  }

  /// Plays `source` of the channel whose page is at `base` until `stop` or another `play`.
  play(source, credentials, base = location.href) {
    this.stop();
    this.source = source;
    this.#credentials = credentials;
    this.#base = base;
    this.#attempts = 0;
    this.stalls = 0;
    this.#watch = setInterval(() => this.#tick(), TICK_MS);
    this.#clock.synchronise(new URL(`time?${credentials}`, base));
    this.#open();
  }

  /// Stops and forgets the source.
  stop() {
    this.#close();
    clearInterval(this.#watch);
    this.source = null;
    this.#enter('starting');
  }

  /// Shows that there is nothing to play: `offline` or `unsupported`.
  wait(state) {
    this.#enter(state);
  }

  /// Goes to the newest picture.
  jumpToLive() {
    this.#engine?.jumpToLive();
    this.#start();
  }

  /// The heights of the pictures to choose from, in pixels; one or none where there is no choice.
  qualities() {
    return this.#engine?.qualities?.() ?? [];
  }

  /// Plays the pictures at `index` of `qualities` from the next segment on; those that the network allows, if it is -1.
  choose(index) {
    this.#engine?.choose(index);
  }

  /// What the status line shows: seconds, counts, and null for what is not known.
  numbers() {
    const video = this.#video;
    const quality = video.getVideoPlaybackQuality?.();
    const playing = this.#engine !== null && video.readyState > 0;
    return {
      latency: playing ? this.#engine.latency() : null,
      buffered: playing ? bufferedAhead(video) : null,
      dropped: playing && quality ? quality.droppedVideoFrames : null,
      width: playing ? video.videoWidth : 0,
      height: playing ? video.videoHeight : 0,
      stalls: this.stalls,
    };
  }

  async #open() {
    const session = ++this.#session;
    this.#position = -1;
    this.#played = false;
    this.#moved = this.#since = performance.now();
    this.#enter(this.state === 'offline' ? 'offline' : 'connecting');
    const ended = (reason) => {
      if (session === this.#session) this.#again(reason);
    };
    try {
      const { engine } = this.source;
      if (!(await engine.supported(this.#video))) {
        if (session === this.#session) this.#enter('unsupported');
        return;
      }
      const url = await playable(this.source, this.#credentials, this.#base);
      await this.#closed;
      if (session !== this.#session) return;
      this.#engine = engine.open(this.#video, url, ended, this.#clock);
      this.#start();
    } catch (error) {
      ended(String(error));
    }
  }

  #close() {
    this.#session += 1;
    clearTimeout(this.#retry);
    const engine = this.#engine;
    this.#engine = null;
    // The next engine waits for the video element until this one has let go of it.
    this.#closed = this.#closed.then(() => engine?.close()).catch((error) => this.#note(`close: ${error}`));
  }

  #again(reason) {
    this.#note(reason);
    this.#close();
    this.#enter('offline');
    const pause = Math.min(RETRY_FIRST_MS * 2 ** this.#attempts, RETRY_MOST_MS);
    this.#attempts += 1;
    this.restarts += 1;
    // Spread out, so that the viewers of a node that comes back do not all arrive at once.
    this.#retry = setTimeout(() => this.#open(), pause * (0.5 + Math.random() / 2));
  }

  #start() {
    this.#video.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.#enter('blocked');
    });
  }

  #tick() {
    const video = this.#video;
    if (!this.#engine) return;
    const now = performance.now();
    const moving = video.currentTime !== this.#position;
    this.#position = video.currentTime;
    if (video.paused && video.readyState > 2) {
      this.#moved = now;
      if (this.state !== 'blocked') this.#enter('paused');
    } else if (moving && video.readyState > 1) {
      this.#moved = now;
      if (!this.#played) this.#begin();
      this.#played = true;
      if (this.state !== 'playing') {
        this.#since = now;
        this.#enter('playing');
      } else if (now - this.#since > STEADY_MS) {
        this.#attempts = 0;
      }
    } else if (now - this.#moved > GIVE_UP_MS) {
      this.#again('no picture');
    } else if (this.#played && now - this.#moved > STALL_MS) {
      if (this.state === 'playing') this.stalls += 1;
      this.#enter('buffering');
      this.#engine.stalled?.();
    }
  }

  /// The first picture came after all that had to be loaded for it; what came meanwhile need not be seen.
  #begin() {
    const late = this.#engine.late?.() ?? 0;
    if (late > LATE_START && late < bufferedAhead(this.#video)) this.#engine.jumpToLive();
  }

  #enter(state) {
    if (state === this.state) return;
    this.state = state;
    this.onchange();
  }

  #note(reason) {
    this.errors.push(reason);
    if (this.errors.length > ERRORS_KEPT) this.errors.shift();
  }
}

/// Seconds of media that are there beyond the picture on screen.
export function bufferedAhead(video) {
  const { buffered, currentTime } = video;
  for (let at = 0; at < buffered.length; at += 1) {
    if (buffered.start(at) <= currentTime + 0.1 && currentTime <= buffered.end(at)) return buffered.end(at) - currentTime;
  }
  return 0;
}

/// Loads a library that puts itself on `window`, once.
export function library(name, file) {
  loading[name] ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = new URL(`vendor/${file}`, import.meta.url);
    script.onload = () => resolve(window[name]);
    script.onerror = () => {
      delete loading[name];
      reject(new Error(`${file} did not load`));
    };
    document.head.append(script);
  });
  return loading[name];
}

const loading = {};
