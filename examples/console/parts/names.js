// What channels are called, for people.

/// A channel's name; its id where it has none.
export function nameOf({ id, videoname }) {
  return videoname.trim() || id;
}

/// A name inside a sentence: its direction of writing stays its own.
export function inSentence(text) {
  return `\u2068${text}\u2069`;
}
