use super::*;
use std::os::unix::fs::FileExt;

#[tokio::test]
async fn the_class_that_was_asked_for_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Objects::open(folder.path()).unwrap();
    let probe = File::create(folder.path().join("probe")).unwrap();
    class::note(&probe, StorageClass::Cold);
    // Where the file system takes no note, all is hot.
    let expected = class::of(&probe);
    let cold = store.in_class(StorageClass::Cold);
    let [put, grown, made] = ["put", "grown", "made"].map(|it| ObjectName::parse(it).unwrap());
    cold.put(&put, Bytes::from_static(b"x")).await.unwrap();
    let mut writer = cold.create(&grown).await.unwrap();
    writer.append(Bytes::from_static(b"y")).await.unwrap();
    assert_eq!(writer.finish().await.unwrap().class, expected);
    let composed = cold.compose(&made, &[Piece::Of(put, 0..1)]).await.unwrap();
    assert_eq!(composed.class, expected);
    let listed = store.list("", &PageRequest::default()).await.unwrap();
    let classes = listed
        .items
        .iter()
        .filter(|info| info.name.as_str() != "probe");
    assert!(
        classes.clone().all(|info| info.class == expected),
        "{listed:?}"
    );
    assert_eq!(classes.count(), 3);
    store.put(&made, Bytes::new()).await.unwrap();
    assert_eq!(store.stat(&made).await.unwrap().class, StorageClass::Hot);
}

#[tokio::test]
async fn conforms() {
    let directory = tempfile::tempdir().unwrap();
    let store = Objects::open(directory.path().join("objects")).unwrap();
    crate::ports::conformance::object_store(&store).await;
    crate::ports::conformance::object_resumption(&store).await;
    crate::ports::conformance::object_claims(&store).await;
}

/// Page by page, whatever its size, a listing has every name once and in the order of its bytes, in which `-` and `.`
/// come before the slash behind a directory's name.
#[tokio::test]
async fn pages_are_in_the_order_of_names() {
    let directory = tempfile::tempdir().unwrap();
    let store = Objects::open(directory.path()).unwrap();
    let mut names = Vec::new();
    for channel in ["cam", "cam-2", "cam.2", "cam0", "c"] {
        for file in [
            "a", "a-b", "a.b", "a0", "b/c", "b/c-d", "b-c/d", "b/c0/d", "z/z/z/z",
        ] {
            names.push(format!("record/{channel}/{file}"));
        }
    }
    names.push("other".to_owned());
    for name in &names {
        let name = ObjectName::parse(name).unwrap();
        store.put(&name, Bytes::from_static(b"x")).await.unwrap();
    }
    names.sort_unstable();
    for prefix in [
        "",
        "record/",
        "record/cam",
        "record/cam/",
        "record/cam/b",
        "o",
        "no/",
        "../",
    ] {
        let expected = names.iter().filter(|name| name.starts_with(prefix));
        let expected: Vec<&str> = expected.map(String::as_str).collect();
        for limit in [1, 2, 7, 1_000] {
            let mut page = PageRequest::first(limit);
            let mut listed = Vec::new();
            loop {
                let part = store.list(prefix, &page).await.unwrap();
                assert!(part.items.len() <= limit);
                listed.extend(part.items.into_iter().map(|info| info.name));
                page.cursor = part.next;
                if page.cursor.is_none() {
                    break;
                }
            }
            let listed: Vec<&str> = listed.iter().map(ObjectName::as_str).collect();
            assert_eq!(listed, expected, "{prefix:?} by {limit}");
        }
    }
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_never_listed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Objects::open(directory.path()).unwrap();
    fs::write(directory.path().join(UNFINISHED).join("7"), b"half").unwrap();
    assert!(
        store
            .list("", &PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    Objects::open(directory.path()).unwrap();
    assert!(!directory.path().join(UNFINISHED).join("7").exists());
}

#[tokio::test]
async fn what_grows_is_there_at_once_and_outlives_its_writer() {
    let directory = tempfile::tempdir().unwrap();
    let store = Objects::open(directory.path()).unwrap();
    let name = ObjectName::parse("record/cam/a.mp4").unwrap();
    let mut writer = store.create(&name).await.unwrap();
    writer.append(Bytes::from_static(b"one")).await.unwrap();
    assert_eq!(store.get(&name, None).await.unwrap().bytes, "one");
    // What a write left that failed in the middle is no part of the object.
    let file = File::options()
        .write(true)
        .open(directory.path().join(name.as_str()));
    file.unwrap().write_all_at(b"torn", 3).unwrap();
    writer.append(Bytes::from_static(b"!")).await.unwrap();
    assert_eq!(writer.finish().await.unwrap().size, 4);
    drop(writer);
    let store = Objects::open(directory.path()).unwrap();
    assert_eq!(store.get(&name, None).await.unwrap().bytes, "one!");
}

#[tokio::test]
async fn a_file_in_the_way_is_an_error_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Objects::open(directory.path()).unwrap();
    let (file, below) = (
        ObjectName::parse("a").unwrap(),
        ObjectName::parse("a/b").unwrap(),
    );
    store.put(&file, Bytes::from_static(b"x")).await.unwrap();
    assert!(store.put(&below, Bytes::from_static(b"y")).await.is_err());
    assert!(matches!(
        store.get(&below, None).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(
        fs::read_dir(directory.path().join(UNFINISHED))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_directory_that_cannot_be_made_names_its_path() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), b"x").unwrap();
    let error = Objects::open(directory.path().join("file/objects")).unwrap_err();
    assert!(error.to_string().contains("file/objects"), "{error}");
}
