//! Text as pixels: shaped with the fonts of the machine, drawn as it is written.

use std::collections::BTreeSet;

use cosmic_text::fontdb::{Database, Query};
use cosmic_text::{
    Attrs, Buffer, Family, FontSystem, LayoutGlyph, LayoutRun, Metrics, Shaping, SwashCache,
    SwashContent, SwashImage, Wrap,
};
use image::{Rgba, RgbaImage};
use lsv_core::hub::WatermarkText;

use super::area::Area;
use super::{Config, Error};

/// What writes: the fonts of the machine. Loading them takes some tenths of a second, so it is done once.
pub(super) struct Pen {
    fonts: FontSystem,
    family: String,
    glyphs: SwashCache,
}

impl Pen {
    /// Loads the fonts in `config.fonts`, or those of the machine.
    pub(super) fn load(config: &Config) -> Result<Self, Error> {
        let mut found = Database::new();
        match config.fonts.as_slice() {
            [] => found.load_system_fonts(),
            folders => folders
                .iter()
                .for_each(|folder| found.load_fonts_dir(folder)),
        }
        let family = default_family(&found).ok_or(Error::NoFonts)?;
        Ok(Self {
            fonts: FontSystem::new_with_locale_and_db(LOCALE.to_owned(), found),
            family,
            glyphs: SwashCache::new(),
        })
    }

    /// Writes `text` from the top left corner `at` on, and keeps what lies in `room`.
    pub(super) fn write(&mut self, text: &WatermarkText, at: (i32, i32), room: Area) -> Written {
        let size = text.size as f32;
        let mut buffer = Buffer::new_empty(Metrics::relative(size, LINE_HEIGHT));
        let attributes = Attrs::new().family(Family::Name(&self.family));
        buffer.set_wrap(Wrap::None);
        buffer.set_text(&drawable(&text.text), &attributes, Shaping::Advanced, None);
        buffer.shape_until_scroll(&mut self.fonts, false);

        let mut written = Written::new(text.color.rgb());
        for run in buffer.layout_runs() {
            for glyph in run.glyphs {
                written.note_missing(&run, glyph);
                let place = glyph.physical((0.0, run.line_y), 1.0);
                let Some(image) = self
                    .glyphs
                    .get_image_uncached(&mut self.fonts, place.cache_key)
                else {
                    continue;
                };
                let left = at.0.saturating_add(place.x + image.placement.left);
                let top = at.1.saturating_add(place.y - image.placement.top);
                written.keep(Glyph { left, top, image }, room);
            }
        }
        written
    }
}

/// A text that is shaped and ready to be drawn.
pub(super) struct Written {
    glyphs: Vec<Glyph>,
    color: [u8; 3],
    /// Characters that no font has.
    pub(super) missing: BTreeSet<char>,
    /// It goes on beyond the right or lower edge of the room that it had.
    pub(super) is_cut: bool,
}

struct Glyph {
    left: i32,
    top: i32,
    image: SwashImage,
}

impl Written {
    fn new(color: [u8; 3]) -> Self {
        Self {
            glyphs: Vec::new(),
            color,
            missing: BTreeSet::new(),
            is_cut: false,
        }
    }

    fn note_missing(&mut self, run: &LayoutRun<'_>, glyph: &LayoutGlyph) {
        if glyph.glyph_id == 0 {
            let cluster = run.text.get(glyph.start..glyph.end).unwrap_or_default();
            self.missing.extend(cluster.chars());
        }
    }

    fn keep(&mut self, glyph: Glyph, room: Area) {
        let area = glyph.area();
        self.is_cut |= area.overruns(room);
        if area.within(room).is_some() {
            self.glyphs.push(glyph);
        }
    }

    /// What it covers.
    pub(super) fn area(&self) -> Option<Area> {
        self.glyphs.iter().map(Glyph::area).reduce(Area::with)
    }

    /// Draws it over what is on `canvas`, whose top left corner is that of `area`.
    pub(super) fn draw(&self, canvas: &mut RgbaImage, area: Area) {
        for glyph in &self.glyphs {
            glyph.draw(canvas, area, self.color);
        }
    }
}

impl Glyph {
    fn area(&self) -> Area {
        let placement = self.image.placement;
        Area::new(self.left, self.top, placement.width, placement.height)
    }

    fn draw(&self, canvas: &mut RgbaImage, area: Area, [red, green, blue]: [u8; 3]) {
        let placement = self.image.placement;
        let pixels = self.image.data.chunks_exact(match self.image.content {
            SwashContent::Mask => 1,
            SwashContent::Color | SwashContent::SubpixelMask => 4,
        });
        let places = (0..placement.height).flat_map(|y| (0..placement.width).map(move |x| (x, y)));
        for ((x, y), pixel) in places.zip(pixels) {
            let color = match *pixel {
                [alpha] => Rgba([red, green, blue, alpha]),
                [red, green, blue, alpha] => Rgba([red, green, blue, alpha]),
                _ => continue,
            };
            let at = |start: i32, offset: u32, origin: i32| {
                u32::try_from(i64::from(start) + i64::from(offset) - i64::from(origin)).ok()
            };
            let place = at(self.left, x, area.left).zip(at(self.top, y, area.top));
            if let Some(under) = place.and_then(|(x, y)| canvas.get_pixel_mut_checked(x, y)) {
                *under = over(color, *under);
            }
        }
    }
}

/// `color` laid over `under`, the alpha of neither multiplied in.
fn over(color: Rgba<u8>, under: Rgba<u8>) -> Rgba<u8> {
    let [red, green, blue, alpha] = color.0.map(u32::from);
    let [under_red, under_green, under_blue, under_alpha] = under.0.map(u32::from);
    // Shares of 255 * 255.
    let (share, under_share) = (alpha * 255, under_alpha * (255 - alpha));
    let whole = share + under_share;
    let mixed = |color: u32, under: u32| {
        let sum = color * share + under * under_share + whole / 2;
        sum.checked_div(whole).unwrap_or_default() as u8
    };
    Rgba([
        mixed(red, under_red),
        mixed(green, under_green),
        mixed(blue, under_blue),
        ((whole + 127) / 255) as u8,
    ])
}

/// What to tell of characters that no font has: which, and what to install.
pub(super) fn warning_of_missing(missing: &BTreeSet<char>) -> Option<String> {
    missing.first()?;
    let named = |character: &char| format!("{character} (U+{:04X})", u32::from(*character));
    let shown: Vec<String> = missing.iter().take(MAX_SHOWN).map(named).collect();
    let more = match missing.len() {
        ..=MAX_SHOWN => String::new(),
        count => format!(" and {} more", count - MAX_SHOWN),
    };
    let packages: BTreeSet<_> = missing
        .iter()
        .map(|&missing| package_with(missing))
        .collect();
    let packages: Vec<_> = packages.into_iter().collect();
    Some(format!(
        "no font on this machine has {}{more} of the watermark's text, so there are boxes in their places; install fonts \
         that do and start again, on Debian {}",
        shown.join(", "),
        packages.join(", ")
    ))
}

/// The package of Debian that most likely has letters for `missing`.
fn package_with(missing: char) -> &'static str {
    match u32::from(missing) {
        0x1100..=0x11FF | 0x2E80..=0xA4CF | 0xAC00..=0xD7FF | 0xF900..=0xFAFF => CJK,
        0xFE30..=0xFE4F | 0xFF00..=0xFFEF | 0x2_0000..=0x3_FFFF => CJK,
        0x1_F000..=0x1_FBFF => "fonts-noto-color-emoji",
        _ => "fonts-noto-core",
    }
}

/// What of `text` is drawn: its beginning, without control characters but line breaks and tabs.
fn drawable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let shown = |character: &char| !character.is_control() || matches!(character, '\n' | '\t');
    text.chars().filter(shown).take(MAX_CHARS).collect()
}

/// The family of the first font of [`FAMILIES`] that is there, or of any other.
fn default_family(fonts: &Database) -> Option<String> {
    let mut wanted = FAMILIES.iter().map(|name| Family::Name(name));
    let found = wanted.find_map(|family| {
        fonts.query(&Query {
            families: &[family],
            ..Query::default()
        })
    });
    let is_emoji = |face: &&cosmic_text::fontdb::FaceInfo| face.post_script_name.contains("Emoji");
    let face = match found {
        Some(id) => fonts.face(id),
        None => fonts
            .faces()
            .find(|face| !is_emoji(face))
            .or_else(|| fonts.faces().next()),
    };
    let (name, _) = face?.families.first()?;
    Some(name.clone())
}

/// Fonts for all that they have letters for, the ones with the most first; all others help out.
const FAMILIES: &[&str] = &[
    "DejaVu Sans",
    "Noto Sans",
    "Open Sans",
    "Liberation Sans",
    "Arimo",
    "Arial",
];
/// Ideographs look as in China where a font has them for several countries.
const LOCALE: &str = "zh-CN";
/// From one line to the next, in sizes of the font.
const LINE_HEIGHT: f32 = 1.2;
/// What has all of Chinese, Japanese and Korean. The smaller fonts-wqy-microhei has what is common.
const CJK: &str = "fonts-noto-cjk";
/// How many missing characters are named.
const MAX_SHOWN: usize = 8;
/// Longest text: as much as the channel record takes.
const MAX_CHARS: usize = 256;

#[cfg(test)]
mod tests;
