//! `lsv`: the whole platform in one process, with everything embedded.

use std::process::ExitCode;

use lsv_examples::config::{self, Options};
use lsv_examples::{logging, node};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options: Options = config::of_process("lsv")?;
        let config = options.resolve()?;
        let log_level = logging::start(config.log, config.log_level);
        node::run(config, &options, log_level).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lsv: {error:#}");
            ExitCode::FAILURE
        }
    }
}
