//! What is written, by the marks that it leaves. Needs the fonts that `.ci/run` installs.

use lsv_core::channel::Color;

use super::*;

const ROOM: Area = Area::new(0, 0, 1_280, 720);

fn pen() -> Pen {
    Pen::load(&Config::default()).unwrap()
}

fn text(text: &str, size: u32) -> WatermarkText {
    WatermarkText {
        text: text.to_owned(),
        size,
        color: Color::red(),
    }
}

fn write(words: &str) -> Written {
    pen().write(&text(words, 20), (10, 10), ROOM)
}

/// The marks as they are on a canvas.
fn ink(words: &str) -> Vec<u8> {
    let written = write(words);
    let mut canvas = RgbaImage::new(ROOM.width, ROOM.height);
    written.draw(&mut canvas, ROOM);
    canvas.into_raw()
}

#[test]
fn what_ffmpeg_would_understand_is_letters() {
    for words in [
        r"12:30 %{localtime}\:'[in]movie=x",
        "%{pts} %%{} \\\\ ''; [a];[b] ,overlay=0:0",
        "$(reboot) `reboot` <b>&amp;</b>",
    ] {
        let written = write(words);
        let letters = words
            .chars()
            .filter(|letter| !letter.is_whitespace())
            .count();
        assert_eq!(written.glyphs.len(), letters, "{words}");
        assert!(written.missing.is_empty() && !written.is_cut, "{words}");
    }
}

#[test]
fn all_kinds_of_letters() {
    for words in [
        "Ägypten",
        "中文水印测试",
        "日本語",
        "한국어",
        "مرحبا",
        "Привет",
        "★",
    ] {
        let written = write(words);
        assert!(written.missing.is_empty(), "{words}: {:?}", written.missing);
        let area = written.area().unwrap();
        assert!(area.width > 10 && area.height > 10, "{words}: {area:?}");
    }
    assert_ne!(ink("中"), ink("文"));
    assert_ne!(ink("中"), ink("\u{10FFFF}"), "a real letter and no box");
}

#[test]
fn letters_that_join_do() {
    let width = |words| write(words).area().unwrap().width;
    assert!(width("\u{628}\u{628}\u{628}") < 2 * width("\u{628}"));
}

#[test]
fn lines_stay_and_control_characters_go() {
    let height = |words| write(words).area().unwrap().height;
    assert!(height("a\na") > height("a") + 20);
    assert!(height("a\n\na") > height("a\na") + 20);
    for (words, same) in [
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\nb"),
        ("a\u{0}\u{7}\u{1B}[31m\u{7F}\u{9B}b", "a[31mb"),
    ] {
        assert!(ink(words) == ink(same), "{words:?}");
    }
    assert!(ink("a\tb") != ink("ab"));
    for nothing in ["", " ", "\n\n", "\u{0}"] {
        assert_eq!(write(nothing).area(), None, "{nothing:?}");
    }
}

#[test]
fn boxes_for_what_no_font_has() {
    let written = write("a\u{10FFFF}\u{E123}b");
    assert_eq!(
        Vec::from_iter(&written.missing),
        [&'\u{E123}', &'\u{10FFFF}']
    );
    assert_eq!(written.glyphs.len(), 4, "each leaves a mark");
    let warning = warning_of_missing(&written.missing).unwrap();
    assert!(
        warning.contains("U+10FFFF") && warning.contains("fonts-noto-core"),
        "{warning}"
    );
    assert_eq!(warning_of_missing(&BTreeSet::new()), None);
}

#[test]
fn missing_letters_name_what_to_install_and_not_too_many() {
    for (missing, package) in [
        ('中', "fonts-noto-cjk"),
        ('한', "fonts-noto-cjk"),
        ('，', "fonts-noto-cjk"),
        ('\u{2A6D6}', "fonts-noto-cjk"),
        ('😀', "fonts-noto-color-emoji"),
        ('บ', "fonts-noto-core"),
    ] {
        let warning = warning_of_missing(&BTreeSet::from([missing])).unwrap();
        assert!(
            warning.contains(missing) && warning.ends_with(package),
            "{warning}"
        );
    }
    let many: BTreeSet<char> = ('\u{4E00}'..'\u{4E50}').collect();
    let warning = warning_of_missing(&many).unwrap();
    assert!(
        warning.contains("and 72 more") && warning.len() < 500,
        "{warning}"
    );
}

#[test]
fn the_fonts_of_one_folder_or_none() {
    let config = |folder: &str| Config {
        fonts: vec![folder.into()],
        ..Config::default()
    };
    let mut latin = Pen::load(&config("/usr/share/fonts/truetype/dejavu")).unwrap();
    let written = latin.write(&text("a中", 20), (0, 0), ROOM);
    assert_eq!(Vec::from_iter(written.missing), ['中']);
    let none = Pen::load(&config("/nonexistent")).map(drop).unwrap_err();
    assert!(matches!(none, Error::NoFonts), "{none}");
    assert!(none.to_string().contains("`WaterMarkText`"), "{none}");
}

#[test]
fn long_and_large_texts_are_bounded() {
    let long = "x".repeat(10_000);
    let written = pen().write(&text(&long, 4), (0, 0), Area::new(0, 0, 100_000, 100));
    assert_eq!(written.glyphs.len(), MAX_CHARS);
    assert!(!written.is_cut);
    let written = pen().write(&text(&"大".repeat(256), 512), (0, 0), ROOM);
    assert!(written.is_cut);
    assert!(written.glyphs.len() <= 3, "{}", written.glyphs.len());
    let marks = "e".to_owned() + &"\u{301}".repeat(255);
    assert!(write(&marks).area().is_some());
}

#[test]
fn text_beyond_the_edges_is_cut() {
    let at = |left, top| pen().write(&text("words", 40), (left, top), ROOM);
    assert!(!at(0, 0).is_cut);
    assert!(at(1_250, 0).is_cut && at(0, 700).is_cut);
    let outside = at(1_300, 0);
    assert!(outside.is_cut && outside.area().is_none());
    let far = at(i32::MAX, i32::MAX);
    assert!(far.is_cut && far.area().is_none());
}

#[test]
fn size_and_color() {
    let height = |size| {
        pen()
            .write(&text("H", size), (0, 0), ROOM)
            .area()
            .unwrap()
            .height
    };
    for size in [10, 20, 40, 80, 160] {
        let share = f64::from(height(size)) / f64::from(size);
        assert!((0.65..0.95).contains(&share), "{size}: {share}");
    }
    for pixel in ink("words").chunks(4).filter(|pixel| pixel[3] > 0) {
        assert_eq!(pixel[..3], [255, 0, 0]);
    }
}

#[test]
fn colors_mix_by_their_shares() {
    for (color, under, mixed) in [
        ([255, 0, 0, 255], [0, 0, 255, 255], [255, 0, 0, 255]),
        ([255, 0, 0, 0], [0, 0, 255, 255], [0, 0, 255, 255]),
        ([255, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]),
        ([255, 9, 0, 7], [0, 0, 0, 0], [255, 9, 0, 7]),
        ([255, 0, 0, 128], [0, 0, 255, 255], [128, 0, 127, 255]),
        ([255, 0, 0, 128], [0, 0, 255, 128], [170, 0, 85, 192]),
    ] {
        assert_eq!(
            over(Rgba(color), Rgba(under)),
            Rgba(mixed),
            "{color:?} over {under:?}"
        );
    }
}
