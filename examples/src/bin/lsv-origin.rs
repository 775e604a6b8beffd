//! `lsv-origin`: gets channels from other nodes, each once, and serves any number of viewers.

use std::process::ExitCode;

use lsv_examples::config::{self, Options};
use lsv_examples::{logging, origin};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options: Options = config::of_process("lsv-origin")?;
        let config = options.resolve()?;
        let log_level = logging::start(config.log, config.log_level);
        origin::run(config, log_level).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lsv-origin: {error:#}");
            ExitCode::FAILURE
        }
    }
}
