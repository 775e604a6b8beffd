//! `lsv-api`: the REST API without media, as a server or as a Lambda function.

use std::process::ExitCode;

use lsv_examples::config::{self, Options};
use lsv_examples::{api, logging};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options: Options = config::of_process("lsv-api")?;
        let config = options.resolve()?;
        let log_level = logging::start(config.log, config.log_level);
        api::run(config, log_level).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lsv-api: {error:#}");
            ExitCode::FAILURE
        }
    }
}
