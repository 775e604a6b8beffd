// HLS, low-latency or not, by hls.js or by the browser itself.

import { library } from './player.js';

const HLS = 'application/vnd.apple.mpegurl';
/// So many seconds behind where it should be, playback jumps instead of playing faster.
const TOO_FAR_BEHIND = 6;
const load = () => library('Hls', 'hls.min.js');

export async function supported(video) {
  return (await load()).isSupported() || video.canPlayType(HLS) !== '';
}

/// Plays `url` in `video`; calls `ended` with a reason once when it is over.
export function open(video, url, ended, clock) {
  return window.Hls.isSupported()
    ? openWithLibrary(window.Hls, video, url, ended, clock)
    : openNatively(video, url, ended, clock);
}

function openWithLibrary(Hls, video, url, ended, clock) {
  const hls = new Hls({
    enableWorker: true,
    lowLatencyMode: true,
    // How far behind to stay is said by the playlist: HOLD-BACK and PART-HOLD-BACK.
    maxLiveSyncPlaybackRate: 1.1,
    backBufferLength: 30,
    manifestLoadPolicy: once(10000),
    playlistLoadPolicy: retried(12000),
    fragLoadPolicy: retried(20000),
  });
  let recovered = false;
  hls.on(Hls.Events.ERROR, (_, { fatal, type, details }) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && !recovered) {
      recovered = true;
      hls.recoverMediaError();
    } else {
      ended(`${type}: ${details}`);
    }
  });
  // A stream that is over stays to be fetched for a while: it is played to its end, and not begun again.
  let over = false;
  let live = false;
  const finished = () => ended('the stream ended');
  hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => {
    over = !details.live;
    live ||= details.live;
    if (!live) finished();
  });
  video.addEventListener('ended', finished);
  const late = () => (hls.targetLatency ? hls.latency - hls.targetLatency : 0);
  const jumpToLive = () => {
    if (hls.liveSyncPosition) video.currentTime = Math.max(video.currentTime, hls.liveSyncPosition);
  };
  const chase = setInterval(() => {
    if (!video.paused && late() > TOO_FAR_BEHIND) jumpToLive();
  }, 1000);
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    // By EXT-X-PROGRAM-DATE-TIME: since the picture on screen reached the server.
    latency: () => clock.since(hls.playingDate) ?? (hls.latency || null),
    late,
    jumpToLive,
    qualities: () => hls.levels.map(({ height }) => height),
    choose(index) {
      hls.loadLevel = index;
    },
    stalled: () => over && finished(),
    close() {
      clearInterval(chase);
      video.removeEventListener('ended', finished);
      hls.destroy();
      video.playbackRate = 1;
    },
  };
}

function openNatively(video, url, ended, clock) {
  const failed = () => ended(`the browser's own player: ${video.error?.message || 'ended'}`);
  const opened = () => Number.isFinite(video.duration) && failed();
  video.addEventListener('error', failed);
  video.addEventListener('ended', failed);
  video.addEventListener('loadedmetadata', opened);
  video.src = url;
  return {
    latency() {
      const start = video.getStartDate?.();
      return start ? clock.since(new Date(start.getTime() + video.currentTime * 1000)) : null;
    },
    jumpToLive() {
      const { seekable } = video;
      if (seekable.length > 0) video.currentTime = seekable.end(seekable.length - 1);
    },
    close() {
      video.removeEventListener('error', failed);
      video.removeEventListener('ended', failed);
      video.removeEventListener('loadedmetadata', opened);
      video.removeAttribute('src');
      video.load();
    },
  };
}

// The page itself asks again when a channel is not there; what fails while playing is worth a few tries at once.
function once(timeout) {
  return policy(timeout, 0);
}

function retried(timeout) {
  return policy(timeout, 4);
}

function policy(timeout, tries) {
  const retry = tries > 0 ? { maxNumRetry: tries, retryDelayMs: 300, maxRetryDelayMs: 2000 } : null;
  return {
    default: { maxTimeToFirstByteMs: timeout, maxLoadTimeMs: timeout, timeoutRetry: retry, errorRetry: retry },
  };
}
