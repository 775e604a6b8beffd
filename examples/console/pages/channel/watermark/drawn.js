// The watermark of a draft as the platform draws it: asked for when the operator pauses, and nothing of it is stored.

import { call, channelPath } from '../../../parts/api.js';
import { fieldSentence } from '../../../parts/form.js';
import { useEffect, useState } from '../../../parts/ui.js';

/// The fields that say what is drawn.
export const DRAWN = [
  'isWaterMark', 'WaterMarkText', 'WaterMarkFontSize', 'WaterMarkFontColor', 'isImageWaterMark', 'ImageURL', 'ImageWidth',
  'ImageHeight', 'WaterMarkLeft', 'WaterMarkTop',
];
const PAUSE_MS = 300;
/// What the platform says that cannot draw previews, as this release's older ones cannot.
const UNABLE = [404, 405, 501];
const NOTHING = { url: null, offset: null, problem: null, errors: {}, isRough: false, loading: false };

/// Answers `{ url, offset: [left, top], problem, errors, isRough, loading }`: a PNG, and where it lies from the place that is
/// set. `isRough`: this platform draws no previews.
export function useDrawn(id, values, { width, height }) {
  const [state, setState] = useState(NOTHING);
  const isOn = values.isWaterMark || values.isImageWaterMark;
  const wanted = isOn && width ? JSON.stringify({ values, width, height }) : null;
  useEffect(() => {
    if (!wanted) {
      setState(NOTHING);
      return undefined;
    }
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    const timer = setTimeout(() => {
      draw(id, values, width, height, abort.signal).then(
        (drawn) => abort.signal.aborted || setState({ ...NOTHING, ...drawn }),
        (problem) => abort.signal.aborted || setState(failed(problem)),
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [id, wanted]);
  // The old picture is let go when the next is shown.
  useEffect(() => () => state.url && URL.revokeObjectURL(state.url), [state.url]);
  return state;
}

async function draw(id, values, width, height, signal) {
  const path = channelPath(id, `/watermark?width=${width}&height=${height}`);
  const { data, headers } = await call('POST', path, { body: values, signal });
  if (!data) return {};
  const at = (name) => Number(headers.get(name)) || 0;
  const offset = [at('x-watermark-left') - Number(values.WaterMarkLeft), at('x-watermark-top') - Number(values.WaterMarkTop)];
  return { url: URL.createObjectURL(data), offset };
}

function failed(problem) {
  if (UNABLE.includes(problem.status)) return { ...NOTHING, isRough: true };
  return { ...NOTHING, problem, errors: problem.field ? { [problem.field]: fieldSentence(problem) } : {} };
}
