use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(bytes: &[u8], expected: Result<Header, Error>) {
    // Whole, with what follows left alone.
    let mut input = BytesMut::from(bytes);
    input.extend_from_slice(b"\x03rest");
    match read(&mut input) {
        Ok(header) => {
            assert_eq!(Ok(header.expect("whole")), expected);
            assert_eq!(&input[..], b"\x03rest");
        }
        Err(error) => assert_eq!(Err(error), expected),
    }
    // Byte by byte, with the same outcome.
    let mut input = BytesMut::new();
    for (at, byte) in bytes.iter().enumerate() {
        input.put_u8(*byte);
        match read(&mut input) {
            Ok(None) => {}
            Ok(Some(header)) => {
                assert_eq!((Ok(header), at), (expected, bytes.len().saturating_sub(1)));
                return;
            }
            Err(error) => {
                assert_eq!(Err(error), expected);
                return;
            }
        }
    }
    panic!("no outcome");
}

fn header(source: &str, destination: &str) -> Header {
    Header::Proxied {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    }
}

fn v2(rest: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", rest].concat()
}

#[test]
fn lines() {
    // The first three are the examples of the paper.
    check(
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
        Ok(header("255.255.255.255:65535", "255.255.255.255:65535")),
    );
    let all = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    check(
        format!("PROXY TCP6 {all} {all} 65535 65535\r\n").as_bytes(),
        Ok(header(&format!("[{all}]:65535"), &format!("[{all}]:65535"))),
    );
    let worst = format!("PROXY UNKNOWN {all} {all} 65535 65535\r\n");
    assert_eq!(worst.len(), MAX_V1_BYTES);
    check(worst.as_bytes(), Ok(Header::Unknown));
    check(b"PROXY UNKNOWN\r\n", Ok(Header::Unknown));
    check(
        b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
        Ok(header("192.168.0.1:56324", "192.168.0.11:443")),
    );
    check(
        b"PROXY TCP6 ::ffff:10.0.0.1 2001:db8::1 0 1935\r\n",
        Ok(header("10.0.0.1:0", "[2001:db8::1]:1935")),
    );
}

#[test]
fn broken_lines() {
    let line = |text: &str, lacks| check(text.as_bytes(), Err(Error::Line(lacks)));
    line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", "its line end");
    line(
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "TCP4, TCP6 or UNKNOWN",
    );
    line("PROXY TCP4\r\n", "a source address");
    line("PROXY TCP4 ::1 ::1 1 2\r\n", "a source address");
    line("PROXY TCP6 ::1 1.2.3.4 1 2\r\n", "a destination address");
    line(
        "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        "a destination address",
    );
    line("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "a source port");
    line("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", "a source port");
    line(
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "a destination port",
    );
    line("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "a destination port");
    line(
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "an end after its ports",
    );
    check(b"PROXY \xFF\r\n", Err(Error::Line("plain text")));
    let endless = [b"PROXY UNKNOWN".as_slice(), &[b' '; 200]].concat();
    check(&endless, Err(Error::LineTooLong));
    for other in [&b"\x03\0\0\0"[..], b"GET /", b"PROXY\tTCP4", b"\r\n\r\nx"] {
        check(other, Err(Error::Missing));
    }
}

#[test]
fn binary_headers() {
    check(
        &v2(b"\x21\x11\0\x0c\x0a\0\0\x01\xc0\xa8\0\x02\xdc\x04\x07\x8f"),
        Ok(header("10.0.0.1:56324", "192.168.0.2:1935")),
    );
    // As an AWS Network Load Balancer sends it: a TLV with the id of the endpoint (type 0xEA) behind the addresses.
    check(
        &v2(b"\x21\x11\0\x13\x0a\0\0\x01\xc0\xa8\0\x02\xdc\x04\x07\x8f\xea\0\x04\x01vpc"),
        Ok(header("10.0.0.1:56324", "192.168.0.2:1935")),
    );
    let ipv6 = [
        &[0x20, 1][..],
        &[0; 13],
        &[1],
        &[0; 15],
        &[1],
        &[0, 1, 7, 0x8F],
    ]
    .concat();
    check(
        &v2(&[b"\x21\x21\0\x24", ipv6.as_slice()].concat()),
        Ok(header("[2001::1]:1", "[::1]:1935")),
    );
    check(&v2(b"\x20\0\0\0"), Ok(Header::Local));
    check(&v2(b"\x20\x99\0\x03abc"), Ok(Header::Local));
    check(&v2(b"\x21\0\0\x02ab"), Ok(Header::Unknown));
    check(
        &v2(&[b"\x21\x31\0\xD8", &[0; 216][..]].concat()),
        Ok(Header::Unknown),
    );
}

#[test]
fn broken_binary_headers() {
    check(&v2(b"\x11\x11\0\x0c"), Err(Error::Command(0x11)));
    check(&v2(b"\x22\x11\0\x0c"), Err(Error::Command(0x22)));
    check(&v2(b"\x21\x12\0\x0c"), Err(Error::Family(0x12)));
    check(&v2(b"\x21\x11\0\x0b"), Err(Error::Length(11)));
    check(&v2(b"\x21\x21\0\x0c"), Err(Error::Length(12)));
    check(&v2(b"\x20\0\xFF\xFF"), Err(Error::Length(65535)));
    let largest = u16::try_from(MAX_V2_BYTES - FIXED_BYTES).unwrap();
    let body = vec![0; largest.into()];
    let announced = largest.to_be_bytes();
    check(
        &v2(&[b"\x20\0", &announced[..], &body].concat()),
        Ok(Header::Local),
    );
    check(
        &v2(&[b"\x20\0", &(largest + 1).to_be_bytes()[..]].concat()),
        Err(Error::Length(usize::from(largest) + 1)),
    );
}

#[test]
fn nothing_yet_is_no_error() {
    assert_eq!(read(&mut BytesMut::new()), Ok(None));
}

fn canonical() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

proptest! {
    #[test]
    fn written_and_read_back(source in canonical(), destination in canonical()) {
        let header = Header::Proxied { source, destination };
        for write in [Header::write_v1, Header::write_v2] {
            let mut wire = BytesMut::new();
            write(&header, &mut wire);
            check(&wire, Ok(header));
        }
    }

    #[test]
    fn any_bytes_behind_a_signature(which in 0_usize..2, rest in prop::collection::vec(any::<u8>(), 0..150)) {
        let signature = [SIGNATURE, text::SIGNATURE][which];
        let bytes = [signature, &rest].concat();
        let mut whole = BytesMut::from(&bytes[..]);
        let at_once = read(&mut whole);
        let mut input = BytesMut::new();
        let mut piecewise = Ok(None);
        for byte in bytes {
            input.put_u8(byte);
            if matches!(piecewise, Ok(None)) {
                piecewise = read(&mut input);
            }
        }
        prop_assert_eq!(piecewise, at_once);
        prop_assert_eq!(input, whole);
    }
}

#[test]
fn headers_without_addresses() {
    for header in [Header::Local, Header::Unknown] {
        let mut wire = BytesMut::new();
        header.write_v2(&mut wire);
        check(&wire, Ok(header));
        wire.clear();
        header.write_v1(&mut wire);
        check(&wire, Ok(Header::Unknown));
    }
}
