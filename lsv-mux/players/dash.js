// DASH, by Shaka Player.

import { library } from './player.js';

/// In seconds; playback settles half a second behind that.
const DELAY = 1.3;
const load = () => library('shaka', 'shaka-player.dash-es2021.js');

export async function supported() {
  const shaka = await load();
  shaka.polyfill.installAll();
  return shaka.Player.isBrowserSupported();
}

/// Plays `url` in `video`; calls `ended` with a reason once when it is over.
export function open(video, url, ended) {
  const { shaka } = window;
  const player = new shaka.Player();
  const failed = (error) => ended(`shaka ${error?.code ?? error}`);
  const over = () => ended('the stream ended');
  player.configure({
    manifest: {
      // How far behind what the server has got to stay, instead of the manifest's word for players that fetch whole
      // segments.
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
      liveSync: { enabled: true, targetLatency: 0.5, targetLatencyTolerance: 0.4, maxPlaybackRate: 1.1, minPlaybackRate: 0.96 },
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
  return {
    // By availabilityStartTime: since the picture on screen was made.
    latency: (clock) => (player.isLive() ? clock.since(player.getPlayheadTimeAsDate()) : null),
    stalled: () => player.isLive() || over(),
    jumpToLive: () => player.isLive() && player.goToLive(),
    async close() {
      video.removeEventListener('ended', over);
      await player.destroy();
      video.playbackRate = 1;
    },
  };
}
