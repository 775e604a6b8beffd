// Codecs in the words of people: `avc1.64001f` (RFC 6381) is H.264 High 3.1.

const AVC = { 66: 'Baseline', 77: 'Main', 88: 'Extended', 100: 'High', 110: 'High 10', 122: 'High 4:2:2', 244: 'High 4:4:4' };
const HEVC = { 1: 'Main', 2: 'Main 10', 3: 'Main Still', 4: 'Range Extensions' };
const AV1 = ['Main', 'High', 'Professional'];
const NAMES = {
  'mp4a.40.2': 'AAC-LC', 'mp4a.40.5': 'HE-AAC', 'mp4a.40.29': 'HE-AAC v2', 'mp4a.40.34': 'MP3', 'mp4a.6b': 'MP3', 'mp4a.69': 'MP3',
  opus: 'Opus', flac: 'FLAC', 'ac-3': 'Dolby Digital (AC-3)', 'ec-3': 'Dolby Digital Plus (E-AC-3)', vp8: 'VP8', vp08: 'VP8',
};

/// What people call the codec; what is not known stays as it is.
export function codecName(text) {
  const [kind, ...rest] = text.split('.');
  switch (kind.toLowerCase()) {
    case 'avc1':
    case 'avc3':
      return h264(rest[0] ?? '');
    case 'hvc1':
    case 'hev1':
      return words('H.265 (HEVC)', HEVC[(rest[0] ?? '').replace(/^[A-C]/i, '')], hevcLevel(rest[2]));
    case 'av01':
      return words('AV1', AV1[Number(rest[0])]);
    case 'vp09':
      return words('VP9', rest[0] && `profile ${Number(rest[0])}`);
    default:
      return NAMES[text.toLowerCase()] ?? text;
  }
}

function h264(bytes) {
  const [profile, , level] = (bytes.match(/../g) ?? []).map((two) => parseInt(two, 16));
  return words('H.264', AVC[profile], level && (level / 10).toFixed(1));
}

function hevcLevel(text) {
  const level = Number(/^[LH](\d+)$/.exec(text ?? '')?.[1]);
  return level ? (level / 30).toFixed(1) : null;
}

function words(...parts) {
  return parts.filter(Boolean).join(' ');
}
