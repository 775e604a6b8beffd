//! The renditions of a node as operators write them: `360p=640x360:400:64,720p=1280x720:1500:128`, each with the box that its
//! picture fits and the kilobits a second of its pictures and its sound.

use anyhow::{Context, bail};
use lsv_core::path::Rendition;
use lsv_mux::process::plan::{Ladder, Rung};

/// Reads the renditions that differ from the platform's templates.
///
/// # Errors
/// Names the rendition that cannot be read.
pub fn parse(text: &str) -> anyhow::Result<Ladder> {
    let mut ladder = Ladder::default();
    for entry in text.split(',').map(str::trim) {
        let rung = rung(entry).with_context(|| {
            format!("ladder lists renditions like 360p=640x360:400:64, not {entry:?}")
        })?;
        match ladder
            .rungs
            .iter_mut()
            .find(|known| known.rendition == rung.rendition)
        {
            Some(known) => *known = rung,
            None => ladder.rungs.push(rung),
        }
    }
    Ok(ladder)
}

fn rung(entry: &str) -> anyhow::Result<Rung> {
    let (name, rest) = entry.split_once('=').context("there is no =")?;
    let rendition =
        Rendition::from_segment(name).context("the renditions are 360p, 480p, 720p and 1080p")?;
    let mut parts = rest.split(':');
    let (Some(size), Some(video), Some(audio), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        bail!("a size and two bit rates are needed");
    };
    let (width, height) = size.split_once('x').context("a size is like 640x360")?;
    Ok(Rung {
        rendition,
        width: number(width, 16..=8_192)?,
        height: number(height, 16..=8_192)?,
        video_kbit: number(video, 50..=100_000)?,
        audio_kbit: number(audio, 16..=512)?,
    })
}

fn number(text: &str, range: std::ops::RangeInclusive<u32>) -> anyhow::Result<u32> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.with_context(|| format!("{text:?} is not {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_differs_and_the_rest_stays() {
        let ladder = parse("720p=1280x720:2500:96").unwrap();
        let rates = |ladder: &Ladder| {
            ladder
                .rungs
                .iter()
                .map(|it| it.video_kbit)
                .collect::<Vec<_>>()
        };
        assert_eq!(rates(&ladder), [400, 600, 2_500, 2_000]);
        assert_eq!(
            parse("360p=640x360:400:64, 480p=854x480:600:64").unwrap(),
            Ladder::default()
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for bad in [
            "",
            "360p",
            "240p=426x240:300:64",
            "360p=640:400:64",
            "360p=640x360:400",
            "360p=640x360:400:64:1",
            "360p=0x360:400:64",
            "360p=640x360:-400:64",
            "360p=640x360:400:64,",
        ] {
            let error = format!("{:#}", parse(bad).unwrap_err());
            assert!(
                error.starts_with("ladder lists renditions"),
                "{bad:?}: {error}"
            );
        }
    }
}
