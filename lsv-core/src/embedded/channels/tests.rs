use std::fs;

use super::*;
use crate::channel::Moment;

fn cam(number: u64) -> Channel {
    let id = ChannelId::parse(&format!("cam-{number}")).unwrap();
    Channel::new(id, Moment::from_unix(number))
}

async fn filled(path: &Path) {
    let store = Channels::open(path).unwrap();
    for number in 0..20 {
        store
            .put(&cam(number), Precondition::IfAbsent)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = Channels::open(directory.path().join("channels.redb")).unwrap();
    crate::ports::conformance::channel_store(&store).await;
}

#[tokio::test]
async fn records_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("channels.redb");
    filled(&path).await;
    let store = Channels::open(&path).unwrap();
    assert_eq!(
        store.get(&cam(7).id).await.unwrap().channel.as_ref(),
        &cam(7)
    );
    assert_eq!(
        store
            .list(&PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        20
    );
    let version = store.put(&cam(99), Precondition::IfAbsent).await.unwrap();
    assert_eq!(version, 21);
}

#[tokio::test]
async fn a_second_process_is_told_to_go_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("channels.redb");
    let _open = Channels::open(&path).unwrap();
    let error = Channels::open(&path).unwrap_err();
    assert!(
        error.to_string().contains("in use by another process"),
        "{error}"
    );
}

#[tokio::test]
async fn damage_is_an_error_that_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("channels.redb");
    filled(&path).await;
    let whole = fs::read(&path).unwrap();
    let damages: [(&str, Vec<u8>); 4] = [
        ("emptied", Vec::new()),
        ("text", b"this is no database".to_vec()),
        ("zeros", vec![0; whole.len()]),
        ("cut", whole[..whole.len() / 2].to_vec()),
    ];
    for (damage, bytes) in damages {
        fs::write(&path, bytes).unwrap();
        let error = Channels::open(&path).unwrap_err();
        assert!(
            matches!(error, Error::Damaged { .. }),
            "{damage}: {error:?}"
        );
        assert!(
            error.to_string().contains("channels.redb"),
            "{damage}: {error}"
        );
    }
}

#[tokio::test]
async fn a_changed_byte_is_an_error_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("channels.redb");
    filled(&path).await;
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for position in (0..whole.len()).step_by(whole.len() / 64) {
        let mut bytes = whole.clone();
        for byte in bytes.iter_mut().skip(position).take(64) {
            *byte = !*byte;
        }
        fs::write(&path, bytes).unwrap();
        match Channels::open(&path) {
            Err(_) => refused += 1,
            Ok(store) => assert_eq!(
                store.get(&cam(7).id).await.unwrap().channel.as_ref(),
                &cam(7)
            ),
        }
    }
    assert!(refused > 0);
}
