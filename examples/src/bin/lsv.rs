//! `lsv`: the whole platform in one process, with everything embedded.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lsv_examples::config::{self, Options};
use lsv_examples::node::{self, Role};
use lsv_examples::{doctor, logging, password};

#[derive(Parser)]
#[command(
    name = "lsv",
    version,
    about = "Live video on one machine: push RTMP; watch HTTP-FLV, HLS, CMAF and DASH"
)]
struct Line {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Say what viewers would suffer from in a recorded FLV file; exit code 0 for nothing, 2 for something, 1 where it
    /// cannot be read
    Doctor(doctor::Arguments),
    /// Read a password from standard input and print its hash, for --console-password
    HashPassword,
}

#[tokio::main]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("lsv: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run() -> anyhow::Result<ExitCode> {
    let Line { options, command } = config::of_process("lsv")?;
    match command {
        Some(Command::Doctor(arguments)) => doctor::run(&arguments),
        Some(Command::HashPassword) => password::print_hash(),
        None => {
            let config = options.resolve()?;
            let log_level = logging::start(config.log, config.log_level);
            node::run(Role::AllInOne, config, &options, log_level).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
