//! Pictures that ffmpeg makes of live streams: snapshots, posters, small pictures for seeking, motion.

mod archive;
mod camera;
mod motion;
mod scene;
mod stills;
mod studio;
mod whole;
