//! The channel record: what an operator set for one channel, and the push key that opens it.
//!
//! [`Settings`] is declared once, as a table: name, type, default, range and meaning of every field. Reading a
//! request, the message of a refusal, the stored form and the OpenAPI description all come from that table
//! ([`FIELDS`]), so they cannot disagree.

mod address;
mod field;
mod fields;
mod key;
mod moment;
mod outputs;
mod record;
mod settings;
mod stored;
mod values;
mod watch;

pub use address::Authority;
pub use field::{Field, Invalid, Kind};
pub use fields::Fields;
pub use key::{MAX_REMEMBERED_KEYS, PushKey, Signer, TooManyKeys};
pub use moment::Moment;
pub use record::{Channel, Record};
pub use settings::{FIELDS, Settings};
pub use stored::Undecodable;
pub use values::{Codec, Color, LogLevel, Targets, TaskSize};
pub use watch::{EmptyReferer, PlayCloudFront, PlayHosts, PlayNetworks, PlayToken};
