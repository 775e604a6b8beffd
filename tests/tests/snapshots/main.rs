//! Pictures that ffmpeg makes of live streams: snapshots, posters, small pictures for seeking, motion.

mod camera;
mod motion;
mod stills;
mod studio;
mod whole;
