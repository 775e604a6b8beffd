//! The argument vector of an encoder: one decoder, then everything that a channel wants of its pictures.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use lsv_core::channel::Codec;

use crate::process::arguments::{Arguments, turn};
use crate::process::plan::{Encoding, KeyFrames, Output};

/// What beside the encoding makes a command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Circumstances<'a> {
    /// A picture that is laid over the source's, and where.
    pub(super) overlay: Option<Overlay<'a>>,
    /// Bits a second of the source, as far as known: what its picture with a watermark may take.
    pub(super) source_bit_rate: u64,
}

/// A picture in a file, and where it goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overlay<'a> {
    pub(super) file: &'a Path,
    pub(super) left: u32,
    pub(super) top: u32,
}

/// The argument vector of an encoder that writes to `addresses`, of which there are as many as it has [`outputs`].
pub(super) fn arguments(
    encoding: &Encoding,
    circumstances: &Circumstances<'_>,
    addresses: &[String],
) -> Vec<OsString> {
    let mut line = Arguments::new(encoding.log_level);
    // The decoder learns all it needs from the first pictures; more would be delay.
    line.option("-probesize", PROBE_BYTES)
        .option("-analyzeduration", PROBE_MICROS);
    line.threads(encoding.size).feed();
    if let Some(overlay) = &circumstances.overlay {
        line.picture(overlay.file);
    }
    line.option("-filter_complex", graph(encoding, circumstances));
    let mut addresses = addresses.iter();
    for (label, kbit) in pictures(encoding, circumstances) {
        put_pictures(&mut line, encoding, &label, kbit);
        line.fragments_to(addresses.next().map_or("pipe:1", String::as_str));
    }
    for kbit in encoding.sounds() {
        put_sound(&mut line, kbit);
        line.fragments_to(addresses.next().map_or("pipe:1", String::as_str));
    }
    line.into_vec()
}

/// How many outputs an encoder has: the program where there is one, the renditions, the sounds.
pub(super) fn outputs(encoding: &Encoding) -> Outputs {
    Outputs {
        pictures: usize::from(encoding.program.is_some()) + encoding.renditions.len(),
        sounds: encoding.sounds().len(),
    }
}

/// The outputs of an encoder, those with pictures first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outputs {
    pub(super) pictures: usize,
    pub(super) sounds: usize,
}

/// What the filters call each picture, with the kilobits a second that it gets.
fn pictures(encoding: &Encoding, circumstances: &Circumstances<'_>) -> Vec<(String, u64)> {
    let program = encoding.program.as_ref().map(|_| {
        let kbit = circumstances.source_bit_rate / 1_000;
        let kbit = kbit.clamp(*PROGRAM_KBIT.start(), *PROGRAM_KBIT.end());
        ("[program]".to_owned(), kbit)
    });
    let renditions = encoding.renditions.iter().enumerate();
    let renditions =
        renditions.map(|(index, output)| (format!("[v{index}]"), u64::from(output.video_kbit)));
    program.into_iter().chain(renditions).collect()
}

/// One decoded picture, with what is drawn into it, scaled for each output.
fn graph(encoding: &Encoding, circumstances: &Circumstances<'_>) -> String {
    let mut graph = String::from("[0:v:0]");
    if encoding.deinterlace {
        graph.push_str("bwdif=mode=send_frame:deint=interlaced,");
    }
    graph.push_str(turn(encoding.orientation));
    graph.push_str("format=yuv420p");
    if let Some(Overlay { left, top, .. }) = circumstances.overlay {
        put(
            &mut graph,
            format_args!(
                "[below];[below][1:v:0]overlay=x={left}:y={top}:format=yuv420:eof_action=repeat"
            ),
        );
    }
    let outputs = usize::from(encoding.program.is_some()) + encoding.renditions.len();
    put(&mut graph, format_args!(",split={outputs}"));
    let scaled = encoding.renditions.iter().enumerate();
    if encoding.program.is_some() {
        graph.push_str("[p]");
    }
    for (index, _) in scaled.clone() {
        put(&mut graph, format_args!("[s{index}]"));
    }
    if let Some(program) = &encoding.program {
        let (width, height) = (program.width, program.height);
        put(
            &mut graph,
            format_args!(";[p]scale={width}:{height}[program]"),
        );
    }
    for (index, Output { width, height, .. }) in scaled {
        put(
            &mut graph,
            format_args!(";[s{index}]scale={width}:{height}:flags=bicubic,setsar=1[v{index}]"),
        );
    }
    graph
}

fn put_pictures(line: &mut Arguments, encoding: &Encoding, label: &str, kbit: u64) {
    line.option("-map", label);
    line.option("-fps_mode", "passthrough")
        .option("-enc_time_base", "1:90000");
    match encoding.codec {
        Codec::X265 => {
            line.option("-c:v", "libx265")
                .option("-preset", "ultrafast")
                .option("-tag:v", "hvc1");
            line.option("-x265-params", X265);
        }
        _ => {
            line.option("-c:v", "libx264")
                .option("-preset", "veryfast")
                .option("-sc_threshold", "0");
        }
    }
    line.option("-tune", "zerolatency")
        .option("-bf", "0")
        .option("-g", NO_KEY_FRAMES_OF_ITS_OWN)
        .option("-forced-idr", "1");
    line.option("-force_key_frames", key_frames(encoding.key_frames));
    line.threads(encoding.size);
    line.option("-b:v", format!("{kbit}k"))
        .option("-maxrate", format!("{}k", kbit + kbit / 8))
        .option("-bufsize", format!("{}k", kbit * 2));
}

/// Holes become silence, so that sound stays with its pictures.
fn put_sound(line: &mut Arguments, kbit: u32) {
    line.option("-map", "0:a:0").option("-c:a", "aac");
    line.option("-b:a", format!("{kbit}k"))
        .option("-ac", "2")
        .option("-af", "aresample=async=1000");
}

fn key_frames(where_to: KeyFrames) -> String {
    match where_to {
        KeyFrames::Source => "source".to_owned(),
        // On the feed's own clock, so that all encoders of a source have them at the same pictures.
        KeyFrames::Every(interval) => {
            let seconds = interval.as_secs_f64();
            format!(
                "expr:isnan(prev_forced_t)+gt(floor(t/{seconds}),floor(prev_forced_t/{seconds}))"
            )
        }
    }
}

/// Appends formatted text. Writing to a string cannot fail.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok());
}

const PROBE_BYTES: &str = "1000000";
const PROBE_MICROS: &str = "200000";

/// Longer than anybody waits: key frames are where they are asked for.
const NO_KEY_FRAMES_OF_ITS_OWN: &str = "1000000";

/// Key frames only where asked for, and none that later pictures look back across.
const X265: &str =
    "keyint=-1:min-keyint=1:scenecut=0:open-gop=0:bframes=0:repeat-headers=0:log-level=error";

/// What the source's picture with a watermark may take, where the source says something odd.
const PROGRAM_KBIT: std::ops::RangeInclusive<u64> = 800..=20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing;
    use crate::process::plan::{Known, Ladder, Plan};
    use lsv_core::channel::Color;
    use lsv_core::hub::{Processing, Watermark, WatermarkText};
    use lsv_core::media::Orientation;
    use lsv_core::path::Rendition;
    use std::time::Duration;

    fn encoding(change: impl FnOnce(&mut Processing)) -> Encoding {
        let mut wanted = Processing::default();
        wanted.renditions = vec![Rendition::P360, Rendition::P480];
        change(&mut wanted);
        let known = Known {
            key_frame_interval: None,
            segment: Duration::from_secs(2),
            orientation: Orientation::default(),
        };
        let plan = Plan::new(&wanted, &fuzzing::tracks(), known, &Ladder::default());
        plan.encoding.unwrap()
    }

    fn text(encoding: &Encoding, circumstances: &Circumstances<'_>) -> String {
        let Outputs { pictures, sounds } = outputs(encoding);
        let addresses = (0..pictures + sounds).map(|index| format!("pipe:{}", 7 + index));
        let arguments = arguments(encoding, circumstances, &addresses.collect::<Vec<_>>());
        let words = arguments.iter().map(|word| word.to_str().unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nothing_that_an_operator_typed_is_in_it() {
        let encoding = encoding(|wanted| {
            let text = WatermarkText {
                text: "12:30 %{localtime}\\:'[in]movie=x".to_owned(),
                size: 20,
                color: Color::red(),
            };
            wanted.watermark = Some(Watermark::new(Some(text), None, 7, 9));
        });
        let circumstances = Circumstances {
            overlay: Some(Overlay {
                file: Path::new("/tmp/overlay.png"),
                left: 7,
                top: 9,
            }),
            source_bit_rate: 3_000_000,
        };
        let text = text(&encoding, &circumstances);
        assert!(
            !text.contains("localtime") && !text.contains("movie"),
            "{text}"
        );
        assert!(text.contains("overlay=x=7:y=9"), "{text}");
        let (program, renditions) = text.split_once("pipe:7 -map [v0]").unwrap();
        assert!(program.contains("-map [program]"), "{text}");
        assert!(program.contains("-b:v 3000k"), "{text}");
        assert!(renditions.contains("-b:v 400k"), "{text}");
    }

    #[test]
    fn pictures_are_turned_before_anything_is_drawn() {
        let mut encoding = encoding(|_| ());
        encoding.orientation = Orientation {
            mirrored: true,
            quarter_turns: 1,
        };
        let text = text(&encoding, &Circumstances::default());
        let turned = "[0:v:0]hflip,transpose=cclock,format";
        assert!(text.contains(turned), "{text}");
    }

    #[test]
    fn a_sound_of_each_bit_rate() {
        let text = text(&encoding(|_| ()), &Circumstances::default());
        assert_eq!(text.matches("-map 0:a:0").count(), 1, "{text}");
        assert!(text.contains("-b:a 64k"), "{text}");
        assert!(!text.contains("overlay"), "{text}");
    }

    #[test]
    fn the_codec_is_the_channels() {
        let x265 = encoding(|wanted| wanted.codec = Codec::X265);
        let text = text(&x265, &Circumstances::default());
        assert!(
            text.contains("-c:v libx265") && text.contains("-tag:v hvc1"),
            "{text}"
        );
    }
}
