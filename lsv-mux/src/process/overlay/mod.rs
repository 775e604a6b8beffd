//! Watermarks: text and picture of a channel as one picture with transparency, for ffmpeg to lay over its own.
//!
//! ```text
//! Watermark ─┬─ picture: kept | fetched ─> checked ─> decoded, resized ─┐
//!            └─ text: fonts of the machine ─> glyphs ───────────────────┴─> PNG and its place
//! ```
//!
//! ffmpeg gets pixels: nothing that an operator typed reaches its filters, and it fetches nothing. Text and picture have
//! the same top left corner; the text lies over the picture, so that a picture can be the text's background. What lies
//! beyond the source's picture is cut off.
//!
//! Previews, which anybody with the API's token can ask for, are drawn by the same code: a few at once, and the rest is refused.
//! Permits to draw are given in turn, so a real watermark waits for those few at most; and previews have
//! pictures of their own, so that they push out none that an encoder may need again.

mod area;
mod cache;
mod error;
mod fetch;
mod picture;
mod sheet;
mod target;
mod text;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use lsv_core::hub::Watermark;
use lsv_core::ports::{NoPreview, Preview, Unusable, Watermarks};
use lsv_core::reach::Reach;
use tokio::sync::Semaphore;

use self::cache::Cache;
use self::fetch::Fetcher;
use self::sheet::Sheet;
use self::text::Pen;

pub use self::error::{Error, PictureError};

/// Where fonts and pictures come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// What may be connected to for a picture. [`Reach::public`].
    pub reach: Reach,
    /// Whom to trust over `https`, with the provider of the cryptography. Without it, `https://` addresses are refused.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Folders whose fonts are used in the place of the machine's. None.
    pub fonts: Vec<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            reach: Reach::public(),
            tls: None,
            fonts: Vec::new(),
        }
    }
}

/// Draws watermarks. Clones share fonts and pictures.
#[derive(Clone)]
pub struct Overlays {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    fetcher: Fetcher,
    /// Those of channels.
    pictures: Mutex<Cache>,
    /// Those of previews.
    tried: Mutex<Cache>,
    /// Loaded when there is something to write. Away while it writes.
    pen: Mutex<Option<Pen>>,
    fetching: Semaphore,
    drawing: Arc<Semaphore>,
    previews: Semaphore,
    previewing: Semaphore,
}

/// A watermark as it lies over the picture of its source.
#[derive(Debug)]
#[non_exhaustive]
pub struct Overlay {
    /// A PNG in RGBA, 8 bits a channel, the alpha not multiplied in.
    pub png: Bytes,
    /// From the left of the source's picture; even.
    pub left: u32,
    /// From the top of the source's picture; even.
    pub top: u32,
    /// Width of the PNG; even.
    pub width: u32,
    /// Height of the PNG; even.
    pub height: u32,
    /// What the operator should know of it, a sentence each.
    pub warnings: Vec<String>,
    /// Whether nothing of it is seen: it says nothing, or lies beside the source's picture.
    pub is_blank: bool,
    /// Why one of text and picture is missing in it. Drawing it again may mend that where [`Error::may_pass`].
    pub failed: Option<Error>,
}

impl Overlays {
    /// Reads no font and fetches nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            shared: Arc::new(Shared {
                fetcher: Fetcher::new(&config),
                config,
                pictures: Mutex::default(),
                tried: Mutex::default(),
                pen: Mutex::default(),
                fetching: Semaphore::new(MAX_FETCHING),
                drawing: Arc::new(Semaphore::new(MAX_DRAWING)),
                previews: Semaphore::new(MAX_PREVIEWS),
                previewing: Semaphore::new(MAX_PREVIEWING),
            }),
        }
    }

    /// Draws `watermark` for a picture of `size`, width and height. Takes up to ten seconds where a picture must be
    /// fetched, else some tenths of one.
    ///
    /// # Errors
    /// What kept it, if nothing at all can be drawn.
    pub async fn render(&self, watermark: &Watermark, size: (u32, u32)) -> Result<Overlay, Error> {
        self.drawn(watermark, size, &self.shared.pictures).await
    }

    /// Draws `watermark` with the pictures that are in `kept`, and keeps those there that are fetched.
    async fn drawn(
        &self,
        watermark: &Watermark,
        size: (u32, u32),
        kept: &Mutex<Cache>,
    ) -> Result<Overlay, Error> {
        let mut sheet = Sheet::new(watermark, size);
        let picture = match &watermark.picture {
            Some(picture) => self.picture(&picture.url, &mut sheet, kept).await,
            None => None,
        };
        let (shared, watermark) = (Arc::clone(&self.shared), watermark.clone());
        self.blocking(move || shared.draw(sheet, &watermark, picture))
            .await?
    }

    /// A picture as it is kept, fetched where that is too old, or whatever its age where nobody has it any more.
    async fn picture(&self, url: &str, sheet: &mut Sheet, kept: &Mutex<Cache>) -> Option<Bytes> {
        if let Some(picture) = lock(kept).fresh(url, Instant::now()) {
            return Some(picture);
        }
        let error = match self.fetch(url, kept).await {
            Ok(bytes) => return Some(bytes),
            Err(error) => error,
        };
        let kept = lock(kept).any(url);
        match kept {
            Some(_) => sheet.warnings.push(format!(
                "`ImageURL` {error}; the picture from before is drawn"
            )),
            None => sheet.failed = Some(error.into()),
        }
        kept
    }

    /// Fetches a picture and keeps it, if it is one by its header.
    async fn fetch(&self, url: &str, kept: &Mutex<Cache>) -> Result<Bytes, PictureError> {
        let _permit = self.shared.fetching.acquire().await;
        let bytes = self.shared.fetcher.fetch(url).await?;
        picture::check(&bytes)?;
        lock(kept).keep(url, bytes.clone(), Instant::now());
        Ok(bytes)
    }

    /// Runs what takes processor time and memory beside the tasks of the runtime, and not too much of it at once.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.shared.drawing).acquire_owned().await;
        // Who asked may go away; the work goes on to its end, and so does its share.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await
            .map_err(|error| Error::Drawing(error.to_string()))
    }
}

#[async_trait]
impl Watermarks for Overlays {
    /// Fetches it anew and decodes it.
    async fn check(&self, url: &str) -> Result<(), Unusable> {
        let bytes = self.fetch(url, &self.shared.pictures).await;
        let bytes = bytes.map_err(unusable)?;
        let decoded = self
            .blocking(move || picture::decode(&bytes).map(drop))
            .await;
        decoded
            .unwrap_or(Err(PictureError::Unchecked))
            .map_err(unusable)
    }

    /// Draws it as [`Overlays::render`] does, and fetches nothing that a preview fetched lately.
    async fn preview(
        &self,
        watermark: &Watermark,
        size: (u32, u32),
    ) -> Result<Option<Preview>, NoPreview> {
        let shared = &self.shared;
        let _place = shared.previews.try_acquire().map_err(|_| NoPreview::Busy)?;
        let _turn = shared.previewing.acquire().await;
        let overlay = self.drawn(watermark, size, &shared.tried).await;
        let Overlay {
            png,
            left,
            top,
            is_blank,
            failed,
            ..
        } = overlay.map_err(no_preview)?;
        match failed {
            Some(error) => Err(no_preview(error)),
            None => Ok((!is_blank).then_some(Preview { png, left, top })),
        }
    }
}

impl fmt::Debug for Overlays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlays")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn draw(
        &self,
        mut sheet: Sheet,
        watermark: &Watermark,
        picture: Option<Bytes>,
    ) -> Result<Overlay, Error> {
        if let Some((about, bytes)) = watermark.picture.as_ref().zip(picture) {
            sheet.place(about, &bytes);
        }
        if let Some(text) = &watermark.text {
            match self.with_pen(|pen| pen.write(text, sheet.at, sheet.room)) {
                Ok(written) => sheet.write(written),
                Err(error) => sheet.failed = Some(error),
            }
        }
        sheet.finish()
    }

    /// Lends the pen out. One that a panic broke does not come back, and the next call makes a new one.
    fn with_pen<T>(&self, work: impl FnOnce(&mut Pen) -> T) -> Result<T, Error> {
        let slot = || self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = slot().take();
        let mut pen = taken.map_or_else(|| Pen::load(&self.config), Ok)?;
        let done = work(&mut pen);
        *slot() = Some(pen);
        Ok(done)
    }
}

fn lock(pictures: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    pictures.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unusable(error: PictureError) -> Unusable {
    Unusable::new(error.to_string())
}

fn no_preview(error: Error) -> NoPreview {
    match error {
        Error::Picture(error) => unusable(error).into(),
        Error::NoFonts => NoPreview::NoFonts(error.to_string()),
        Error::Size { .. } => NoPreview::TooLarge(error.to_string()),
        Error::Drawing(_) => NoPreview::Failed(error.to_string()),
    }
}

/// How many pictures are fetched at once.
const MAX_FETCHING: usize = 4;
/// How many watermarks are drawn at once: each may take some 200 MiB for a moment, if its picture is that large.
const MAX_DRAWING: usize = 1;
/// How many previews are worked on at once: one may wait for a slow host of a picture while another is drawn. Fewer than
/// pictures are fetched at once, so that a real watermark always gets at its own.
const MAX_PREVIEWING: usize = 2;
/// How many previews are worked on or wait. What comes beyond these is refused, and may be asked for again.
const MAX_PREVIEWS: usize = 8;

#[cfg(test)]
mod tests;
