use super::*;

/// Any program, as if it were an ffmpeg: what is tested is the process around it.
fn program(script: &str) -> Child {
    let ffmpeg = Ffmpeg::stand_in("/bin/sh");
    let arguments = vec!["-c".into(), script.into()];
    Child::spawn(&ffmpeg, arguments, Options::new("test", TaskSize::Micro)).unwrap()
}

async fn read_all(mut output: Output) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(bytes) = output.read().await.unwrap() {
        read.extend_from_slice(&bytes);
    }
    read
}

#[tokio::test]
async fn everything_goes_in_and_comes_out_in_order() {
    let mut child = program("exec cat");
    let (mut input, output) = (child.take_input().unwrap(), child.take_output().unwrap());
    assert!(child.take_input().is_none() && child.take_output().is_none());
    let reading = tokio::spawn(read_all(output));
    let mut expected = Vec::new();
    for number in 0..2_000_usize {
        let piece = vec![number as u8; number];
        expected.extend_from_slice(&piece);
        input.queue(piece.into());
        if number % 37 == 0 {
            input.write().await.unwrap();
            assert_eq!(input.unwritten(), 0);
        }
    }
    input
        .send([Bytes::from_static(b"last"), Bytes::new()])
        .await
        .unwrap();
    expected.extend_from_slice(b"last");
    drop(input);
    assert!(reading.await.unwrap() == expected);
    child.finish(Duration::from_secs(60)).await.unwrap();
}

/// Writing is given up again and again, as a `select!` does it.
#[tokio::test]
async fn a_write_that_is_given_up_goes_on() {
    let mut child = program("exec cat");
    let (mut input, output) = (child.take_input().unwrap(), child.take_output().unwrap());
    let expected: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).collect();
    for piece in expected.chunks(100_000) {
        input.queue(Bytes::copy_from_slice(piece));
    }
    let (mut output, mut read) = (output, Vec::new());
    while read.len() < expected.len() {
        tokio::select! {
            biased;
            written = input.write(), if input.unwritten() > 0 => written.unwrap(),
            bytes = output.read() => read.extend_from_slice(&bytes.unwrap().unwrap()),
        }
    }
    assert!(read == expected);
}

#[tokio::test]
async fn how_it_ended_and_what_it_said() {
    let child = program("echo first >&2; printf 'no\\033end' >&2; exit 3");
    let said = child.said();
    let error = child.finish(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(error.said(), ["first", "noend"]);
    assert_eq!(said.last_line().as_deref(), Some("noend"));
    assert_eq!(error.to_string(), "test ended with exit status: 3: noend");
    program("exit 0").ended().await.unwrap();
    let killed = program("kill -9 $$").ended().await.unwrap_err();
    assert!(killed.to_string().contains("signal: 9"), "{killed}");
}

#[tokio::test]
async fn one_that_does_not_end_is_killed() {
    let child = program("echo waiting >&2; exec sleep 1000");
    let id = child.id().unwrap();
    let stuck = child.finish(Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(stuck, Error::Stuck { .. }), "{stuck}");
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[tokio::test]
async fn a_dropped_one_is_killed() {
    let mut child = program("echo here; exec sleep 1000");
    let mut output = child.take_output().unwrap();
    assert_eq!(
        output.read().await.unwrap().as_deref(),
        Some(&b"here\n"[..])
    );
    drop(child);
    assert_eq!(output.read().await.unwrap(), None);
}

#[tokio::test]
async fn writing_to_one_that_has_ended_fails() {
    let mut child = program("exit 0");
    let mut input = child.take_input().unwrap();
    child.ended().await.unwrap();
    let refused = input.send([Bytes::from_static(b"x")]).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn it_gets_nothing_of_this_process_and_no_more_than_its_size() {
    let mut child = program(
        "read go; pwd; env | cut -d= -f1 | sort | tr '\\n' ' '; echo; ulimit -c; ulimit -d; nice",
    );
    let mut input = child.take_input().unwrap();
    input.send([Bytes::from_static(b"go\n")]).await.unwrap();
    let held = matches!(child.limits, Limits::Process);
    let answer = read_all(child.take_output().unwrap()).await;
    let answer = String::from_utf8(answer).unwrap();
    let lines: Vec<&str> = answer.lines().collect();
    // The shell adds some of its own.
    let names = ["AV_LOG_FORCE_NOCOLOR", "PWD", "OLDPWD", "SHLVL", "_"];
    let given = lines[1].split_whitespace();
    let foreign: Vec<&str> = given
        .filter(|name| !names.contains(name) && !KEPT.contains(name))
        .collect();
    assert_eq!(foreign, [""; 0]);
    assert_eq!((lines[0], lines[2]), ("/", "0"));
    assert_eq!(lines[3..] == ["524288", "10"], held, "{lines:?}");
}

#[tokio::test]
async fn several_outputs_are_told_apart_and_end() {
    let ffmpeg = Ffmpeg::stand_in("/bin/sh");
    let script = |addresses: &[String]| {
        let numbers: Vec<_> = addresses
            .iter()
            .map(|address| address.strip_prefix("pipe:").unwrap())
            .collect();
        // Many children at once: none holds another's pipes.
        let script = format!(
            "cd /proc/self/fd; head -c 300000 /dev/zero >{}; echo two >{}; cat",
            numbers[0], numbers[1]
        );
        vec!["-c".into(), script.into()]
    };
    let mut children = Vec::new();
    for _ in 0..8 {
        let options = Options::new("test", TaskSize::Micro);
        children.push(Child::spawn_with(&ffmpeg, 3, script, options).unwrap());
    }
    for mut child in children {
        let (input, mut outputs) = (child.take_input(), child.take_outputs().unwrap());
        let mut read = vec![Vec::new(); 3];
        while read[1].is_empty() {
            let (index, bytes) = outputs.read().await.unwrap().unwrap();
            read[index].extend_from_slice(&bytes);
        }
        // The others still run and wait for their input.
        drop(input);
        while let Some((index, bytes)) = outputs.read().await.unwrap() {
            read[index].extend_from_slice(&bytes);
        }
        assert_eq!(
            (read[0].len(), &read[1][..], read[2].len()),
            (300_000, &b"two\n"[..], 0)
        );
        child.finish(Duration::from_secs(60)).await.unwrap();
    }
}

#[tokio::test]
async fn one_that_cannot_be_run_is_not_started() {
    for (path, why) in [
        ("/nowhere/ffmpeg", io::ErrorKind::NotFound),
        ("/etc/passwd", io::ErrorKind::PermissionDenied),
    ] {
        let options = Options::new("test", TaskSize::Micro);
        let refused = Child::spawn(&Ffmpeg::stand_in(path), Vec::new(), options);
        let Err(Error::Start {
            path: named,
            source,
        }) = refused
        else {
            panic!("{refused:?}");
        };
        assert_eq!((named.as_path(), source.kind()), (Path::new(path), why));
    }
}

/// The parent-death signal is that of the thread which started a process.
#[tokio::test]
async fn it_outlives_the_thread_that_asked_for_it() {
    let runtime = tokio::runtime::Handle::current();
    let asking = std::thread::spawn(move || {
        let _entered = runtime.enter();
        let child = program("exec cat");
        // By then it has asked for its signal.
        let name = format!("/proc/{}/comm", child.id().unwrap());
        while std::fs::read_to_string(&name).unwrap() != "cat\n" {
            std::thread::yield_now();
        }
        let thread = std::fs::read_link("/proc/thread-self").unwrap();
        (child, Path::new("/proc").join(thread))
    });
    let (mut child, thread) = asking.join().unwrap();
    while thread.exists() {
        tokio::task::yield_now().await;
    }
    let mut input = child.take_input().unwrap();
    input.send([Bytes::from_static(b"alive")]).await.unwrap();
    drop(input);
    assert_eq!(read_all(child.take_output().unwrap()).await, b"alive");
    child.finish(Duration::from_secs(60)).await.unwrap();
}
