// FLV over HTTP or WebSocket, by mpegts.js.

import { bufferedAhead, library } from './player.js';

const load = () => library('mpegts', 'mpegts.js');

export async function supported() {
  return (await load()).getFeatureList().mseLivePlayback;
}

/// Plays `url` in `video`; calls `ended` with a reason once when it is over.
export function open(video, url, ended) {
  const { mpegts } = window;
  mpegts.LoggingControl.enableAll = false;
  const player = mpegts.createPlayer(
    { type: 'flv', isLive: true, url },
    {
      enableWorker: true,
      enableStashBuffer: false,
      lazyLoad: false,
      autoCleanupSourceBuffer: true,
      autoCleanupMaxBackwardDuration: 30,
      autoCleanupMinBackwardDuration: 10,
      // Far behind: jump. A little behind: play faster.
      liveBufferLatencyChasing: true,
      liveBufferLatencyMaxLatency: 2,
      liveBufferLatencyMinRemain: 0.5,
      liveSync: true,
      liveSyncMaxLatency: 1,
      liveSyncTargetLatency: 0.6,
      liveSyncPlaybackRate: 1.1,
    },
  );
  player.on(mpegts.Events.ERROR, (type, detail) => ended(`${type}: ${detail}`));
  player.on(mpegts.Events.LOADING_COMPLETE, () => ended('the stream ended'));
  player.attachMediaElement(video);
  player.load();
  return {
    // FLV carries no wall clock: this is the distance to the newest picture that has arrived.
    latency: () => bufferedAhead(video),
    jumpToLive: () => jump(video),
    // A break of the timeline leaves a hole that no data will fill.
    stalled() {
      const { buffered } = video;
      for (let at = 0; at < buffered.length; at += 1) {
        if (buffered.start(at) > video.currentTime) {
          video.currentTime = buffered.start(at) + 0.05;
          return;
        }
      }
    },
    close() {
      player.destroy();
      video.playbackRate = 1;
    },
  };
}

function jump(video) {
  const { buffered } = video;
  if (buffered.length > 0) video.currentTime = Math.max(video.currentTime, buffered.end(buffered.length - 1) - 0.5);
}
