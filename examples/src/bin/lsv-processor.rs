//! `lsv-processor`: encodes what other nodes have live.

use std::process::ExitCode;

use lsv_examples::config::{self, Options};
use lsv_examples::{logging, processor};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options: Options = config::of_process("lsv-processor")?;
        let config = options.resolve()?;
        let log_level = logging::start(config.log, config.log_level);
        processor::run(config, log_level).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lsv-processor: {error:#}");
            ExitCode::FAILURE
        }
    }
}
