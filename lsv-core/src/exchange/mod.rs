//! What nodes say to each other where one keeps or runs something for others. [`crate::api::store`] answers,
//! [`crate::remote`] asks, and both read this.
//!
//! Every path begins with `/node/`, every call shows the node token (`Authorization: Bearer`). Ids of channels, names of
//! objects and ids of calls stand in paths as they are; they have no letter that a URL would have to quote.
//!
//! ```text
//! GET    /node/channels?limit&cursor     200 {"items": [record], "next": cursor or null}
//! GET    /node/channels/{id}             200 record, with its version in ETag: "7"
//! PUT    /node/channels/{id}             record; If-None-Match: * or If-Match: "7"     200 {"version": 8}   [call]
//! DELETE /node/channels/{id}             200 null                                                         [call]
//! GET    /node/streamdns                 200 {"push": "host[:port]" or null, "pull": …}
//! PUT    /node/streamdns                 the same                                      200 null           [call]
//!
//! GET    /node/objects?prefix&limit&cursor   200 {"items": [info], "next": cursor or null}
//! GET    /node/stat/{name}               200 info: {"name", "size" in bytes, "modified" RFC 3339, "class"}
//! GET    /node/objects/{name}?from&to    200 the bytes from..to, with the info as JSON in Lsv-Object
//! PUT    /node/objects/{name}?class      bytes; If-None-Match: * or If-Match: "SHA-256"  200 null         [call]
//! DELETE /node/objects/{name}            200 null                                                         [call]
//! POST   /node/composed/{name}?class     pieces, see below; If-Match: "size-millis"    200 info           [call]
//! POST   /node/settled/{name}            shows what a writer that is gone left           200 null           [call]
//! PUT    /node/writers/{uuid}            {"name", "class", "length" or null}           200 {"length"}
//! PATCH  /node/writers/{uuid}            bytes; Lsv-Offset: where they begin           200 {"length"}
//! POST   /node/writers/{uuid}            makes the object whole                        200 info           [call]
//! DELETE /node/writers/{uuid}            removes what was written                      200 null           [call]
//!
//! GET    /node/sessions                  200 [session]
//! GET    /node/sessions/{id}?form        200 session or null
//! PUT    /node/leases/{uuid}             {"session", "change"}                         200 {"seconds"}
//! DELETE /node/leases/{uuid}             200 null
//!
//! GET    /node/tasks                     200 [task]
//! POST   /node/tasks                     task spec                                     200 {"id"}         [call]
//! PATCH  /node/tasks/{id}                {"size"}                                      200 null           [call]
//! DELETE /node/tasks/{id}                200 null                                                         [call]
//!
//! GET    /node/calls/{uuid}              what the call of that id answered; 202 while it is under way; 404 unknown
//! ```
//!
//! **Records** of channels travel as stores keep them ([`Channel::encode`](crate::channel::Channel::encode)), push keys
//! included.
//!
//! **Calls.** What is marked `[call]` carries an id that its sender made up (`Lsv-Call`, a UUID). The answer is
//! remembered for some minutes and given again to whoever sends the same id (then with `Lsv-Remembered: true`), so that a
//! call whose answer was lost can be made again and counts once. What takes longer than a moment answers 202, and is then asked for below `calls`. A node
//! that was started anew has forgotten; so a condition says what the call was made for: the version, or for an object
//! that is composed of itself how it was (`If-Match`, its size in bytes and when it was written in Unix milliseconds), and
//! for one that is replaced what it had (`If-Match`, in hexadecimal digits).
//!
//! **Writers** have ids that their sender made up. What is appended says where in the object it begins: at its end it is
//! appended; the same again is not; nothing else counts. 410 is answered for a writer that is not there any more, after
//! an idle time or a new start: the sender puts it again with the `length` that was acknowledged, and goes on. That also
//! takes back what was appended without its sender having heard of it.
//!
//! **Leases** have ids that their holder made up. Putting one announces, and putting it again renews. `change` counts how
//! often its holder has changed what is announced: a greater one than the node has heard of changes it, others leave it as it
//! is, so that it does not matter in which order they arrive, or how often. Whoever does not renew within `seconds` is
//! forgotten, and announced again when it does. 410 is answered to who has been replaced, or whose channel is announced
//! by who began later (`since`), also after a new start of the node; and to who has withdrawn.
//!
//! **Refusals** are problem documents (RFC 9457) with a member `error` that holds the [`Error`](crate::ports::Error) of the port exactly:
//! `{"kind": "not-found", "what"}`, `conflict` with `what`, `denied` and `invalid` with `detail`, `unavailable` with `retryAfter`
//! (`{"secs", "nanos"}`) and `detail`, `damaged` with `what`, `detail` and `advice`.
//!
//! **Pieces** of an object to compose: a line of JSON, `[{"bytes": 16}, {"of": "name", "from": 0, "to": 9}]`, and behind
//! its line feed the bytes of all pieces that are bytes, one after the other: [`pieces`].

pub mod pieces;
mod told;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::channel::TaskSize;
use crate::ports::TaskId;
use crate::ports::{ObjectInfo, ObjectName, Session, StorageClass};

pub(crate) use told::Told;

/// The id of a call, a UUID.
pub(crate) const CALL: &str = "lsv-call";
/// There, and true, where an answer is one to a call that was made before.
pub(crate) const REMEMBERED: &str = "lsv-remembered";
/// Where in its object begins what is appended.
pub(crate) const OFFSET: &str = "lsv-offset";
/// What is known of the object whose bytes are answered, as JSON.
pub(crate) const OBJECT: &str = "lsv-object";

/// A page of a listing.
#[derive(Serialize, Deserialize)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// The version of a record that was written.
#[derive(Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) version: u64,
}

/// A writer that is to be there. With a length it goes on with an object of which that much was acknowledged.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) name: ObjectName,
    pub(crate) class: StorageClass,
    pub(crate) length: Option<u64>,
}

/// How long an object is that is being written.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Length {
    pub(crate) length: u64,
}

/// An announcement, its renewal, or its change.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Announcement {
    pub(crate) session: Session,
    /// How often the session was changed so far.
    #[serde(default)]
    pub(crate) change: u64,
}

/// What an announcement is answered: for how long it holds.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Announced {
    pub(crate) seconds: u64,
}

/// The name of a task that runs.
#[derive(Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) id: TaskId,
}

/// The size that a task is to have.
#[derive(Serialize, Deserialize)]
pub(crate) struct Resized {
    pub(crate) size: TaskSize,
}

/// A version as an entity tag (RFC 9110 §8.8.3).
pub(crate) fn tag_of_version(version: u64) -> String {
    format!("\"{version}\"")
}

/// The version that an entity tag says.
pub(crate) fn version_of_tag(tag: &str) -> Option<u64> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// What an object has, as an entity tag.
pub(crate) fn tag_of_bytes(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits = digest.iter().map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

/// How an object is, as an entity tag.
pub(crate) fn tag_of_object(info: &ObjectInfo) -> String {
    format!("\"{}-{}\"", info.size, info.modified.unix_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_say_versions() {
        for version in [0, 7, u64::MAX] {
            assert_eq!(version_of_tag(&tag_of_version(version)), Some(version));
        }
        for tag in ["", "\"", "7", "\"7", "W/\"7\"", "\"-7\"", "\"x\""] {
            assert_eq!(version_of_tag(tag), None, "{tag}");
        }
    }
}
