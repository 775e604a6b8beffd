use bytes::BytesMut;

use super::{digest::Scheme, *};

const SEED: [u8; 32] = [7; 32];

/// Runs a server over `input` in pieces: what it wrote, whether it finished, and what it left.
fn serve(input: &[u8], piece: usize) -> (BytesMut, Result<bool, Error>, BytesMut) {
    let mut server = Server::new(SEED);
    let (mut buffer, mut output) = (BytesMut::new(), BytesMut::new());
    let mut done = Ok(false);
    for piece in input.chunks(piece) {
        buffer.extend_from_slice(piece);
        done = server.next(&mut buffer, &mut output);
        if done.is_err() {
            break;
        }
    }
    (output, done, buffer)
}

/// A C1 as a Flash player sends it; the digests beside the schemes were computed with Python's
/// `hmac` module.
fn flash_c1(scheme: Scheme) -> Packet {
    let mut c1: Packet = std::array::from_fn(|i| (i * 7 + 3) as u8);
    c1[..8].copy_from_slice(&[0, 0, 0, 0, 9, 0, 124, 2]);
    digest::imprint(&mut c1, scheme, &digest::CLIENT_KEY);
    c1
}

#[test]
fn simple_form_echoes_c1() {
    let mut input = vec![3];
    input.extend((0..1536).map(|i| if i < 8 { 0 } else { i as u8 }));
    let c1 = input[1..].to_vec();
    input.extend([0; 1536]);
    input.extend(b"next");
    let (output, done, rest) = serve(&input, usize::MAX);
    assert_eq!(done, Ok(true));
    assert_eq!(rest, b"next"[..]);
    assert_eq!(output.len(), 1 + 2 * 1536);
    assert_eq!(output[..9], [3, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(output[1537..], c1);
    // However it is cut, the same bytes come out.
    for piece in [1, 2, 1535, 1536, 1537, 3072, 3073] {
        let expected = (output.clone(), Ok(true), rest.clone());
        assert_eq!(serve(&input, piece), expected);
    }
}

#[test]
fn digest_form_signs_s1_and_s2() {
    let vectors = [
        (
            Scheme::SecondHalf,
            942,
            "e6a7fbdda4aab503b4e693e92d6f18d9d4b89f3ef0e95fffe767a4830aa37109",
            "7b6d7bb61a83f57a0aa95b92180f55750114822f752e3f47bbe37474778ed673",
        ),
        (
            Scheme::FirstHalf,
            290,
            "612af37c38c4a1b74e5737fc4021ded17ed92a9431c19bc665cf421131bad8a6",
            "8fcbe05e17e4fbaae96ce9267bc15cd1ca846b21f72a546d1ce46c5641e2568d",
        ),
    ];
    for (scheme, at, expected, signature_of_zeros) in vectors {
        let c1 = flash_c1(scheme);
        assert_eq!(hex(&c1[at..at + 32]), expected);
        let client: digest::Digest = c1[at..at + 32].try_into().unwrap();
        let mut zeros = [0; PACKET];
        digest::sign(&mut zeros, &client, &digest::SERVER_KEY);
        assert_eq!(hex(&zeros[1504..]), signature_of_zeros);

        let input = [&[3][..], &c1, &[0; PACKET]].concat();
        let (output, done, rest) = serve(&input, 1000);
        assert_eq!((done, rest.len()), (Ok(true), 0));
        let s1: &Packet = output[1..].first_chunk().unwrap();
        let s2: &Packet = output[1537..].first_chunk().unwrap();
        assert_eq!(s1[4..8], SERVER_VERSION);
        assert_eq!(
            digest::find(s1, &digest::SERVER_KEY).unwrap().scheme,
            scheme
        );
        let mut signed = *s2;
        signed[1504..].fill(0);
        digest::sign(&mut signed, &client, &digest::SERVER_KEY);
        assert_eq!(signed, *s2);
    }
}

#[test]
fn a_version_without_a_digest_gets_the_simple_form() {
    let mut c1 = flash_c1(Scheme::SecondHalf);
    c1[1000] ^= 1;
    c1[950] ^= 1;
    let input = [&[3][..], &c1, &[0; PACKET]].concat();
    let (output, done, _) = serve(&input, usize::MAX);
    assert_eq!(done, Ok(true));
    assert_eq!(output[1537..], c1);
}

#[test]
fn other_protocols_are_told_apart_by_their_first_byte() {
    for (first, expected) in [
        (b'G', PeerMisbehaved::NotRtmp(b'G').into()),
        (0x16, PeerMisbehaved::NotRtmp(0x16).into()),
        (6, Error::from(Unsupported::Version(6))),
    ] {
        let (output, result, _) = serve(&[first], 1);
        assert_eq!(result, Err(expected));
        assert!(output.is_empty());
    }
}

/// The end of input may come anywhere; the session has asked for more, has written only what is due,
/// and returns at once.
#[test]
fn vector_13_input_that_ends_early() {
    let input = [&[3][..], &[0; PACKET], &[0; PACKET]].concat();
    for end in 0..input.len() {
        // The answer is due once C0 and C1 are there.
        let written = if end < 1 + PACKET { 0 } else { 1 + 2 * PACKET };
        let (output, done, _) = serve(&input[..end], usize::MAX);
        assert_eq!(output.len(), written, "after {end} bytes");
        assert!(matches!(done, Ok(false)), "after {end} bytes");
    }
    assert_eq!(serve(&input, usize::MAX).1, Ok(true));
}

#[test]
fn seeds_make_packets_differ() {
    let first = random_packet(&[1; 32], 0, [0; 4]);
    assert_ne!(first, random_packet(&[2; 32], 0, [0; 4]));
    assert_ne!(first, random_packet(&[1; 32], 1, [0; 4]));
    assert_ne!(first[8..40], first[40..72]);
}

#[test]
fn client_and_server_agree() {
    let (mut client, mut server) = (Client::new([1; 32]), Server::new([2; 32]));
    let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
    assert_eq!(client.next(&mut to_client, &mut to_server), Ok(false));
    assert_eq!(server.next(&mut to_server, &mut to_client), Ok(false));
    assert_eq!(client.next(&mut to_client, &mut to_server), Ok(true));
    assert_eq!(server.next(&mut to_server, &mut to_client), Ok(true));
    assert!(to_client.is_empty() && to_server.is_empty());
}

/// The server finds the client's digest and signs it; the client finds the server's and signs that.
#[test]
fn client_and_server_agree_on_digests() {
    let (mut client, mut server) = (Client::with_digest([1; 32]), Server::new([2; 32]));
    let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
    assert_eq!(client.next(&mut to_client, &mut to_server), Ok(false));
    let c1: &Packet = to_server[1..].first_chunk().unwrap();
    let found = digest::find(c1, &digest::CLIENT_KEY).unwrap();
    assert_eq!(found.scheme, Scheme::FirstHalf);
    assert_eq!(server.next(&mut to_server, &mut to_client), Ok(false));
    let s1: &Packet = to_client[1..].first_chunk().unwrap();
    let answer = digest::find(s1, &digest::SERVER_KEY).unwrap();
    assert_eq!(client.next(&mut to_client, &mut to_server), Ok(true));
    let c2: &Packet = to_server.first_chunk().unwrap();
    let mut signed = *c2;
    signed[1504..].fill(0);
    digest::sign(&mut signed, &answer.digest, &digest::CLIENT_KEY);
    assert_eq!(signed, *c2);
    assert_eq!(server.next(&mut to_server, &mut to_client), Ok(true));
    assert!(to_client.is_empty() && to_server.is_empty());
}

/// A server that knows the simple form only answers with a copy of C1; C2 is then a copy of S1.
#[test]
fn a_digest_client_follows_a_simple_server() {
    let mut client = Client::with_digest([1; 32]);
    let s1 = random_packet(&[3; 32], 0, [0; 4]);
    let mut input = BytesMut::from(&[&[3][..], &s1, &[0; PACKET]].concat()[..]);
    let mut output = BytesMut::new();
    assert_eq!(client.next(&mut input, &mut output), Ok(true));
    assert_eq!(output[1 + PACKET..], s1);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
