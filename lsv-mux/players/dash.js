// DASH, by Shaka Player.

import { library } from './player.js';

/// How far behind live to stay: seconds since the picture on screen was made, by the server's clock.
const LATENCY = 1.8;
/// How near to what the server has got playback may come at all.
const DELAY = 0.9;
/// So far off, playback goes faster or slower until it is right again.
const TOLERANCE = 0.1;
const load = () => library('shaka', 'shaka-player.dash-es2021.js');

export async function supported() {
  const shaka = await load();
  shaka.polyfill.installAll();
  return shaka.Player.isBrowserSupported();
}

/// Plays `url` in `video`; calls `ended` with a reason once when it is over.
export function open(video, url, ended, clock) {
  const { shaka } = window;
  const player = new shaka.Player();
  const failed = (error) => ended(`shaka ${error?.code ?? error}`);
  const over = () => ended('the stream ended');
  player.configure({
    manifest: {
      // Instead of the manifest's word for players that fetch whole segments.
      defaultPresentationDelay: DELAY,
      dash: {
        ignoreSuggestedPresentationDelay: true,
        // The manifest lists the segment that grows, with its end in the future: live is by the clock.
        autoCorrectDrift: false,
      },
    },
    streaming: {
      lowLatencyMode: true,
      rebufferingGoal: 0.2,
      bufferBehind: 30,
      liveSync: {
        enabled: true,
        targetLatency: LATENCY - DELAY,
        targetLatencyTolerance: TOLERANCE,
        maxPlaybackRate: 1.1,
        minPlaybackRate: 0.96,
      },
    },
  });
  player.addEventListener('error', (event) => {
    if (event.detail?.severity === shaka.util.Error.Severity.CRITICAL) failed(event.detail);
  });
  video.addEventListener('ended', over);
  player
    .attach(video)
    .then(() => player.load(url))
    // A stream that is over stays to be fetched for a while: it is played to its end, and not begun again.
    .then(() => player.isLive() || over())
    .catch((error) => {
      // Interrupted: closed before it was loaded.
      if (error?.code !== shaka.util.Error.Code.LOAD_INTERRUPTED) failed(error);
    });
  // By availabilityStartTime: since the picture on screen was made.
  const latency = () => (player.isLive() ? clock.since(player.getPlayheadTimeAsDate()) : null);
  // Shaka counts from an edge that moves away from live with the longest segment it has ever seen.
  const aim = setInterval(() => {
    const behind = latency();
    if (behind === null || video.paused) return;
    const target = LATENCY - (behind - (player.seekRange().end - video.currentTime));
    player.configure('streaming.liveSync.targetLatency', Math.max(target, TOLERANCE));
  }, 1000);
  // One track for each size of pictures, the smallest first.
  const tracks = () => player.getVariantTracks().sort((one, other) => one.height - other.height);
  const late = () => (player.isLive() ? latency() - LATENCY : 0);
  return {
    latency,
    late,
    jumpToLive() {
      video.currentTime += Math.max(0, late());
    },
    qualities: () => tracks().map(({ height }) => height ?? 0),
    choose(index) {
      player.configure('abr.enabled', index < 0);
      if (index >= 0) player.selectVariantTrack(tracks()[index]);
    },
    stalled: () => player.isLive() || over(),
    async close() {
      clearInterval(aim);
      video.removeEventListener('ended', over);
      await player.destroy();
      video.playbackRate = 1;
    },
  };
}
