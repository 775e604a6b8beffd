//! Every seed of every fuzz target, replayed: a crash that was mended stays mended.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

macro_rules! targets {
    ($($target:ident => $body:path),* $(,)?) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), $body);
            }
        )*

        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

targets! {
    auth_cloudfront => lsv_auth::cloudfront::fuzzing::request,
    auth_hotlink => lsv_auth::fuzzing::hotlink,
    auth_playback => lsv_auth::fuzzing::playback,
    auth_push => lsv_auth::fuzzing::push,
    auth_session => lsv_auth::fuzzing::session,
    core_channel => lsv_core::fuzzing::channel,
    core_picture => lsv_core::fuzzing::picture,
    core_pieces => lsv_core::fuzzing::pieces,
    core_script => lsv_core::fuzzing::script,
    core_sound => lsv_core::fuzzing::sound,
    core_tag => lsv_core::fuzzing::tag,
    mux_annexb => lsv_mux::fuzzing::annexb,
    mux_flv_demux => lsv_mux::fuzzing::flv_demux,
    mux_flv_recording => lsv_mux::fuzzing::flv_recording,
    mux_mp4_demux => lsv_mux::fuzzing::mp4_demux,
    mux_mp4_fragment => lsv_mux::fuzzing::mp4_fragment,
    mux_mp4_recording => lsv_mux::fuzzing::mp4_recording,
    mux_script => lsv_mux::fuzzing::script,
    mux_segmenter => lsv_mux::fuzzing::segmenter,
    mux_ts => lsv_mux::fuzzing::ts_mux,
    mux_vod_playlist => lsv_mux::fuzzing::vod_playlist,
    rtmp_amf0 => lsv_rtmp::fuzzing::amf0,
    rtmp_amf3 => lsv_rtmp::fuzzing::amf3,
    rtmp_chunk => lsv_rtmp::fuzzing::chunk,
    rtmp_client_session => lsv_rtmp::fuzzing::client_session,
    rtmp_handshake => lsv_rtmp::fuzzing::handshake,
    rtmp_message => lsv_rtmp::fuzzing::message,
    rtmp_proxy_protocol => lsv_rtmp::proxy::fuzzing::protocol,
    rtmp_proxy_sniffer => lsv_rtmp::proxy::fuzzing::sniffer,
    rtmp_server_session => lsv_rtmp::fuzzing::server_session,
}

#[test]
fn every_target_is_replayed() {
    let here: BTreeSet<String> = TARGETS.iter().map(|&name| name.to_owned()).collect();
    for (folder, ending) in [("fuzz_targets", ".rs"), ("corpus", "")] {
        let names = entries(&fuzz().join(folder));
        let names = names
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap());
        let there: BTreeSet<String> = names
            .map(|name| name.trim_end_matches(ending).to_owned())
            .collect();
        assert_eq!(there, here, "{folder}");
    }
}

fn replay(target: &str, body: fn(&[u8])) {
    let seeds = entries(&fuzz().join("corpus").join(target));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in seeds {
        println!("{}", seed.display());
        let input = fs::read(&seed).expect("a seed");
        body(&input);
        // Half an input is an input too.
        body(&input[..input.len() / 2]);
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}
