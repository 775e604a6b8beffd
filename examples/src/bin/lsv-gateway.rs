//! `lsv-gateway`: takes publishers, and gives their channels to viewers and other nodes.

use std::process::ExitCode;

use lsv_examples::config::{self, Options};
use lsv_examples::logging;
use lsv_examples::node::{self, Role};

#[tokio::main]
async fn main() -> ExitCode {
    let run = async {
        let options: Options = config::of_process("lsv-gateway")?;
        let config = options.resolve()?;
        let log_level = logging::start(config.log, config.log_level);
        node::run(Role::Gateway, config, &options, log_level).await
    };
    match run.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lsv-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
