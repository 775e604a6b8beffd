use proptest::prelude::*;

use super::*;

fn credential() -> Credential {
    Credential::of(Some("_HLS_msn=7&exp=5&x=y&token=ab"), &["exp", "token"]).unwrap()
}

fn inherited(kind: Kind, body: &str) -> String {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let pieces = whole(kind, &credential(), [&body]).concat();
    String::from_utf8(pieces).unwrap()
}

#[test]
fn a_credential_is_what_let_the_viewer_in() {
    assert_eq!(credential().0, "exp=5&token=ab");
    assert_eq!(format!("{:?}", credential()), "Credential(hidden)");
    let of = |query| Credential::of(query, &["exp", "token"]);
    for none in [
        None,
        Some(""),
        Some("_HLS_msn=7"),
        Some("exp"),
        Some("token=\"x"),
        Some("token=a$Time$"),
        Some("token=<"),
        Some("token=a#"),
        Some("token=a b"),
        Some("token=a\r\nb"),
    ] {
        assert_eq!(of(none), None, "{none:?}");
    }
}

#[test]
fn kinds_are_told_by_their_type() {
    for (content_type, kind) in [
        ("application/vnd.apple.mpegurl", Some(Kind::Playlist)),
        ("application/dash+xml", Some(Kind::Manifest)),
        ("text/vtt; charset=utf-8", Some(Kind::Thumbnails)),
        ("application/json", Some(Kind::Listing)),
        ("application/problem+json", None),
        ("video/mp4", None),
    ] {
        assert_eq!(Kind::of(content_type), kind);
    }
}

#[test]
fn every_address_of_a_playlist() {
    let playlist = "#EXTM3U\n#EXT-X-VERSION:10\r\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x,URI=\",URI=\"cmaf/audio.m3u8\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"../key/7\",IV=0x0\n\
        #EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.0,URI=x\nts/1.ts\r\nts/2.ts?a=b\n\n/abs/3.ts\n\
        #EXT-X-DATERANGE:ID=\"1\",X-ASSET-URI=\"ad.m3u8\"\n\
        #EXT-X-PART:DURATION=1,URI=\"1.1.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1.2.m4s\"\nlast.ts";
    let expected = "#EXTM3U\n#EXT-X-VERSION:10\r\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x,URI=\",URI=\"cmaf/audio.m3u8?exp=5&token=ab\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"../key/7?exp=5&token=ab\",IV=0x0\n\
        #EXT-X-MAP:URI=\"init.mp4?exp=5&token=ab\"\n#EXTINF:2.0,URI=x\n\
        ts/1.ts?exp=5&token=ab\r\nts/2.ts?a=b&exp=5&token=ab\n\n/abs/3.ts?exp=5&token=ab\n\
        #EXT-X-DATERANGE:ID=\"1\",X-ASSET-URI=\"ad.m3u8\"\n\
        #EXT-X-PART:DURATION=1,URI=\"1.1.m4s?exp=5&token=ab\"\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"1.2.m4s?exp=5&token=ab\"\nlast.ts?exp=5&token=ab";
    assert_eq!(inherited(Kind::Playlist, playlist), expected);
}

#[test]
fn no_address_of_another_host() {
    for foreign in [
        "https://evil.example/1.ts",
        "HTTP://evil.example/1.ts",
        "//evil.example/1.ts",
        "/\\evil.example/1.ts",
        "data:text/plain,x",
        "skd://key",
    ] {
        let playlist = format!("#EXT-X-KEY:URI=\"{foreign}\"\n{foreign}\n");
        assert_eq!(inherited(Kind::Playlist, &playlist), playlist);
    }
    let own = "1.ts?u=a://b\n";
    assert_eq!(
        inherited(Kind::Playlist, own),
        "1.ts?u=a://b&exp=5&token=ab\n"
    );
}

#[test]
fn every_address_of_a_manifest() {
    let manifest = "<?xml version=\"1.0\"?>\n<MPD id='a'>\n  <Location>m.mpd?a=1</Location>\n\
        <AudioChannelConfiguration schemeIdUri=\"urn:x\" value=\"2\"/>\n\
        <SegmentTemplate timescale=\"1\"\n initialization=\"cmaf/init.mp4\" media='cmaf/v-$Time$.m4s'>\n\
        <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/></MPD>\n";
    let expected = "<?xml version=\"1.0\"?>\n<MPD id='a'>\n\
        \x20 <Location>m.mpd?a=1&amp;exp=5&amp;token=ab</Location>\n\
        <AudioChannelConfiguration schemeIdUri=\"urn:x\" value=\"2\"/>\n\
        <SegmentTemplate timescale=\"1\"\n initialization=\"cmaf/init.mp4?exp=5&amp;token=ab\" \
        media='cmaf/v-$Time$.m4s?exp=5&amp;token=ab'>\n\
        <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time?exp=5&amp;token=ab\"/></MPD>\n";
    assert_eq!(inherited(Kind::Manifest, manifest), expected);
}

#[test]
fn every_picture_of_thumbnails() {
    let thumbnails = "WEBVTT\n\n00:00:00.000 --> 00:00:10.000\nthumbnails-0.jpg#xywh=0,0,160,90\n";
    assert_eq!(
        inherited(Kind::Thumbnails, thumbnails),
        "WEBVTT\n\n00:00:00.000 --> 00:00:10.000\nthumbnails-0.jpg?exp=5&token=ab#xywh=0,0,160,90\n"
    );
}

#[test]
fn every_address_of_a_listing() {
    let listing = r#"{"next":"url","recordings":[{"kind":"url","url":"a/index.m3u8","x\"url":"b","thumbnails" : "a/t.vtt"}]}"#;
    let expected = r#"{"next":"url","recordings":[{"kind":"url","url":"a/index.m3u8?exp=5&token=ab","x\"url":"b","thumbnails" : "a/t.vtt?exp=5&token=ab"}]}"#;
    assert_eq!(inherited(Kind::Listing, listing), expected);
}

const KINDS: [Kind; 4] = [
    Kind::Playlist,
    Kind::Manifest,
    Kind::Thumbnails,
    Kind::Listing,
];

proptest! {
    /// Wherever a body is cut, and whatever it holds: the same comes out, and nothing but credentials is added.
    #[test]
    fn pieces_do_not_matter(
        body in "[a-z#:,/?<> \"\n]{0,80}", kind in 0usize..4, cut in 0usize..80,
    ) {
        let kind = KINDS[kind];
        let body = Bytes::from(body);
        let at = cut.min(body.len());
        let whole_body = whole(kind, &credential(), [&body]).concat();
        let cut_body = whole(kind, &credential(), [&body.slice(..at), &body.slice(at..)]).concat();
        prop_assert_eq!(&whole_body, &cut_body);
        let text = String::from_utf8(whole_body).unwrap();
        let escaped = text.replace("&amp;", "&");
        let plain = escaped.replace("?exp=5&token=ab", "").replace("&exp=5&token=ab", "");
        prop_assert_eq!(plain.as_bytes(), &body[..]);
    }
}
