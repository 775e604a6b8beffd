//! Motion: what moves in a channel's picture is told, and kept as a clip with a picture of its moment.

pub mod clips;
pub mod detector;
