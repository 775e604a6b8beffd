use super::*;

fn hub(set: impl Fn(&mut Limits)) -> Hub {
    let mut limits = Limits::default();
    set(&mut limits);
    Hub::new(limits)
}

fn source(id: &str) -> StreamPath {
    StreamPath::source(ChannelId::parse(id).unwrap())
}

fn begin(hub: &Hub, id: &str) -> Result<Publisher, PublishError> {
    hub.publish(&source(id), Offer::new("test"), Instant::now())
}

/// Sends two seconds of 25 frames of ten bytes: 2,000 bits a second.
fn send(publisher: &Publisher) {
    let track = video("h");
    for n in 0..51 {
        let frame = frame(&track, n * 40, n % 25 == 0, "0123456789");
        publisher.push(frame).unwrap();
    }
}

#[test]
fn one_publisher_more_than_may_be_is_refused() {
    let hub = hub(|limits| limits.publishers = Some(2));
    let first = begin(&hub, "a").unwrap();
    let second = begin(&hub, "b").unwrap();
    let refused = begin(&hub, "c").unwrap_err();
    assert_eq!(refused, PublishError::TooManyPublishers(2));
    assert!(refused.to_string().contains("more than 2 channels"));
    first.finish();
    let _third = begin(&hub, "c").unwrap();
    // Its place is kept for one that was lost, as long as its stream is there.
    drop(second);
    assert!(begin(&hub, "d").is_err());
    let _back = begin(&hub, "b").unwrap();
    hub.find(&source("b")).unwrap().close(Closed::Kicked);
    assert!(begin(&hub, "d").is_ok());
}

#[test]
fn a_full_node_still_lets_a_publisher_take_over_and_renditions_begin() {
    let hub = hub(|limits| {
        limits.publishers = Some(1);
        limits.ingest_bit_rate = Some(1);
    });
    let first = begin(&hub, "a").unwrap();
    send(&first);
    let _again = begin(&hub, "a").unwrap();
    let rendition = StreamPath {
        rendition: Rendition::TRANSCODED[0],
        ..source("a")
    };
    let made = hub.publish(&rendition, Offer::new("test"), Instant::now());
    assert!(made.is_ok());
}

#[test]
fn while_as_much_comes_in_as_may_one_more_is_refused() {
    let hub = hub(|limits| limits.ingest_bit_rate = Some(3_000));
    let first = begin(&hub, "a").unwrap();
    send(&first);
    assert_eq!(hub.ingest_bit_rate(), 2_000);
    let second = begin(&hub, "b").unwrap();
    // Nothing is known of it yet.
    let third = begin(&hub, "c").unwrap();
    send(&second);
    assert_eq!(hub.ingest_bit_rate(), 4_000);
    let refused = begin(&hub, "d").unwrap_err();
    assert_eq!(refused, PublishError::BitRate(3_000));
    assert!(refused.to_string().contains("3000 bits a second"));
    // Those that are there go on.
    send(&third);
    // One that is lost sends nothing.
    drop((second, third));
    assert_eq!(hub.ingest_bit_rate(), 2_000);
    assert!(begin(&hub, "d").is_ok());
}

#[test]
fn without_limits_there_are_none() {
    let hub = Hub::default();
    let publishers: Vec<Publisher> = (0..300)
        .map(|n| begin(&hub, &format!("c{n}")).unwrap())
        .collect();
    publishers.iter().for_each(send);
    assert_eq!(hub.ingest_bit_rate(), 600_000);
    assert!(begin(&hub, "more").is_ok());
}
