//! `lsv-proxy`: one address for encoders and players, in front of any number of gateways.

use std::process::ExitCode;

use lsv_examples::proxy::{self, Options};
use lsv_examples::{config, logging};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options: Options = config::of_process("lsv-proxy")?;
        let config = options.resolve()?;
        let log_level = logging::start(config.log, config.log_level);
        proxy::run(config, &options, log_level).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lsv-proxy: {error:#}");
            ExitCode::FAILURE
        }
    }
}
