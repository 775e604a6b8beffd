// Watermark: a text and a picture in the picture, set up over the newest snapshot of the channel and placed by hand.

import { DraftForm, Field, useDraft } from '../../parts/form.js';
import { Warnings } from '../../parts/tasks.js';
import { html } from '../../parts/ui.js';
import { know, t } from '../../parts/words.js';
import { DRAWN, useDrawn } from './watermark/drawn.js';
import { Stage, useSource } from './watermark/stage.js';

know({
  'watermark.text': ['Text', '文字水印'],
  'watermark.picture': ['Picture', '图片水印'],
  'watermark.place': ['Position', '位置'],
  'watermark.placeText': ['Text and picture share one place: pixels of the source, from its top left corner.', '文字和图片使用同一位置：以源画面左上角为原点的像素。'],
  'watermark.look': ['How it will look', '效果预览'],
  'watermark.cost': [
    'A watermark is drawn into the picture. So the source is encoded again, which takes processor time for as long as the channel is live; without one it goes out as it came in. Whatever is watched, recorded or relayed shows it.',
    '水印会绘制到画面中，因此源流需要重新编码，直播期间会占用 CPU；不加水印时源流原样输出。直播输出、录像和转推都会带上水印。',
  ],
  'field.isWaterMark': ['Draw a text', '显示文字'],
  'field.WaterMarkText': ['Text', '文字'],
  'help.WaterMarkText': ['Up to 256 characters of any language, in one line or several.', '最多 256 个字符，支持任何语言，可以换行。'],
  'field.WaterMarkFontSize': ['Size (pixels)', '字号（像素）'],
  'help.WaterMarkFontSize': ['4 to 512.', '4 到 512。'],
  'field.WaterMarkFontColor': ['Colour', '颜色'],
  'help.WaterMarkFontColor': ['A name such as white, or #rrggbb.', '颜色名称（如 white）或 #rrggbb。'],
  'field.isImageWaterMark': ['Draw a picture', '显示图片'],
  'field.ImageURL': ['Address of the picture', '图片地址'],
  'help.ImageURL': ['A PNG, JPEG, WebP or GIF of up to 8 MiB at http:// or https://, where the platform can reach it. Transparency is kept.', '平台可访问的 http:// 或 https:// 地址，PNG、JPEG、WebP 或 GIF，最大 8 MiB，保留透明度。'],
  'field.ImageWidth': ['Width (pixels)', '宽度（像素）'],
  'field.ImageHeight': ['Height (pixels)', '高度（像素）'],
  'field.WaterMarkLeft': ['From the left (pixels)', '距左侧（像素）'],
  'field.WaterMarkTop': ['From the top (pixels)', '距顶部（像素）'],
});

export function Watermark({ record, etag, saved, session }) {
  const draft = useDraft({ record, etag, saved });
  const source = useSource(record.id, session);
  const values = Object.fromEntries(DRAWN.map((name) => [name, draft.value(name)]));
  const drawn = useDrawn(record.id, values, source);
  // What the preview found wrong is said at its field, as what saving found is.
  const refused = drawn.problem?.field ? drawn.errors : {};
  const form = { ...draft, errors: { ...refused, ...present(draft.errors) } };
  const isMarked = (record.isWaterMark || record.isImageWaterMark) && draft.dirty;
  const place = (left, top) => {
    draft.set('WaterMarkLeft', left);
    draft.set('WaterMarkTop', top);
  };
  return html`<${DraftForm} draft=${form}>
    <p class="quiet">${t('watermark.cost')}</p>
    <${Warnings} session=${session} topics=${['watermark', 'ffmpeg', 'encoderSpeed']} />
    <div class="split watermark">
      <section class="card look">
        <h2>${t('watermark.look')}</h2>
        <${Stage} source=${source} values=${values} drawn=${drawn} place=${place} isMarked=${isMarked} />
      </section>
      <div class="stack">
        <section class="card">
          <h2>${t('watermark.text')}</h2>
          <${Field} draft=${form} name="isWaterMark" />
          <${Field} draft=${form} name="WaterMarkText" as="area" />
          <div class="pair">
            <${Field} draft=${form} name="WaterMarkFontSize" />
            <${Field} draft=${form} name="WaterMarkFontColor" as="colour" />
          </div>
        </section>
        <section class="card">
          <h2>${t('watermark.picture')}</h2>
          <${Field} draft=${form} name="isImageWaterMark" />
          <${Field} draft=${form} name="ImageURL" />
          <div class="pair"><${Field} draft=${form} name="ImageWidth" /><${Field} draft=${form} name="ImageHeight" /></div>
        </section>
        <section class="card">
          <h2>${t('watermark.place')}</h2>
          <p class="quiet">${t('watermark.placeText')}</p>
          <div class="pair"><${Field} draft=${form} name="WaterMarkLeft" /><${Field} draft=${form} name="WaterMarkTop" /></div>
        </section>
      </div>
    </div>
  </${DraftForm}>`;
}

function present(errors) {
  return Object.fromEntries(Object.entries(errors).filter(([, error]) => error));
}
