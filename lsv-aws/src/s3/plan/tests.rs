use proptest::prelude::*;

use super::*;

#[test]
fn a_day_at_fifty_megabits_fits() {
    let all: u64 = (1..=MOST_PARTS).map(|n| part_bytes(n) as u64).sum();
    assert!(all > 86_400 * 50_000_000 / 8 / 2, "{all}");
    assert!(part_bytes(1) as u64 >= LEAST_PART);
}

#[test]
fn what_is_left_ends_at_the_first_gap() {
    let full = PART as u64;
    assert_eq!(whole_parts([]), 0);
    assert_eq!(whole_parts([(1, full), (2, full), (3, 7)]), 3);
    assert_eq!(whole_parts([(2, full), (3, full)]), 0);
    assert_eq!(whole_parts([(1, full), (3, full)]), 1);
    assert_eq!(whole_parts([(1, full), (2, 7), (3, full)]), 0);
}

#[test]
fn a_short_head_takes_its_least_from_what_follows() {
    let head = Fragment::Bytes(Bytes::from_static(b"head"));
    let long = 3 * LONGEST_COPY;
    let planned = parts(vec![head.clone(), Fragment::Of(0, 100..long)]);
    let taken = LEAST_PART - 4;
    assert_eq!(
        planned[0],
        Part::Made(vec![head, Fragment::Of(0, 100..100 + taken)])
    );
    assert_eq!(planned.len(), 4);
    assert!(matches!(&planned[3], Part::Copied(0, range) if range.end == long));
}

/// Fragments of two sources, as how many bytes each; a third are bytes of our own.
fn any_fragments() -> impl Strategy<Value = Vec<Fragment>> {
    let length = prop_oneof![1..100_u64, 1..LEAST_PART * 3, 1..LONGEST_COPY * 3];
    let fragment =
        (0..3_usize, 0..1_000_u64, length).prop_map(|(source, start, length)| match source {
            2 => Fragment::Bytes(Bytes::from(vec![
                7;
                (length % (LEAST_PART * 2)) as usize + 1
            ])),
            source => Fragment::Of(source, start..start + length),
        });
    proptest::collection::vec(fragment, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In order, without a gap, and no part but the last too short.
    #[test]
    fn parts_are_the_fragments(fragments in any_fragments()) {
        let planned = parts(fragments.clone());
        let mut spelled = Vec::new();
        for (n, part) in planned.iter().enumerate() {
            let made = match part {
                Part::Copied(source, range) => vec![Fragment::Of(*source, range.clone())],
                Part::Made(fragments) => fragments.clone(),
            };
            let length: u64 = made.iter().map(Fragment::length).sum();
            prop_assert!(length >= LEAST_PART || n + 1 == planned.len());
            spelled.extend(made);
        }
        prop_assert_eq!(joined(spelled), joined(fragments));
    }
}

/// Neighbours of one source as one.
fn joined(fragments: Vec<Fragment>) -> Vec<Fragment> {
    let mut joined: Vec<Fragment> = Vec::new();
    for fragment in fragments {
        if let (Some(Fragment::Of(one, range)), Fragment::Of(other, next)) =
            (joined.last_mut(), &fragment)
            && one == other
            && range.end == next.start
        {
            range.end = next.end;
            continue;
        }
        joined.push(fragment);
    }
    joined
}
